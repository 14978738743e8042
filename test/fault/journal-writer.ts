/** Starts the process that writes a journal, and hears what it promises. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { join } from 'node:path';

const child = fileURLToPath(import.meta.resolve('./journal-writer-process.ts'));

export class JournalWriter {
  readonly process: ChildProcess;
  readonly promised: string[] = [];
  readonly errors: string[] = [];
  readonly states: string[] = [];
  #waiting: { until: () => boolean; resolve: () => void }[] = [];
  #rest = '';
  #hasEnded = false;

  /** @param wrap what runs it, strace for one */
  constructor(folder: string, first: number, variant: string, { wrap = [] as string[], pauseMs = 0 } = {}) {
    const line = [...wrap, process.execPath, child, folder, String(first), variant, String(pauseMs)];
    const [command = '', ...args] = line;
    this.process = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    this.process.once('close', () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  /** Rejects when it ends before. */
  async until(condition: () => boolean): Promise<void> {
    if (!condition()) {
      await new Promise<void>((resolve) => this.#waiting.push({ until: condition, resolve }));
    }
    if (!condition()) throw new Error('the writing process ended');
  }

  async kill(): Promise<void> {
    if (this.#hasEnded) return;
    const closed = once(this.process, 'close');
    this.process.kill('SIGKILL');
    await closed;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  #hear(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const [word = '', value = ''] = line.split(' ', 2);
      if (word === 'error') this.errors.push(value);
      else if (word === 'state') this.states.push(value);
      else if (word.startsWith('k-')) this.promised.push(word);
    }
    this.#wake();
  }

  #wake(): void {
    this.#waiting = this.#waiting.filter(({ until, resolve }) => {
      if (!this.#hasEnded && !until()) return true;
      resolve();
      return false;
    });
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
