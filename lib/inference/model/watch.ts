/**
 * Tells when a model file, or the folder of a bundle, has become another one. It looks once a second
 * instead of listening: file systems of the network tell nobody, and a copy under way changes many
 * times. Only what has stayed the same for a while counts, so that half a file is never read.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock, type Clock } from '../../clock.ts';

/** Below what a person notices, and a call of `stat` is microseconds. */
const INTERVAL_MS = 1000;
/** Looks at which nothing may have changed: a copy that rests for less is taken as still under way. */
const STABLE_LOOKS = 2;
/** Files of a bundle that are looked at; golden samples are few. */
const MAX_FILES = 200;

/** What of a file changes with its content. */
async function factsOf(path: string, name = ''): Promise<string> {
  const { size, mtimeMs, ino } = await stat(path);
  return `${name}:${size}:${mtimeMs}:${ino}`;
}

/** Differs when the model does; undefined while there is none. */
export async function fingerprint(path: string): Promise<string | undefined> {
  try {
    const status = await stat(path);
    if (!status.isDirectory()) return await factsOf(path);
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).slice(0, MAX_FILES);
    const names = files.map((file) => join(file.parentPath, file.name)).sort();
    return (await Promise.all(names.map((name) => factsOf(name, name)))).join('\n');
  } catch {
    // It is being replaced.
    return undefined;
  }
}

interface WatchOptions {
  known?: string | undefined;
  clock?: Clock;
}

/**
 * Calls back each time the model at a path has changed and has come to rest. A model that is gone is not
 * reported: what was read of it goes on.
 */
export class ModelWatch {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #stop: () => void;
  #known: string | undefined;
  #seen: string | undefined;
  /** Looks in a row at which it was the same. */
  #looks = 0;
  #looking: Promise<void> | undefined;
  #isClosed = false;

  /** `known` is the fingerprint of what was read, taken before it was; else what is there now counts. */
  constructor(path: string, onChange: () => void, { known, clock = systemClock }: WatchOptions = {}) {
    this.#path = path;
    this.#known = known;
    this.#onChange = onChange;
    this.#stop = clock.every(INTERVAL_MS, () => void this.look());
    void this.look();
  }

  /** Looks now; a share that hangs is asked once, not once a second. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
  }

  async #look(): Promise<void> {
    const now = await fingerprint(this.#path);
    if (this.#isClosed || now === undefined) return;
    this.#known ??= now;
    this.#looks = now === this.#seen ? this.#looks + 1 : 0;
    this.#seen = now;
    if (now === this.#known || this.#looks < STABLE_LOOKS) return;
    this.#known = now;
    this.#onChange();
  }
}
