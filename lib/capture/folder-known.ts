/** What a watched folder remembers: the files that were taken or were there before, and what was in them. */
import { hash } from 'node:crypto';
import type { FileState } from './folder-files.ts';
import type { CapturedImage } from './source.ts';

/** So many files are looked at in one round for another picture in them; a large folder takes turns. */
const ROUND_FILES = 200;

interface KnownFile {
  identity: string;
  version: string;
  /** Of the bytes that were taken; undefined when none were. */
  digest: string | undefined;
}

export class KnownFiles {
  readonly #files = new Map<string, KnownFile>();
  #position = 0;

  has(file: string): boolean {
    return this.#files.has(file);
  }

  delete(file: string): void {
    this.#files.delete(file);
  }

  /** True when the file was written to, or is not known. */
  differs(file: string, { version }: FileState): boolean {
    return this.#files.get(file)?.version !== version;
  }

  /**
   * Remembers the file as it is now.
   *
   * @returns false when the same file holds the same picture as before: copying tools set the time of a file
   *   once it is written, which makes no new picture of it
   */
  add(file: string, { identity, version }: FileState, image?: CapturedImage): boolean {
    const bytes = image?.bytes;
    const digest = Buffer.isBuffer(bytes) ? hash('sha1', bytes, 'base64') : undefined;
    const before = this.#files.get(file);
    this.#files.set(file, { identity, version, digest });
    return digest === undefined || before?.identity !== identity || before.digest !== digest;
  }

  /** Forgets all other files. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const file of this.#files.keys()) if (!names.has(file)) this.#files.delete(file);
  }

  /** The files whose turn it is to be looked at. */
  nextRound(): string[] {
    const files = [...this.#files.keys()];
    if (this.#position >= files.length) this.#position = 0;
    const round = files.slice(this.#position, this.#position + ROUND_FILES);
    this.#position += round.length;
    return round;
  }
}
