/**
 * The network every taught model shares: our own small convolutional backbone, frozen, shipped in
 * `backbone/` with its model card. Picture in, features of one patch for each 8×8 pixels out.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { FEATURES, mapSideOf } from './head.ts';

const FILE = join(import.meta.dirname, 'backbone', 'backbone.onnx');

/** The graph as shipped, and its `sha256:` digest. */
export async function readBackbone(): Promise<{ bytes: Buffer; digest: string }> {
  const bytes = await readFile(FILE);
  return { bytes, digest: sha256(bytes) };
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A session on one thread less than there are cores, so that the line's own work goes on. */
export async function openSession(graph: Uint8Array): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(graph, {
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: Math.max(1, availableParallelism() - 1),
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}

/** Features of one picture: {@link FEATURES} numbers for each patch, feature by feature. */
export type Features = Float32Array;

/**
 * `pixels`: a square of `resolution` pixels, RGB, 8 bit, row by row. Blocks its process while it runs
 * (4 ms on one thread at 224).
 */
export async function extractFeatures(
  session: ort.InferenceSession,
  pixels: Uint8Array,
  resolution: number,
): Promise<Features> {
  const image = new ort.Tensor('uint8', pixels, [1, resolution, resolution, 3]);
  const { feat } = await session.run({ image }, ['feat']);
  if (!(feat?.data instanceof Float32Array) || feat.data.length !== FEATURES * mapSideOf(resolution) ** 2) {
    throw new TypeError('the backbone did not answer with the features it should');
  }
  return feat.data;
}
