/**
 * Child of the journal's fault tests: writes entries, commands and ledger records until it is stopped, and says each
 * entry that is promised. Variants with a guard off show that the tests can fail.
 */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openJournal } from '../../lib/journal/journal.ts';
import { say } from '../support/say.ts';

/** `guarded`; `once` ends by itself; `careless` promises before the commit; `normal` commits without waiting for the disk. */
const [folder = '', first = '0', variant = 'guarded', pauseMs = '0'] = process.argv.slice(2);

async function guarded(): Promise<void> {
  const journal = await openJournal({
    folder,
    ballastBytes: 4096,
    onState: (state) => say(`state ${state}`),
  });
  say('open');
  for (let number = Number(first); ; number += 4) {
    const together = [0, 1, 2, 3].map(async (offset) => {
      const key = `k-${number + offset}`;
      try {
        await journal.acceptOutbox({ key, stream: 'kill:a', partId: null, body: { text: 'x'.repeat(400) } });
        say(key);
      } catch (error) {
        say(`error ${(error as { code?: string }).code ?? String(error)}`);
      }
    });
    await Promise.all(together);
    if (variant === 'once') return journal.close();
    if (Number(pauseMs) > 0) await new Promise((resolve) => setTimeout(resolve, Number(pauseMs)));
  }
}

function unguarded(): void {
  const database = new Database(join(folder, 'journal.db'));
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = NORMAL');
  const insert = database.prepare(
    `INSERT INTO outbox (key, stream, body, accepted_at) VALUES (?, 'kill:a', ?, '')`,
  );
  say('open');
  for (let number = Number(first); ;) {
    database.exec('BEGIN IMMEDIATE');
    const keys: string[] = [];
    for (let row = 0; row < (variant === 'careless' ? 64 : 1); row += 1, number += 1) {
      const key = `k-${number}`;
      insert.run(key, JSON.stringify({ text: 'x'.repeat(400) }));
      if (variant === 'careless') say(key);
      keys.push(key);
    }
    database.exec('COMMIT');
    if (variant !== 'careless') keys.forEach(say);
  }
}

if (variant === 'guarded' || variant === 'once') await guarded();
else unguarded();
