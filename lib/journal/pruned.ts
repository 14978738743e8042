/**
 * What the ledger says was thrown away: evidence by its hash, commands by where in the ledger they are or, in records of
 * earlier versions, by their id. Counts how many commands are gone, so that a run cannot hide one more than it names.
 */
import type { LedgerRecord } from './types.ts';

interface Run {
  first: number;
  last: number;
  /** Commands that went. */
  count: number;
  /** Commands that are not there any more, as the walk has found. */
  found: number;
  /** The earliest record that says so. */
  sequence: number;
}

export class Pruned {
  readonly evidence = new Set<string>();
  readonly #commands = new Map<string, number>();
  readonly #runs: Run[] = [];
  #isMerged = true;

  /** Takes what a record of the ledger says, if it is about this. */
  add(sequence: number, { type, object, detail }: Partial<LedgerRecord>): void {
    if (type !== 'journal.prune') return;
    const { ids, runs } = detail ?? {};
    for (const id of Array.isArray(ids) ? (ids as string[]) : []) {
      if (object === 'evidence') this.evidence.add(id);
      if (object === 'commands') this.#commands.set(id, sequence);
    }
    if (object !== 'commands' || !Array.isArray(runs)) return;
    for (const [first, last, count] of runs as [number, number, number][]) {
      // what is after it was not there to be thrown away
      if (last < sequence) this.#runs.push({ first, last, count, found: 0, sequence });
    }
    this.#isMerged = false;
  }

  /** True where the command whose intent is this record, and which is not there any more, was thrown away. */
  takes(sequence: number, id: string): boolean {
    if ((this.#commands.get(id) ?? 0) > sequence) return true;
    const run = this.#runOf(sequence);
    if (run === undefined) return false;
    run.found += 1;
    return true;
  }

  /** Whether the outcome with this sequence is of a command that was thrown away. */
  hasTaken(id: string, sequence: number): boolean {
    return (this.#commands.get(id) ?? 0) > sequence;
  }

  /** Where more or fewer commands are gone than the records say. */
  *differences(): Generator<string> {
    this.#merge();
    for (const { first, last, count, found } of this.#runs) {
      if (found !== count)
        yield `${found} commands are gone in ${first} to ${last}, ${count} were thrown away`;
    }
  }

  #runOf(sequence: number): Run | undefined {
    this.#merge();
    let [from, to] = [0, this.#runs.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#runs[middle]?.last ?? Infinity) < sequence) from = middle + 1;
      else to = middle;
    }
    const run = this.#runs[from];
    return run !== undefined && run.first <= sequence ? run : undefined;
  }

  /** Runs that overlap become one: what was held when the rows around it went, and went later, lies within. */
  #merge(): void {
    if (this.#isMerged) return;
    this.#isMerged = true;
    const sorted = this.#runs.splice(0).sort((one, other) => one.first - other.first);
    for (const run of sorted) {
      const before = this.#runs.at(-1);
      if (before === undefined || run.first > before.last) this.#runs.push({ ...run });
      else {
        before.last = Math.max(before.last, run.last);
        before.count += run.count;
      }
    }
  }
}
