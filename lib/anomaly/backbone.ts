/**
 * The network every taught model shares, frozen: picture in, features of one patch for each
 * `stride`×`stride` pixels out. Our own small one ships in `backbone/` with its model card; any
 * other network with a map of features can take its place.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readModel } from '../inference/model/model.ts';
import { adoptBackbone } from './backbone/adopt.ts';
import { probe, sha256, type Backbone } from './backbone/features.ts';
import type { Normalisation } from './backbone/normalisation.ts';

export type { Normalisation } from './backbone/normalisation.ts';
export {
  extractFeatures,
  gridOf,
  openSession,
  sha256,
  type Backbone,
  type Features,
  type Grid,
  type Size,
} from './backbone/features.ts';

const FILE = join(import.meta.dirname, 'backbone', 'backbone.onnx');

export interface BackboneOptions {
  /** How a bare `.onnx` that takes floats wants its pixels; it cannot say so itself. */
  normalise?: Normalisation | undefined;
}

/**
 * Our own, or the one in `path`: an ONNX file or a bundle, read and scanned as every model is.
 * The latter is run to see what it answers, so call this where a network may take its process down.
 *
 * @throws AnomalyError `BACKBONE_UNSUPPORTED`; InferenceError what `readModel` throws
 */
export async function readBackbone(path?: string, { normalise }: BackboneOptions = {}): Promise<Backbone> {
  if (path !== undefined) return await adoptBackbone(await readModel(path), normalise);
  const bytes = await readFile(FILE);
  return { bytes, digest: sha256(bytes), name: 'jidoka', ...(await probe(bytes)) };
}
