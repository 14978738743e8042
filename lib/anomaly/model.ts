/**
 * A taught model on disk: `<folder>/<name>/<version>/` with the graph `model.onnx` and `model.json`,
 * which says what it was taught from and what its scores mean. Versions count up; none is ever
 * changed. Nothing is loaded whose digest is not the one written down when it was taught.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import type { ModelReference } from '../inspection/inspection.ts';
import { AnomalyError } from './errors.ts';
import { parseManifest, type ModelManifest } from './manifest.ts';

export type { Change, MaskArea, ModelManifest } from './manifest.ts';

export interface AnomalyModel extends ModelManifest {
  /** Absolute path of the version's folder. */
  path: string;
  /** Absolute path of `model.onnx`. */
  graph: string;
}

/** 10 000 parts with findings are about 3 MB. */
const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;

/** How models are named in results and in the ledger. */
export function referenceOf({
  name,
  version,
  digest,
}: Pick<ModelManifest, 'name' | 'version' | 'digest'>): ModelReference {
  return { name, version: String(version), digest };
}

/** Folder of all versions of a model. Throws `MODEL_NAME_INVALID`: a name is a folder's name, never a path. */
export function modelFolder(folder: string, name: string): string {
  if (!/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,63}$/u.test(name)) {
    throw new AnomalyError('MODEL_NAME_INVALID', `“${name}” cannot name a model`, {
      hint: 'Use up to 64 letters, digits, spaces, dots, hyphens and underscores, a letter or digit first.',
    });
  }
  return join(folder, name);
}

/** Folder of one version. Throws `MODEL_NAME_INVALID`. */
export function versionFolder(folder: string, name: string, version: number): string {
  return join(modelFolder(folder, name), String(version));
}

/** Versions on disk, ascending; empty when nothing was taught under this name. */
export async function versionsOf(folder: string, name: string): Promise<number[]> {
  const entries = await readdir(modelFolder(folder, name)).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return entries
    .filter((entry) => /^[1-9]\d{0,8}$/.test(entry))
    .map(Number)
    .sort((one, other) => one - other);
}

/** The newest version; undefined when there is none. Throws what {@link readModel} throws. */
export async function latestModel(folder: string, name: string): Promise<AnomalyModel | undefined> {
  const newest = (await versionsOf(folder, name)).at(-1);
  return newest === undefined ? undefined : readModel(versionFolder(folder, name, newest));
}

/**
 * Reads and checks the model in `path`. Throws `MODEL_MISSING` (no such files), `MODEL_INVALID`
 * (`model.json` is not what it should be), `MODEL_DIGEST_MISMATCH` (the graph is not the taught one).
 */
export async function readModel(path: string): Promise<AnomalyModel> {
  const graph = join(path, 'model.onnx');
  const [manifest, bytes] = await Promise.all([readManifest(path), readFile(graph).catch(missing(path))]);
  if ((await digestOf(bytes)) !== manifest.digest) {
    throw new AnomalyError('MODEL_DIGEST_MISMATCH', `${graph} is not the graph that was taught`, {
      hint: 'Restore the folder from a backup, or teach the model again.',
    });
  }
  return { ...manifest, path, graph };
}

/** What `model.json` in `path` says, without a look at the graph. Throws `MODEL_MISSING`, `MODEL_INVALID`. */
export async function readManifest(path: string): Promise<ModelManifest> {
  const file = join(path, 'model.json');
  const { size } = await stat(file).catch(missing(path));
  if (size > MAX_MANIFEST_BYTES) throw invalid(path, `it has ${size} bytes`);
  const manifest = parseManifest(await readFile(file, 'utf8').catch(missing(path)));
  if ('why' in manifest && !('format' in manifest)) throw invalid(path, manifest.why, manifest.cause);
  return manifest;
}

/**
 * A file beside `model.json`, checked; undefined where the version has none. Throws `MODEL_MISSING`,
 * `MODEL_DIGEST_MISMATCH`.
 */
export async function readSideFile(
  model: AnomalyModel,
  which: keyof ModelManifest['files'],
): Promise<Buffer | undefined> {
  const expected = model.files[which];
  if (expected === undefined) return undefined;
  const bytes = await readFile(join(model.path, SIDE_FILES[which])).catch(missing(model.path));
  if ((await digestOf(bytes)) !== expected.digest) {
    throw new AnomalyError('MODEL_DIGEST_MISMATCH', `${SIDE_FILES[which]} in ${model.path} was changed`, {
      hint: 'Restore the folder from a backup, or teach the model again.',
    });
  }
  return bytes;
}

/** Hashed at once between two turns of the event loop: about half a millisecond. */
const HASHED_BYTES = 1 << 20;

/** As it is written down; Node-RED looks after its parts meanwhile. */
async function digestOf(bytes: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += HASHED_BYTES) {
    hash.update(bytes.subarray(at, at + HASHED_BYTES));
    await setImmediate();
  }
  return `sha256:${hash.digest('hex')}`;
}

export const SIDE_FILES = { memory: 'memory.bin', embeddings: 'embeddings.bin' } as const;

function missing(path: string): (cause: unknown) => never {
  return (cause) => {
    throw new AnomalyError('MODEL_MISSING', `there is no readable model in ${path}`, {
      hint: 'Teach the model, or restore the folder from a backup.',
      cause,
    });
  };
}

function invalid(path: string, why: string, cause?: unknown): AnomalyError {
  return new AnomalyError('MODEL_INVALID', `model.json in ${path} cannot be used: ${why}`, {
    hint: 'Restore the folder from a backup, or teach the model again.',
    cause,
  });
}
