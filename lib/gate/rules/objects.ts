/** Limits on what a detector found: how many of each kind there may and must be, and how sure it has to be. */
import { GateError } from '../errors.ts';
import {
  remembered,
  usable,
  worst,
  type Doubt,
  type Fallback,
  type Judge,
  type Judgement,
  type RuleFinding,
} from '../judgement.ts';

export interface ObjectLimit {
  /** As the model calls it; compared as it is written. */
  label: string;
  /** Findings below are not counted, 0..1. */
  minScore: number;
  minCount: number;
  /** Infinity where there may be any number. */
  maxCount: number;
  /** What a part gets that has too few or too many. */
  decision: Fallback;
}

export class ObjectJudge implements Judge {
  readonly calibration = 'fixed';
  readonly #limits: readonly ObjectLimit[];

  /** @throws GateError `RULE_INVALID` */
  constructor(limits: readonly ObjectLimit[]) {
    if (limits.length === 0) throw new GateError('RULE_INVALID', 'no kind of object has a limit');
    for (const { label, minScore, minCount, maxCount } of limits) {
      const fits = minScore >= 0 && minScore <= 1 && minCount >= 0 && maxCount >= minCount;
      if (label === '' || !fits || (minCount === 0 && maxCount === Infinity)) {
        throw new GateError('RULE_INVALID', `the limits of “${label}” can never or must always be broken`);
      }
    }
    this.#limits = limits;
  }

  /** `value`: a list of `{label, score}`; anything else is no finding at all, not a finding of nothing. */
  judge(value: unknown): Judgement | Doubt {
    const objects = objectsOf(value);
    if (objects === undefined) return { doubt: 'no-score', score: null };
    const rules = this.#limits.map((limit): RuleFinding => {
      const { label, minScore, minCount, maxCount } = limit;
      const count = objects.filter((object) => object.label === label && object.score >= minScore).length;
      const isWithin = count >= minCount && count <= maxCount;
      const allowed = maxCount === Infinity ? `at least ${minCount}` : `${minCount} to ${maxCount}`;
      return {
        rule: label,
        decision: isWithin ? 'accept' : limit.decision,
        reason: `${count}, allowed ${allowed}`,
      };
    });
    const decision = worst(rules.map((rule) => rule.decision));
    const reason = decision === 'accept' ? 'within-limits' : 'object-count';
    return { decision, reason, score: null, threshold: null, rules };
  }

  state(): unknown {
    return null;
  }

  restore(): void {
    // Every part is judged for itself.
  }
}

function objectsOf(value: unknown): { label: string; score: number }[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const objects = value.map((each: unknown) => ({
    label: remembered(each, 'label'),
    score: usable(remembered(each, 'score')),
  }));
  const isObject = (each: (typeof objects)[number]): each is { label: string; score: number } =>
    typeof each.label === 'string' && each.score !== undefined;
  return objects.every(isObject) ? objects : undefined;
}
