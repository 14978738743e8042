/** Which good part looks most like another, by the mean of its features. */
import { readSideFile, type AnomalyModel } from './model.ts';

/**
 * The embedding of each of the model's parts, in their order; none for a model of format 1. Throws as
 * `readSideFile`.
 */
export async function embeddingsOf(model: AnomalyModel): Promise<Float32Array[]> {
  const bytes = await readSideFile(model, 'embeddings');
  if (bytes === undefined || model.parts.length === 0) return [];
  const length = bytes.length / 4 / model.parts.length;
  const values = Float32Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(4 * index));
  return model.parts.map((_, part) => values.subarray(part * length, (part + 1) * length));
}

/** Index of the row with the least distance; -1 where there is none. */
export function nearestRow(rows: readonly Float32Array[], embedding: Float32Array): number {
  let nearest = -1;
  let least = Infinity;
  rows.forEach((row, index) => {
    let sum = 0;
    for (let at = 0; at < row.length && sum < least; at += 1) {
      sum += ((row[at] as number) - (embedding[at] ?? NaN)) ** 2;
    }
    if (sum < least) [nearest, least] = [index, sum];
  });
  return nearest;
}
