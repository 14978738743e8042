/** Seals the ledger of the folder it is given, one step after the other, and says each; somebody ends it in between. */
import { openDatabase } from '../../../lib/journal/database.ts';
import { Sealing } from '../../../lib/journal/sealing.ts';
import { Store } from '../../../lib/journal/store.ts';

const [folder = '', segmentRecords = '', now = ''] = process.argv.slice(2);
const database = openDatabase(folder);
const store = new Store(database, { folder, maxWaiting: Infinity, now: () => new Date(Number(now)) });
const sealing = new Sealing(database, store, {
  folder,
  days: 1,
  segmentRecords: Number(segmentRecords),
  now: () => Number(now),
});
let step = 0;
while (sealing.step()) {
  step += 1;
  process.stdout.write(`${step}\n`);
}
process.stdout.write('done\n');
database.close();
