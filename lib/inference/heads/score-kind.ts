/**
 * Whether an output holds probabilities or logits. Where nobody says, its first numbers settle it for the life
 * of the head (in the host they are those of the warm-up), so that two frames are never read in two ways.
 * Zeros throughout say nothing: a graph without biases makes them of a black picture.
 */
import type { Scores } from './head.ts';
import { plainText } from './labels.ts';
import { unsupportedOutput } from './outputs.ts';

/** How far beyond 0…1 a probability may lie: a resize or a half-precision sum leaves such. */
export const SLACK = 1e-3;

export class ScoreKind {
  readonly #output: string;
  readonly #isSaid: boolean;
  #isReady: boolean | undefined;

  constructor(output: string, scores: Scores = 'auto') {
    this.#output = output;
    this.#isSaid = scores !== 'auto';
    if (this.#isSaid) this.#isReady = scores === 'as-is';
  }

  /** True for probabilities, false for logits, undefined while nothing has settled it. */
  get isReady(): boolean | undefined {
    return this.#isReady;
  }

  /**
   * True where these numbers are probabilities.
   *
   * @param looksReady whether they can be
   * @param isBlank whether all of them are 0
   * @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED` where they cannot be what the first ones were
   */
  settle(looksReady: boolean, isBlank: boolean): boolean {
    if (this.#isReady === undefined && isBlank) return looksReady;
    this.#isReady ??= looksReady;
    if (this.#isReady && !looksReady && !isBlank && !this.#isSaid) {
      throw unsupportedOutput(
        `'${plainText(this.#output)}' held probabilities before and now numbers that are none`,
        'Set the scores to softmax or sigmoid if the model gives logits, to as-is if it gives probabilities.',
      );
    }
    return this.#isReady;
  }
}
