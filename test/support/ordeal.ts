/** Puts a camera source through a fault while triggers keep coming, and says what became of each of them. */
import assert from 'node:assert/strict';
import type { CaptureError } from '../../lib/capture/errors.ts';
import type { CameraSource } from '../../lib/capture/source.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';

const TRIGGER_MS = 50;
/** What a loaded machine may add to the time a trigger has. */
const SLACK_MS = 1500;
const RECOVERY_MS = 5000;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A clock that runs so many times as fast, for a hundred outages in seconds. */
export function fastClock(factor: number): Clock {
  return {
    ...systemClock,
    now: () => systemClock.now() * factor,
    after: (delayMs, callback) => systemClock.after(delayMs / factor, callback),
  };
}

/** A source that is triggered all the time. */
export class TriggeredSource {
  readonly source: CameraSource;
  readonly outcomes: { code: string; startedAt: number; endedAt: number }[] = [];
  /** When the triggers came that have no outcome yet. */
  readonly waiting: Set<{ startedAt: number }> = new Set();
  readonly lost: { code: string; at: number }[] = [];
  triggers = 0;
  #timer: NodeJS.Timeout | undefined;
  #waiters: (() => void)[] = [];

  constructor(source: CameraSource) {
    this.source = source;
  }

  /** Starts the source and waits for its first image. */
  async start(): Promise<void> {
    await this.source.start({
      lost: ({ code }: CaptureError) => void this.lost.push({ code, at: performance.now() }),
      restored: () => undefined,
    });
    this.#timer = setInterval(() => this.#trigger(), TRIGGER_MS);
    await this.imageAfter(performance.now());
  }

  /** When the first image after `at` was there. */
  async imageAfter(at: number): Promise<number> {
    for (;;) {
      const image = this.outcomes.find(({ code, endedAt }) => code === 'image' && endedAt > at);
      if (image !== undefined) return image.endedAt;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.source.close();
    while (this.waiting.size > 0) await pause(10);
  }

  #trigger(): void {
    this.triggers += 1;
    const trigger = { startedAt: performance.now() };
    this.waiting.add(trigger);
    const settle = (code: string): void => {
      this.waiting.delete(trigger);
      this.outcomes.push({ code, ...trigger, endedAt: performance.now() });
      for (const resolve of this.#waiters.splice(0)) resolve();
    };
    this.source.grab(new AbortController().signal).then(
      () => settle('image'),
      (error: unknown) => settle((error as CaptureError).code),
    );
  }
}

export interface Ordeal {
  triggered: TriggeredSource;
  break(): Promise<void> | void;
  mend(): Promise<void> | void;
  close(): Promise<void>;
}

export interface Aftermath {
  triggers: number;
  /** How many triggers ended how. */
  outcomes: Record<string, number>;
  /** The longest a trigger waited for its outcome. */
  longestMs: number;
  /** Triggers without an outcome at the end of the outage that were older than they may become. */
  forgotten: number;
  /** From the fault to the announcement that the camera is lost; undefined when nobody noticed. */
  noticedMs: number | undefined;
  recoveryMs: number;
}

/** @param timeoutMs what a trigger is given */
export async function suffer(
  { triggered, ...ordeal }: Ordeal,
  { outageMs, timeoutMs }: { outageMs: number; timeoutMs: number },
): Promise<Aftermath> {
  await triggered.start();
  const brokenAt = performance.now();
  await ordeal.break();
  await pause(outageMs);
  const due = performance.now() - timeoutMs - SLACK_MS;
  const forgotten = [...triggered.waiting].filter(({ startedAt }) => startedAt < due).length;
  const noticed = triggered.lost.find(({ at }) => at > brokenAt);
  await ordeal.mend();
  const mendedAt = performance.now();
  const recoveryMs = (await triggered.imageAfter(mendedAt)) - mendedAt;
  await triggered.close();
  await ordeal.close();
  const outcomes: Record<string, number> = {};
  for (const { code } of triggered.outcomes) outcomes[code] = (outcomes[code] ?? 0) + 1;
  return {
    triggers: triggered.triggers,
    outcomes,
    longestMs: Math.max(...triggered.outcomes.map(({ startedAt, endedAt }) => endedAt - startedAt)),
    forgotten,
    noticedMs: noticed === undefined ? undefined : noticed.at - brokenAt,
    recoveryMs,
  };
}

/** Asserts what every source promises, and prints the figures. */
export function assertSurvived(what: string, aftermaths: Aftermath[], timeoutMs: number): void {
  const percentile = (values: number[], share: number): number =>
    Math.round(values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? NaN);
  const recovery = aftermaths.map(({ recoveryMs }) => recoveryMs);
  const noticed = aftermaths.flatMap(({ noticedMs }) => noticedMs ?? []);
  const triggers = aftermaths.reduce((sum, aftermath) => sum + aftermath.triggers, 0);
  console.log(
    `      ${what}: recovery p50 ${percentile(recovery, 0.5)} max ${percentile(recovery, 1)} ms` +
      (noticed.length === 0 ? '' : `, noticed after at most ${percentile(noticed, 1)} ms`) +
      `, ${triggers} triggers, longest ${percentile(
        aftermaths.map(({ longestMs }) => longestMs),
        1,
      )} ms`,
  );
  for (const { outcomes, triggers: count, forgotten, longestMs, recoveryMs } of aftermaths) {
    assert.equal(
      Object.values(outcomes).reduce((sum, of) => sum + of, 0),
      count,
      'each trigger has one outcome',
    );
    for (const code of Object.keys(outcomes)) assert.match(code, /^(image|CAMERA_|CAPTURE_|IMAGE_|CLOSED)/);
    assert.equal(forgotten, 0, 'no trigger waits longer than it may');
    assert.ok(longestMs < timeoutMs + SLACK_MS, `a trigger waited for ${longestMs} ms`);
    assert.ok(recoveryMs <= RECOVERY_MS, `${what}: an image ${recoveryMs} ms after the camera was back`);
  }
}
