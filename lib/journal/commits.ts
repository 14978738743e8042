/**
 * What a disk has confirmed, and whether it still has it: a count that is part of every transaction, and the head of the
 * ledger with it. Shows a disk that lost commits, which the file by itself does not.
 */
import type { Head } from './chain.ts';
import type { Ledger } from './ledger.ts';
import type { Tables } from './tables.ts';

/** What has been confirmed: how many commits, and the last record of the ledger. */
export interface Tail extends Head {
  commits: number;
}

export class Commits {
  readonly #tables: Tables;
  readonly #ledger: Ledger;

  constructor(tables: Tables, ledger: Ledger) {
    this.#tables = tables;
    this.#ledger = ledger;
  }

  /** Part of every transaction: tells what is on the disk once it is committed. */
  count(): Tail {
    this.#tables.run('UPDATE commits SET count = count + 1');
    return this.#tail();
  }

  /** False when commits that were confirmed are not there. */
  hold(confirmed: Tail): boolean {
    if (this.#tail().commits < confirmed.commits) return false;
    if (confirmed.sequence === 0) return true;
    const [row] = this.#tables.all<{ hash: string }>(
      'SELECT hash FROM ledger WHERE sequence = ?',
      confirmed.sequence,
    );
    return row?.hash === confirmed.hash;
  }

  #tail(): Tail {
    const [row] = this.#tables.all<{ count: number }>('SELECT count FROM commits');
    return { commits: row?.count ?? 0, ...this.#ledger.head() };
  }
}
