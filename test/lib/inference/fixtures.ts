/** Small models and frames, and the way to look at processes from outside. */
import { readdirSync, readFileSync } from 'node:fs';
import { Frame } from '../../../lib/frame/frame.ts';
import type { InferenceResult, LoadOptions } from '../../../lib/inference/host/host.ts';
import { digestOf, type ModelSource } from '../../../lib/inference/model/model.ts';

export function source(bytes: Buffer, name = 'tiny'): ModelSource {
  return { name, version: '1', bytes, digest: digestOf(bytes) };
}

/** An 8 × 8 raw frame of one grey. */
export function grey(value: number): Frame {
  return new Frame(Buffer.alloc(8 * 8 * 3, value), { width: 8, height: 8, format: 'rgb', source: 'test' });
}

export const anomaly: LoadOptions = { providers: ['cpu'], head: { task: 'anomaly-map' } };

/** True while there is a process that is not a zombie. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Resolves when the process is gone. */
export async function gone(pid: number): Promise<void> {
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Ids of the inference processes that this process has started and that run. */
export function hostProcesses(): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((pid) => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const isOurs = new RegExp(`^PPid:\\s+${process.pid}$`, 'm').test(status);
      return (
        isOurs && isRunning(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('host-process')
      );
    } catch {
      return false;
    }
  });
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** What became of the run of one grey: a result, or the code of its error. */
export interface Outcome {
  value: number;
  result?: InferenceResult;
  code?: string;
  /** On the clock of `performance.now()`. */
  at: number;
}

export interface SteadyLoad {
  /** In the order in which they came, which is not that of the frames if a model mixes them up. */
  readonly outcomes: readonly Outcome[];
  /** Resolves with the next outcome that is a result. */
  nextResult(): Promise<void>;
  /** Stops asking and waits for what is under way. */
  end(): Promise<readonly Outcome[]>;
}

/** Keeps `depth` runs under way, of greys 1, 2, …, 200, 1, …, until it is ended. */
export function steadyLoad(run: (value: number) => Promise<InferenceResult>, depth: number): SteadyLoad {
  const outcomes: Outcome[] = [];
  const waiters: (() => void)[] = [];
  let frames = 0;
  let isEnded = false;
  const next = async (): Promise<void> => {
    while (!isEnded) {
      const value = 1 + (frames++ % 200);
      try {
        const result = await run(value);
        outcomes.push({ value, result, at: performance.now() });
        for (const resolve of waiters.splice(0)) resolve();
      } catch (error) {
        outcomes.push({ value, code: String((error as { code?: unknown }).code), at: performance.now() });
        // a model that is closed refuses at once, for ever
        await new Promise(setImmediate);
      }
    }
  };
  const streams = Array.from({ length: depth }, next);
  return {
    outcomes,
    nextResult: () => new Promise((resolve) => waiters.push(resolve)),
    end: async () => {
      isEnded = true;
      await Promise.all(streams);
      return outcomes;
    },
  };
}
