/** Small models and frames, and the way to look at processes from outside. */
import { readFileSync } from 'node:fs';
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
