/**
 * Bytes of a picture that are made when somebody first wants them: what people look at must not
 * hold up a verdict (a heatmap takes 20 to 30 ms).
 */
import { CodedError } from '../errors.ts';

class LaterError extends CodedError<'FRAME_PENDING'> {}

export class LaterBytes {
  readonly #make: () => Promise<Buffer>;
  #making: Promise<Buffer> | undefined;
  #bytes: Buffer | undefined;

  /** `make` is called once, and never where nobody looks. */
  constructor(make: () => Promise<Buffer>) {
    this.#make = make;
  }

  /** Rejects as `make` does, each time. */
  read(): Promise<Buffer> {
    this.#making ??= this.#make().then((bytes) => (this.#bytes = bytes));
    return this.#making;
  }

  /** 0 until they are made. */
  get length(): number {
    return this.#bytes?.length ?? 0;
  }

  /** @throws LaterError `FRAME_PENDING` until they are made */
  get bytes(): Buffer {
    if (this.#bytes !== undefined) return this.#bytes;
    // Whoever asks too early finds them the next time; a failure is told to those who wait.
    this.read().catch(() => undefined);
    throw new LaterError('FRAME_PENDING', 'this picture is still being made', {
      hint: 'Wait for it with `await frame.read()`.',
    });
  }
}
