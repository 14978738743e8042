/** Makes the baseline of a model in a thread of its own: half a second that no event loop should wait. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { DriftBaseline } from './baseline.ts';
import type { BaselineAnswer, BaselineOrder, Embeddings } from './baseline-worker.ts';
import { DriftError } from './errors.ts';

/**
 * `scores`: out-of-fold, of the good parts, in any order. `embeddings`: their mean feature vectors, row after
 * row; absent for a model that gives none. An aborted signal ends it with the signal's reason.
 * Throws `DRIFT_BASELINE_TOO_SMALL`, `DRIFT_BASELINE_FAILED`.
 */
export async function learnBaseline(
  scores: readonly number[],
  embeddings?: Embeddings,
  signal?: AbortSignal,
): Promise<DriftBaseline> {
  const order = embeddings === undefined ? { scores } : { scores, embeddings };
  const answer = await inThread(order, signal);
  if ('baseline' in answer) return answer.baseline;
  const { code, message } = answer;
  throw new DriftError(code === 'DRIFT_BASELINE_TOO_SMALL' ? code : 'DRIFT_BASELINE_FAILED', message);
}

async function inThread(order: BaselineOrder, signal: AbortSignal | undefined): Promise<BaselineAnswer> {
  signal?.throwIfAborted();
  const worker = new Worker(new URL(`./baseline-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: order,
  });
  try {
    return await new Promise<BaselineAnswer>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(new DriftError('DRIFT_BASELINE_FAILED', 'the thread ended early')));
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
  } finally {
    await worker.terminate();
  }
}
