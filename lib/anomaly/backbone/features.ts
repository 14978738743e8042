/**
 * What a backbone is to those who use it, and how its features are got: whatever file it came from, it
 * looks the same from outside. Input `image` uint8 1×height×width×3 RGB with normalisation inside,
 * output `feat` float32 1×channels×rows×columns.
 */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import { AnomalyError } from '../errors.ts';

/** Pixels of a picture. */
export interface Size {
  width: number;
  height: number;
}

/** Patches of a picture. */
export interface Grid {
  columns: number;
  rows: number;
}

export interface Backbone {
  /** The graph as every taught model carries it. */
  bytes: Buffer;
  /** `sha256:` and the hex SHA-256 of {@link bytes}. */
  digest: string;
  name: string;
  /** Numbers for each patch. */
  channels: number;
  /** Pixels from one patch to the next, in both directions. */
  stride: number;
  /** The only size of picture it takes; any when absent. */
  size?: Size;
}

/** Features of one picture: a plane of rows×columns numbers for each channel, one after the other. */
export type Features = Float32Array;

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Patches the backbone answers with for a picture of this size. */
export function gridOf({ stride }: Pick<Backbone, 'stride'>, { width, height }: Size): Grid {
  return { columns: Math.ceil(width / stride), rows: Math.ceil(height / stride) };
}

/**
 * A session on one thread less than there are cores, so that the line's own work goes on, unless told
 * how many.
 */
export async function openSession(
  graph: Uint8Array,
  { threads = Math.max(1, availableParallelism() - 1) } = {},
): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(graph, {
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
}

async function featuresOf(session: ort.InferenceSession, pixels: Uint8Array, { width, height }: Size) {
  const image = new ort.Tensor('uint8', pixels, [1, height, width, 3]);
  const { feat } = await session.run({ image }, ['feat']);
  return feat;
}

/**
 * `pixels`: RGB, 8 bit, row by row. Blocks its process while it runs (4 ms on one thread for our own
 * at 224×224).
 *
 * @param session of the backbone, or of a graph that it is the start of
 * @throws AnomalyError `BACKBONE_UNSUPPORTED` where the answer is not what was measured of the backbone
 */
export async function extractFeatures(
  session: ort.InferenceSession,
  backbone: Backbone,
  pixels: Uint8Array,
  size: Size,
): Promise<Features> {
  const feat = await featuresOf(session, pixels, size);
  const { columns, rows } = gridOf(backbone, size);
  if (!(feat?.data instanceof Float32Array) || feat.data.length !== backbone.channels * columns * rows) {
    throw new AnomalyError(
      'BACKBONE_UNSUPPORTED',
      `the backbone ${backbone.name} answered [${feat?.dims.join(', ') ?? ''}] for a picture of ` +
        `${size.width}×${size.height}, not [1, ${backbone.channels}, ${rows}, ${columns}]`,
      { hint: 'Use a picture whose sides are multiples of 32.' },
    );
  }
  return feat.data;
}

/** Side of the picture that shows what a backbone answers. */
const PROBE_SIDE = 64;

/** Channels and stride of a graph that takes pictures of any size: what only running it shows. */
export async function probe(bytes: Buffer): Promise<Pick<Backbone, 'channels' | 'stride'>> {
  const session = await openSession(bytes);
  try {
    const side = { width: PROBE_SIDE, height: PROBE_SIDE };
    const feat = await featuresOf(session, new Uint8Array(PROBE_SIDE * PROBE_SIDE * 3), side);
    const [, channels = 0, , columns = 0] = feat?.dims ?? [];
    return { channels, stride: PROBE_SIDE / columns };
  } finally {
    await session.release();
  }
}
