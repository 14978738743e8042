/** The calibrations of the models that are loaded in a station, by the model's digest. */
import type { Calibration } from './types.ts';

export class Calibrations {
  readonly #byDigest = new Map<string, Calibration[]>();

  has(digest: string): boolean {
    return this.#byDigest.has(digest);
  }

  /** Returns the way to withdraw it. */
  offer(calibration: Calibration): () => void {
    const { digest } = calibration.model;
    this.#byDigest.set(digest, [...(this.#byDigest.get(digest) ?? []), calibration]);
    return () => {
      const others = (this.#byDigest.get(digest) ?? []).filter((offered) => offered !== calibration);
      if (others.length === 0) this.#byDigest.delete(digest);
      else this.#byDigest.set(digest, others);
    };
  }

  /** The newest of this model. */
  of(digest: string): Calibration | undefined {
    return this.#byDigest.get(digest)?.at(-1);
  }
}
