/** Child of the kill test: accepts entries until it is killed, and says each one that is promised. */
import { writeSync } from 'node:fs';
import { openDatabase } from '../../../lib/journal/database.ts';
import { openJournal } from '../../../lib/journal/journal.ts';
import { Store } from '../../../lib/journal/store.ts';

const [folder = '', first = '0', variant = 'guarded'] = process.argv.slice(2);

function entry(number: number) {
  return { key: `k-${number}`, stream: 'kill', partId: null, body: { number } };
}

/** Straight to the file descriptor, so that a promise made is a promise read. */
function promise(number: number): void {
  writeSync(1, `${number}\n`);
}

async function guarded(): Promise<never> {
  const journal = await openJournal({ folder, ballastBytes: 4096 });
  for (let number = Number(first); ; number += 4) {
    const together = [0, 1, 2, 3].map(async (offset) => {
      await journal.acceptOutbox(entry(number + offset));
      promise(number + offset);
    });
    await Promise.all(together);
  }
}

/** The guard off: promises first, and commits every 64 rows. */
function careless(): never {
  const database = openDatabase(folder);
  const store = new Store(database, { folder, maxWaiting: Infinity });
  for (let number = Number(first); ;) {
    database.exec('BEGIN IMMEDIATE');
    for (let row = 0; row < 64; row += 1, number += 1) {
      store.acceptOutbox(JSON.stringify(entry(number)), null);
      promise(number);
    }
    database.exec('COMMIT');
  }
}

if (variant === 'guarded') await guarded();
else careless();
