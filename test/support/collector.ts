/** The garbage collector, for tests of what it gives back. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects all there is; finalisers have run when it resolves. */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collect();
  // finalisers run in a task of their own
  await new Promise((resolve) => setTimeout(resolve));
}
