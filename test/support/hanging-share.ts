/**
 * A share that hangs: what is done with the files below a folder neither ends nor fails until the share
 * answers again. Linux has no way to make one without being root, so `node:fs/promises` plays it.
 */
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const OPERATIONS = ['stat', 'open', 'readdir', 'realpath', 'rename'] as const;
type Operation = (path: unknown, ...rest: unknown[]) => Promise<unknown>;

export class HangingShare {
  readonly #folder: string;
  readonly #real = new Map(OPERATIONS.map((name) => [name, files[name] as Operation]));
  #answer: (() => void) | undefined;
  #answered: Promise<void> = Promise.resolve();
  /** Operations that hang; each holds a thread of the four that Node has. */
  hanging = 0;

  constructor(folder: string) {
    this.#folder = folder;
    for (const [name, real] of this.#real) {
      const slow: Operation = async (path, ...rest) => {
        if (String(path).startsWith(this.#folder)) await this.#hold();
        return await real(path, ...rest);
      };
      Object.assign(files, { [name]: slow });
    }
    syncBuiltinESMExports();
  }

  hang(): void {
    this.#answered = new Promise((resolve) => (this.#answer = resolve));
  }

  answer(): void {
    this.#answer?.();
    this.#answer = undefined;
  }

  /** Ends with the real file operations in their places. */
  close(): void {
    this.answer();
    for (const [name, real] of this.#real) Object.assign(files, { [name]: real });
    syncBuiltinESMExports();
  }

  async #hold(): Promise<void> {
    if (this.#answer === undefined) return;
    this.hanging += 1;
    await this.#answered;
    this.hanging -= 1;
  }
}
