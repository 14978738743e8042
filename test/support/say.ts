/** For processes that are killed: what they have said stands, whatever becomes of them. */
import { writeSync } from 'node:fs';

/** Straight to the file descriptor, so that a promise made is a promise read; waits while the pipe is full. */
export function say(text: string): void {
  for (;;) {
    try {
      writeSync(1, `${text}\n`);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== 'EAGAIN') throw error;
    }
  }
}
