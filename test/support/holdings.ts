/** What a process holds of the machine, counted: what a close left out leaves behind shows here. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** How many there are of each kind. */
export type Holdings = Readonly<Record<string, number>>;

/** Open files and sockets, child processes, and what keeps the event loop alive. */
export async function holdings(): Promise<Holdings> {
  const resources = process.getActiveResourcesInfo();
  const count = (pattern: RegExp): number => resources.filter((kind) => pattern.test(kind)).length;
  return {
    files: (await readdir('/proc/self/fd')).length,
    sockets: count(/^(TCP|TLS|Pipe|UDP)/),
    timers: count(/^Timeout/),
    threads: count(/^MessagePort/),
    children: await countChildren(),
  };
}

async function countChildren(): Promise<number> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const parents = await Promise.all(
    processes.map(async (pid) => {
      // One may have ended meanwhile. After the name, which may hold brackets: state, then parent (proc(5)).
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    }),
  );
  return parents.filter((parent) => parent === process.pid).length;
}

/** The kinds of which there are more than before. */
function grown(before: Holdings, now: Holdings): Record<string, string> {
  const more = Object.entries(now).filter(([kind, count]) => count > (before[kind] ?? 0));
  return Object.fromEntries(more.map(([kind, count]) => [kind, `${before[kind] ?? 0} → ${count}`]));
}

/** Waits until there is no more than before: the kernel takes its time with sockets. Returns what there still is. */
export async function settledHoldings(
  before: Holdings,
  look: () => Promise<Holdings>,
  limitMs = 3000,
): Promise<Record<string, string>> {
  const until = performance.now() + limitMs;
  for (;;) {
    const more = grown(before, await look());
    if (Object.keys(more).length === 0 || performance.now() > until) return more;
    await pause(30);
  }
}

/** Fails where this process goes on holding more than before. */
export async function assertNothingHeld(before: Holdings): Promise<void> {
  assert.deepEqual(await settledHoldings(before, holdings), {});
}

export interface Emitter {
  eventNames(): (string | symbol)[];
  listenerCount(event: string | symbol): number;
}

/** Listeners of an emitter, by their events. */
export function listenersOf(name: string, emitter: Emitter): Holdings {
  const events = emitter.eventNames();
  return Object.fromEntries(
    events.map((event) => [`${name} ${String(event)}`, emitter.listenerCount(event)] as const),
  );
}

type SetTimer = (
  callback: (...given: unknown[]) => void,
  delayMs?: number,
  ...given: unknown[]
) => NodeJS.Timeout;

/**
 * Counts every timer that is set from now on, also those that keep no process alive, which
 * `process.getActiveResourcesInfo` leaves out. Returns what is set and has neither run out nor been cleared, by the
 * line that set it.
 */
export function countTimers(): () => Holdings {
  const set = new Map<NodeJS.Timeout & { _destroyed?: boolean }, string>();
  for (const name of ['setTimeout', 'setInterval'] as const) {
    const original: SetTimer = globalThis[name];
    const counted: SetTimer = (...parameters) => {
      const timer = original(...parameters);
      set.set(timer, whoCalled());
      if (set.size % 1000 === 0) forget();
      return timer;
    };
    // With the form that `util.promisify` gives it.
    Object.assign(globalThis, { [name]: Object.assign(counted, globalThis[name]) });
  }
  const forget = (): void => {
    for (const timer of set.keys()) if (timer._destroyed === true) set.delete(timer);
  };
  return () => {
    forget();
    const counts: Record<string, number> = {};
    for (const line of set.values()) counts[line] = (counts[line] ?? 0) + 1;
    return counts;
  };
}

/** The line outside of this file from which a timer was set. */
function whoCalled(): string {
  const stack = new Error().stack ?? '';
  const line = stack
    .split('\n')
    .slice(1)
    .find((frame) => !frame.includes('support/holdings'));
  return `timer ${/([^/]+\/[^/]+:\d+):\d+\)?$/.exec(line ?? '')?.[1] ?? 'elsewhere'}`;
}
