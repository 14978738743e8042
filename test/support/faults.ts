/** What tests of failing cameras share: triggers that go on whatever happens, time limits, what a process holds. */
import { globSync, readdirSync, readFileSync } from 'node:fs';
import type { CameraSource, CapturedImage } from '../../lib/capture/source.ts';
import { never } from './captured.ts';
import { pause } from './ordeal.ts';

/** Rejects when the promise takes longer. */
export function within<Result>(promise: Promise<Result>, ms: number, what: string): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Triggers one after the other until told to stop, and what became of each: `image`, `wrong image` or a code. */
export class Triggers {
  readonly outcomes: string[] = [];
  sent = 0;
  readonly #running: Promise<void>;
  #isStopped = false;

  constructor(source: CameraSource, isRight: (image: CapturedImage) => Promise<boolean>) {
    this.#running = this.#run(source, isRight);
  }

  /** The distinct outcomes, sorted. */
  async stop(): Promise<string[]> {
    this.#isStopped = true;
    await this.#running;
    return [...new Set(this.outcomes)].sort();
  }

  async #run(source: CameraSource, isRight: (image: CapturedImage) => Promise<boolean>): Promise<void> {
    while (!this.#isStopped) {
      this.sent += 1;
      try {
        this.outcomes.push((await isRight(await source.grab(never))) ? 'image' : 'wrong image');
      } catch (error) {
        this.outcomes.push(String((error as { code?: unknown }).code ?? error));
      }
      await pause(20);
    }
  }
}

/** Child processes and file descriptors (sockets and pipes among them) this process holds. */
export function held(): { children: number; descriptors: number } {
  const children = globSync('/proc/self/task/*/children').map((file) => readFileSync(file, 'utf8'));
  return {
    children: children.join(' ').split(' ').filter(Boolean).length,
    descriptors: readdirSync('/proc/self/fd').length,
  };
}
