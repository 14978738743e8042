/** The thread in which what is usual about a model's good parts is worked out, and from where on it is drift. */
import { parentPort, workerData } from 'node:worker_threads';
import { driftBaseline, embeddingBaseline, type DriftBaseline } from './baseline.ts';
import { asCodedError } from '../errors.ts';

/** Rows of `features` numbers, one after the other. */
export interface Embeddings {
  rows: Float32Array;
  features: number;
}

export interface BaselineOrder {
  scores: readonly number[];
  embeddings?: Embeddings;
}

export type BaselineAnswer = { baseline: DriftBaseline } | { code: string; message: string };

function answer({ scores, embeddings }: BaselineOrder): BaselineAnswer {
  try {
    if (embeddings === undefined) return { baseline: driftBaseline(scores) };
    const { rows, features } = embeddings;
    const parts = Array.from({ length: Math.floor(rows.length / features) }, (_, row) =>
      rows.subarray(row * features, (row + 1) * features),
    );
    return { baseline: driftBaseline(scores, embeddingBaseline(parts)) };
  } catch (error) {
    const { code, message } = asCodedError(error);
    return { code, message };
  }
}

parentPort?.postMessage(answer(workerData as BaselineOrder));
