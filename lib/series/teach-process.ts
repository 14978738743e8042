/** Entry of the teaching process: learns from the rows its parent sends, says what it learnt, and ends. */
import { constants, setPriority } from 'node:os';
import { asCodedError } from '../errors.ts';
import { learnNormal } from './normal.ts';
import type { FromTeacher, Lesson } from './teach-protocol.ts';

function say(message: FromTeacher): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

async function teach(lesson: Lesson): Promise<void> {
  const onProgress = (done: number, total: number): void => void say({ type: 'progress', done, total });
  try {
    await say({ type: 'taught', normal: await learnNormal({ ...lesson, onProgress }) });
  } catch (error) {
    const { code, message, hint } = asCodedError(error) as { code: string; message: string; hint?: string };
    await say({ type: 'failed', code, message, ...(hint === undefined ? {} : { hint }) });
  }
}

process.on('disconnect', () => process.exit(0));
// The line goes first: teaching can wait, a part on the belt cannot.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
process.once('message', (lesson) => void teach(lesson as Lesson));
