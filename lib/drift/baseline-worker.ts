/** The thread in which what is usual about the pictures of a model's good parts is worked out. */
import { parentPort, workerData } from 'node:worker_threads';
import { embeddingBaseline, type EmbeddingBaseline } from './baseline.ts';
import { asCodedError } from '../errors.ts';

/** Rows of `features` numbers, one after the other. */
export interface BaselineOrder {
  rows: Float32Array;
  features: number;
}

export type BaselineAnswer = { embedding: EmbeddingBaseline } | { code: string; message: string };

function answer({ rows, features }: BaselineOrder): BaselineAnswer {
  try {
    const embeddings = Array.from({ length: Math.floor(rows.length / features) }, (_, row) =>
      rows.subarray(row * features, (row + 1) * features),
    );
    return { embedding: embeddingBaseline(embeddings) };
  } catch (error) {
    const { code, message } = asCodedError(error);
    return { code, message };
  }
}

parentPort?.postMessage(answer(workerData as BaselineOrder));
