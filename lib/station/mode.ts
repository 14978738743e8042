/** The ladder of a station: how much it trusts itself. It steps down alone and up only by a person. */
import type { Mode } from '../inspection/inspection.ts';

/** From full trust to none. */
export const LADDER: readonly Mode[] = ['NORMAL', 'CONSERVATIVE', 'RULES', 'STOPPED'];

/** The mode after a request to step down to `wanted`: never a higher one. */
export function stepDown(current: Mode, wanted: Mode): Mode {
  return LADDER.indexOf(wanted) > LADDER.indexOf(current) ? wanted : current;
}
