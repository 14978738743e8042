/** The alarms of one node, where it belongs to a station: with the node as their source, so that people are led to it. */
import type { AlarmCode } from '../../lib/station/alarms/catalogue.ts';
import type { Station } from '../../lib/station/types.ts';
import type { Node } from './types.ts';

export interface NodeAlarms {
  raise(code: AlarmCode, message: string): void;
  clear(...codes: AlarmCode[]): void;
  /** Raises while `isSo`, clears else. */
  set(code: AlarmCode, isSo: boolean, message: string): void;
}

/** `within`: id of what the node depends on, e.g. its endpoint. */
export function alarmsOf(
  node: Pick<Node, 'id' | 'type' | 'name'>,
  station: Pick<Station, 'alarms'> | undefined,
  within?: string,
): NodeAlarms {
  const name = node.name === undefined || node.name === '' ? node.type : node.name;
  const source = { id: node.id, name, ...(within === undefined ? {} : { within }) };
  const raise = (code: AlarmCode, message: string): void => station?.alarms.raise({ code, message, source });
  const clear = (...codes: AlarmCode[]): void => {
    for (const code of codes) station?.alarms.clear(code, source);
  };
  return { raise, clear, set: (code, isSo, message) => (isSo ? raise(code, message) : clear(code)) };
}
