/** The health of a picture as the dialog shows it: each measure a bar, in one order. */
import type { Band } from '../../lib/frame/band.ts';
import { MEASURES } from '../../lib/frame/baseline.ts';
import type { HealthMeter } from '../../lib/frame/health.ts';
import type { HealthSection } from '../../lib/inspection/inspection.ts';

export interface Measure {
  /** Key of its name in the catalogue. */
  name: string;
  value: number;
  /** Between which values good pictures lie, null for an open end; absent without a baseline. */
  band?: [low: number | null, high: number | null];
  /** True when it lies where it should not. */
  isOut: boolean;
}

function packed({ low, high }: Band): [number | null, number | null] {
  return [Number.isFinite(low) ? low : null, Number.isFinite(high) ? high : null];
}

/** `meter` is the one that measured `health` last. */
export function measuresOf(health: HealthSection, { baseline, findings }: HealthMeter): Measure[] {
  const known = health.baseline === 'ready' ? baseline : undefined;
  const isOut = (name: string): boolean => findings.some(({ measure }) => measure === name);
  const measures: Measure[] = MEASURES.map((name) => ({
    name,
    value: health[name],
    ...(known === undefined ? {} : { band: packed(known.bands[name]) }),
    isOut: isOut(name),
  }));
  const { shift } = health;
  if (shift === undefined || known?.shift === undefined) return measures;
  for (const [name, axis] of [
    ['shiftX', 'x'],
    ['shiftY', 'y'],
  ] as const) {
    measures.push({ name, value: shift[axis], band: packed(known.shift[axis]), isOut: isOut('shift') });
  }
  return measures;
}
