/** What a plc-watch was configured with, read once and checked. */
import type { EdgeOptions } from '../../lib/plc/edge.ts';
import type { ConfigReader } from '../runtime/config.ts';

export interface Config {
  endpointId: string;
  /** The station whose parts the trigger opens; undefined where it opens none. */
  stationId: string | undefined;
  tag: string;
  name: string;
  /** Read when the trigger comes; undefined where the station numbers its parts itself. */
  partIdTag: string | undefined;
  pollMs: number;
  edges: Omit<EdgeOptions, 'clock'>;
}

export function normalise(config: ConfigReader): Config {
  const tag = config.text('tag').trim();
  return {
    endpointId: config.text('endpoint'),
    stationId: config.text('station', '') || undefined,
    tag,
    name: config.text('name', tag),
    partIdTag: config.text('partIdTag', '').trim() || undefined,
    pollMs: config.number('intervalMs', { fallback: 100, min: 10, max: 3_600_000 }),
    edges: {
      direction: config.choice('when', ['change', 'rising', 'falling'], 'change'),
      debounceMs: config.number('debounceMs', { fallback: 0, min: 0, max: 60_000 }),
      deadband: config.number('deadband', { fallback: 0, min: 0 }),
      countState: config.boolean('countState', false),
    },
  };
}
