/**
 * A file that is only there to be deleted. On a full disk SQLite in WAL mode can neither insert nor
 * delete nor checkpoint (measured: all three fail with SQLITE_FULL), so room has to come from outside.
 * Nothing here throws: a disk that refuses to look or to delete has no room to give.
 */
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

const CHUNK_BYTES = 1024 * 1024;

export class Ballast {
  readonly #folder: string;
  readonly #path: string;
  readonly #bytes: number;

  constructor(folder: string, bytes: number) {
    this.#folder = folder;
    this.#path = join(folder, 'ballast');
    this.#bytes = bytes;
  }

  get isThere(): boolean {
    return this.#size() >= this.#bytes;
  }

  /** Takes the space when there is plenty: never so that the ballast itself fills the disk. */
  fill(): boolean {
    if (this.isThere) return true;
    try {
      const { bavail, bsize } = statfsSync(this.#folder);
      if (bavail * bsize < 4 * this.#bytes) return false;
      const handle = openSync(this.#path, 'w');
      try {
        // Random, because a file system that compresses would keep no room for zeros.
        for (let left = this.#bytes; left > 0;) {
          left -= writeSync(handle, randomBytes(Math.min(left, CHUNK_BYTES)));
        }
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
      return true;
    } catch {
      this.#remove();
      return false;
    }
  }

  /** Gives the space back; false when there was none to give, or when it cannot be given. */
  free(): boolean {
    const size = this.#size();
    return this.#remove() && size > 0;
  }

  #size(): number {
    try {
      return statSync(this.#path).size;
    } catch {
      return 0;
    }
  }

  #remove(): boolean {
    try {
      rmSync(this.#path, { force: true });
      return true;
    } catch {
      return false;
    }
  }
}
