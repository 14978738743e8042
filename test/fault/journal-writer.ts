/** Starts the process that writes a journal, and hears what it promises. */
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { join } from 'node:path';
import { ToldProcess, type ToldOptions } from '../support/told-process.ts';

const child = fileURLToPath(import.meta.resolve('./journal-writer-process.ts'));

export class JournalWriter extends ToldProcess {
  constructor(
    folder: string,
    first: number,
    variant: string,
    { pauseMs = 0, ...options }: ToldOptions & { pauseMs?: number } = {},
  ) {
    super(child, [folder, String(first), variant, String(pauseMs)], options);
  }

  get promised(): string[] {
    return this.lines.filter((line) => line.startsWith('k-'));
  }

  get errors(): string[] {
    return this.#said('error');
  }

  get states(): string[] {
    return this.#said('state');
  }

  #said(kind: string): string[] {
    return this.lines.filter((line) => line.startsWith(`${kind} `)).map((line) => line.split(' ')[1] ?? '');
  }
}

/** Which of the keys a journal does not have, and what SQLite says of its file. */
export function inspect(folder: string, promised: Iterable<string>): { lost: number; integrity: string } {
  const database = new Database(join(folder, 'journal.db'));
  try {
    const kept = new Set(database.prepare('SELECT key FROM outbox').pluck().all() as string[]);
    const lost = [...promised].filter((key) => !kept.has(key)).length;
    return { lost, integrity: database.pragma('integrity_check(1)', { simple: true }) as string };
  } finally {
    database.close();
  }
}
