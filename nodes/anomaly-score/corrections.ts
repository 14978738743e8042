/**
 * What people found parts to be that this node has scored, waiting to be learnt: a reject that was good, an
 * accept that was bad, and defects that were found, which the acceptance test of the next version takes too.
 * Kept in the station's journal, so that a restart loses none.
 */
import type { Journal, Label } from '../../lib/journal/types.ts';
import type { Station } from '../../lib/station/types.ts';

export interface Correction {
  partId: string;
  truth: Label['truth'];
  decision: Label['decision'];
  /** False for a defect that was found: nothing was wrong, and it waits for the next lesson. */
  isMistake: boolean;
  score: number | null;
  actor: string;
  reason: string;
  /** ISO 8601 in UTC. */
  at: string;
}

interface Saved {
  /** The newest label that was looked at. */
  after: number;
  waiting: Correction[];
}

/** Labels read at a time. */
const PAGE = 100;
/** More than anybody can look through; the oldest goes. */
const MAX_WAITING = 200;

/** What a label teaches; undefined where it only confirms that a part was good. */
export function correctionOf({
  partId,
  truth,
  decision,
  score,
  actor,
  reason,
  at,
}: Label): Correction | undefined {
  const isMistake = truth === 'good' ? decision !== 'accept' : decision === 'accept';
  if (truth === 'good' && !isMistake) return undefined;
  return { partId, truth, decision, isMistake, score, actor, reason, at };
}

export class Corrections {
  readonly #station: Pick<Station, 'journal'>;
  readonly #key: string;
  #after = 0;
  #waiting = new Map<string, Correction>();
  #saving: Promise<void> = Promise.resolve();

  constructor(station: Pick<Station, 'journal'>, key: string) {
    this.#station = station;
    this.#key = key;
  }

  /** Reads what was waiting, and the labels given since, in their order. */
  async open(): Promise<Label[]> {
    const journal = await this.#station.journal();
    const saved = (await journal.getValue(this.#key)) as Saved | undefined;
    this.#after = saved?.after ?? (await newestLabel(journal));
    this.#waiting = new Map((saved?.waiting ?? []).map((correction) => [correction.partId, correction]));
    return labelsAfter(journal, this.#after);
  }

  get list(): Correction[] {
    return [...this.#waiting.values()];
  }

  get(partId: string): Correction | undefined {
    return this.#waiting.get(partId);
  }

  /** Takes what a label says of a part; a later one of the same part replaces it. */
  async take(label: Label): Promise<Correction | undefined> {
    this.#after = Math.max(this.#after, label.rowId);
    const correction = correctionOf(label);
    this.#waiting.delete(label.partId);
    if (correction !== undefined) this.#waiting.set(label.partId, correction);
    for (const partId of this.#waiting.keys()) {
      if (this.#waiting.size <= MAX_WAITING) break;
      this.#waiting.delete(partId);
    }
    await this.#save();
    return correction;
  }

  /** Those were learnt, or are not to be. */
  async settle(corrections: readonly Correction[]): Promise<void> {
    for (const correction of corrections) {
      if (this.#waiting.get(correction.partId) === correction) this.#waiting.delete(correction.partId);
    }
    await this.#save();
  }

  #save(): Promise<void> {
    const saved: Saved = { after: this.#after, waiting: this.list };
    this.#saving = this.#saving
      .catch(() => undefined)
      .then(async () => (await this.#station.journal()).setValue(this.#key, saved));
    return this.#saving;
  }
}

async function labelsAfter(journal: Journal, after: number): Promise<Label[]> {
  const page = await journal.labels({ after, limit: PAGE });
  const last = page.at(-1);
  return page.length < PAGE || last === undefined
    ? page
    : [...page, ...(await labelsAfter(journal, last.rowId))];
}

/** What was labelled before there was anybody to learn is not caught up with. */
async function newestLabel(journal: Journal): Promise<number> {
  return (await journal.labels({ limit: 1, history: true })).at(-1)?.rowId ?? 0;
}
