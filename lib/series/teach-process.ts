/**
 * Entry of the teaching process: reads the rows, learns, stores the model and says it. Reading a table of 20 000 rows
 * would hold its parent's event loop for a quarter of a second, and so would hashing a model of a megabyte.
 */
import { constants, setPriority } from 'node:os';
import { asCodedError } from '../errors.ts';
import { storeModel } from './model.ts';
import { learnNormal, type LearnOptions } from './normal.ts';
import { readRows } from './row-log.ts';
import { readTable, type Table } from './table.ts';
import type { FromTeacher, Source, ToTeacher } from './teach-protocol.ts';

function say(message: FromTeacher): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

function tableOf(source: Source): Promise<Table> | Pick<LearnOptions, 'columns' | 'rows'> {
  if ('table' in source) return readTable(source.table);
  return 'collected' in source ? readRows(source.collected) : source;
}

async function teach({ folder, name, draft, lesson }: ToTeacher): Promise<void> {
  const onProgress = (done: number, total: number): void => void say({ type: 'progress', done, total });
  try {
    const { methods, smoothing } = lesson;
    const { columns, rows } = await tableOf(lesson);
    const smooth = smoothing === undefined ? {} : { smoothing };
    const normal = await learnNormal({ columns, rows, methods, ...smooth, onProgress });
    const model = await storeModel(folder, name, { normal, rows: rows.length, draft });
    await say({ type: 'taught', model });
  } catch (error) {
    const { code, message, hint } = asCodedError(error) as { code: string; message: string; hint?: string };
    await say({ type: 'failed', code, message, ...(hint === undefined ? {} : { hint }) });
  }
}

process.on('disconnect', () => process.exit(0));
// The line goes first: teaching can wait, a part on the belt cannot.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
process.once('message', (order) => void teach(order as ToTeacher));
