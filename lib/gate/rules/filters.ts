/**
 * Rules over the judgements of several parts. They never turn a part that is beyond its limits into an
 * accepted one: what is not confirmed goes to a person.
 */
import type { Decision } from '../../inspection/inspection.ts';
import { GateError } from '../errors.ts';
import { remembered, usable, type Filter, type Judgement } from '../judgement.ts';

function found(judgement: Judgement, rule: string, decision: Decision, detail: string): Judgement {
  const rules = [...(judgement.rules ?? []), { rule, decision, reason: detail }];
  if (decision === judgement.decision) return { ...judgement, rules };
  return { ...judgement, decision, reason: rule, rules };
}

/**
 * Rejects when at least k of the last n parts, this one among them, are beyond the reject limit. One that
 * is beyond it alone goes to a person; so does one within its limits while k of the last n were not.
 */
export class KOfN implements Filter {
  readonly rule = 'k-of-n';
  readonly #k: number;
  readonly #n: number;
  #recent: boolean[] = [];

  /** @throws GateError `RULE_INVALID` */
  constructor({ k, n }: { k: number; n: number }) {
    if (!Number.isInteger(k) || !Number.isInteger(n) || k < 1 || n < k || n > 100) {
      throw new GateError('RULE_INVALID', `${k} of ${n}: k must be 1 to n, and n at most 100`);
    }
    this.#k = k;
    this.#n = n;
  }

  apply(judgement: Judgement): Judgement {
    const beyond = judgement.decision === 'reject';
    this.#recent = [...this.#recent, beyond].slice(-this.#n);
    const count = this.#recent.filter(Boolean).length;
    const detail = `${count} of ${this.#recent.length}, at ${this.#k} of ${this.#n}`;
    const confirmed = count >= this.#k;
    if (beyond) return found(judgement, this.rule, confirmed ? 'reject' : 'review', detail);
    return found(judgement, this.rule, confirmed ? 'review' : judgement.decision, detail);
  }

  state(): unknown {
    return { recent: this.#recent };
  }

  restore(state: unknown): void {
    const recent = remembered(state, 'recent');
    if (Array.isArray(recent)) this.#recent = recent.slice(-this.#n).map((beyond) => beyond === true);
  }
}

/** Once a part is rejected, every part is, for so long: a machine that made one bad part makes more. */
export class Hold implements Filter {
  readonly rule = 'hold';
  readonly #holdMs: number;
  #endsAt = -Infinity;
  #now = 0;
  /** What a hold that was under way before a restart has left, until the first part says what time it is. */
  #leftMs = 0;

  /** @throws GateError `RULE_INVALID` */
  constructor({ holdMs }: { holdMs: number }) {
    if (!(holdMs > 0 && Number.isFinite(holdMs))) {
      throw new GateError('RULE_INVALID', `a hold of ${holdMs} ms holds nothing`);
    }
    this.#holdMs = holdMs;
  }

  apply(judgement: Judgement, nowMs: number): Judgement {
    this.#now = nowMs;
    if (this.#leftMs > 0) this.#endsAt = nowMs + this.#leftMs;
    this.#leftMs = 0;
    if (judgement.decision === 'reject') {
      this.#endsAt = nowMs + this.#holdMs;
      return found(judgement, this.rule, 'reject', `for ${this.#holdMs} ms`);
    }
    const leftMs = Math.ceil(this.#endsAt - nowMs);
    return leftMs > 0 ? found(judgement, this.rule, 'reject', `${leftMs} ms left`) : judgement;
  }

  /** The time that is left, not when it ends: no clock of this process outlives it. */
  state(): unknown {
    return { leftMs: this.#leftMs > 0 ? this.#leftMs : Math.max(0, this.#endsAt - this.#now) };
  }

  restore(state: unknown): void {
    this.#leftMs = Math.min(usable(remembered(state, 'leftMs')) ?? 0, this.#holdMs);
  }
}
