/** Small models and frames, and the way to look at processes from outside. */
import { readdirSync, readFileSync } from 'node:fs';
import { Frame } from '../../../lib/frame/frame.ts';
import type { LoadOptions } from '../../../lib/inference/host.ts';
import { digestOf, type ModelSource } from '../../../lib/inference/model.ts';

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
