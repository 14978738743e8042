/** What the dialog shows of running sensors, and the route it asks for it. */
import { CodedError } from '../../lib/errors.ts';
import { adminRoute } from '../runtime/admin.ts';
import type { NodeAPI } from '../runtime/types.ts';
import type { Samples } from './samples.ts';

/** Names beyond this are not kept: a flow may send another with every message. */
const MOST_NAMES = 64;
/** Weight of the newest pause between messages in the mean. */
const NEWEST = 0.1;

interface Seen {
  value: number;
  samples: number;
  /** Mean time for one sample, ms; undefined before the second message. */
  periodMs: number | undefined;
  atMs: number;
}

/** Counts what came, in constant space. */
export class LiveSensors {
  readonly #channels: readonly string[];
  readonly #units: Readonly<Record<string, string>>;
  readonly #seen = new Map<string, Seen>();
  /** Names that came and are no sensors of this node. */
  readonly #others = new Set<string>();
  windows = 0;
  gaps = 0;
  late = 0;

  constructor(channels: readonly string[], units: Readonly<Record<string, string>>) {
    this.#channels = channels;
    this.#units = units;
  }

  add(samples: Samples, nowMs: number): void {
    for (const [name, given] of Object.entries(samples)) {
      const list = Array.isArray(given) ? given : [given];
      const before = this.#seen.get(name);
      const pauseMs = before === undefined ? undefined : (nowMs - before.atMs) / list.length;
      const meanMs = before?.periodMs;
      this.#seen.set(name, {
        value: list.at(-1) ?? NaN,
        samples: (before?.samples ?? 0) + list.length,
        periodMs:
          meanMs === undefined || pauseMs === undefined ? pauseMs : meanMs + NEWEST * (pauseMs - meanMs),
        atMs: nowMs,
      });
    }
  }

  /** Notes what a message holds that nobody asked for, so that the dialog can offer it. */
  note(payload: unknown, topic: unknown): void {
    const isPlain = typeof payload === 'object' && payload !== null && !ArrayBuffer.isView(payload);
    const names = isPlain && !Array.isArray(payload) ? Object.keys(payload).slice(0, MOST_NAMES) : [topic];
    for (const name of names) {
      const isNew = typeof name === 'string' && name !== '' && !this.#channels.includes(name);
      if (isNew && this.#others.size < MOST_NAMES) this.#others.add(name.slice(0, 80));
    }
  }

  view(nowMs: number): object {
    return {
      channels: this.#channels.map((name) => {
        const seen = this.#seen.get(name);
        return {
          name,
          unit: this.#units[name] ?? '',
          samples: seen?.samples ?? 0,
          value: seen?.value ?? null,
          hz: seen?.periodMs !== undefined && seen.periodMs > 0 ? 1000 / seen.periodMs : null,
          agoMs: seen === undefined ? null : Math.round(nowMs - seen.atMs),
        };
      }),
      others: [...this.#others],
      windows: this.windows,
      gaps: this.gaps,
      late: this.late,
    };
  }
}

const running = new Map<string, LiveSensors>();

/** Makes the sensors of a node known to the route; returns the way to withdraw them. */
export function announceSensors(id: string, sensors: LiveSensors): () => void {
  running.set(id, sensors);
  return () => {
    // A redeploy may have put its successor there already.
    if (running.get(id) === sensors) running.delete(id);
  };
}

export function sensorRoutes(RED: NodeAPI): void {
  adminRoute(RED, {
    summary:
      'Tells what a running sensor-window receives: the value and rate of each sensor, names it does not know, windows ' +
      'and gaps',
    method: 'get',
    path: '/jidoka/sensors/:id',
    permission: 'sensor.read',
    handle: ({ params }) => {
      const sensors = running.get(params['id'] ?? '');
      if (sensors === undefined) throw new CodedError('NOT_FOUND', 'this node is not deployed');
      return sensors.view(performance.now());
    },
  });
}
