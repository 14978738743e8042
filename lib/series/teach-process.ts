/**
 * Entry of the teaching process: learns from the rows its parent sends, stores the model and says it: hashing one
 * of a megabyte would hold its parent's event loop for a quarter of a second.
 */
import { constants, setPriority } from 'node:os';
import { asCodedError } from '../errors.ts';
import { storeModel } from './model.ts';
import { learnNormal } from './normal.ts';
import type { FromTeacher, ToTeacher } from './teach-protocol.ts';

function say(message: FromTeacher): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

async function teach({ folder, name, draft, lesson }: ToTeacher): Promise<void> {
  const onProgress = (done: number, total: number): void => void say({ type: 'progress', done, total });
  try {
    const normal = await learnNormal({ ...lesson, onProgress });
    const model = await storeModel(folder, name, { normal, rows: lesson.rows.length, draft });
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
