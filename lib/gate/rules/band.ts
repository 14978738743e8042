/** Limits on a measured value: at least, at most, and a margin inside them where a person should look. */
import { GateError } from '../errors.ts';
import { usable, type Doubt, type Judge, type Judgement } from '../judgement.ts';

export interface BandOptions {
  min?: number | undefined;
  max?: number | undefined;
  /** In the units of the value; values this close to a limit go to a person. */
  margin: number;
}

export class BandJudge implements Judge {
  readonly calibration = 'fixed';
  readonly #min: number;
  readonly #max: number;
  readonly #margin: number;

  /** @throws GateError `RULE_INVALID` */
  constructor({ min = -Infinity, max = Infinity, margin }: BandOptions) {
    if (min === -Infinity && max === Infinity) {
      throw new GateError('RULE_INVALID', 'a band needs a minimum or a maximum');
    }
    if (!(min < max && margin >= 0 && 2 * margin <= max - min)) {
      throw new GateError('RULE_INVALID', `nothing is accepted between ${min} and ${max} with ${margin} off`);
    }
    this.#min = min;
    this.#max = max;
    this.#margin = margin;
  }

  judge(value: unknown): Judgement | Doubt {
    const score = usable(value);
    if (score === undefined) return { doubt: 'no-score', score: null };
    const [toMin, toMax] = [score - this.#min, this.#max - score];
    const threshold = toMin < toMax ? this.#min : this.#max;
    if (toMin < 0) return { decision: 'reject', reason: 'below-minimum', score, threshold };
    if (toMax < 0) return { decision: 'reject', reason: 'above-maximum', score, threshold };
    if (Math.min(toMin, toMax) < this.#margin) {
      return { decision: 'review', reason: 'near-limit', score, threshold };
    }
    return { decision: 'accept', reason: 'within-limits', score, threshold };
  }

  state(): unknown {
    return null;
  }

  restore(): void {
    // Every value is judged for itself.
  }
}
