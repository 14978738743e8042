/**
 * A taught model on disk: `<folder>/<name>/<version>/` with the graph `model.onnx` and `model.json`,
 * which says what it was taught from and what its scores mean. Versions count up; none is ever
 * changed. Nothing is loaded whose digest is not the one written down when it was taught.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv, type JSONSchemaType } from 'ajv';
import type { ModelReference } from '../inspection/inspection.ts';
import { sha256 } from './backbone.ts';
import { AnomalyError } from './errors.ts';

export const METHOD = 'patch-nn';

/** A threshold that at most the share `alpha` of fresh good parts exceeds; null: too few parts to say. */
interface ThresholdCandidate {
  alpha: number;
  threshold: number | null;
}

export interface ModelManifest {
  /** Version of this file format. */
  format: 1;
  name: string;
  version: number;
  /** Of `model.onnx`: `sha256:` and 64 hexadecimal digits. */
  digest: string;
  method: typeof METHOD;
  /** How a frame becomes the graph's input, as `lib/frame/resize.ts` does it. */
  input: { width: number; height: number; colour: 'rgb'; fit: 'stretch' };
  backbone: { digest: string };
  /** Patches of good parts in the graph. */
  bankSize: number;
  seed: number;
  /** Good parts it was taught from. */
  parts: number;
  /** Pictures that were offered but could not be decoded. */
  skipped: number;
  /** Ascending; of each part against a bank that had not seen it. */
  goodScores: number[];
  thresholds: ThresholdCandidate[];
  /** What a reader of this file must know about the scores. */
  note: string;
  /** ISO 8601 in UTC. */
  createdAt: string;
}

export interface AnomalyModel extends ModelManifest {
  /** Absolute path of the version's folder. */
  path: string;
  /** Absolute path of `model.onnx`. */
  graph: string;
}

const DIGEST = '^sha256:[0-9a-f]{64}$';

const schema: JSONSchemaType<ModelManifest> = {
  type: 'object',
  additionalProperties: false,
  required: [
    'format',
    'name',
    'version',
    'digest',
    'method',
    'input',
    'backbone',
    'bankSize',
    'seed',
    'parts',
    'skipped',
    'goodScores',
    'thresholds',
    'note',
    'createdAt',
  ],
  properties: {
    format: { type: 'integer', const: 1 },
    name: { type: 'string', minLength: 1, maxLength: 64 },
    version: { type: 'integer', minimum: 1 },
    digest: { type: 'string', pattern: DIGEST },
    method: { type: 'string', const: METHOD },
    input: {
      type: 'object',
      additionalProperties: false,
      required: ['width', 'height', 'colour', 'fit'],
      properties: {
        width: { type: 'integer', minimum: 1 },
        height: { type: 'integer', minimum: 1 },
        colour: { type: 'string', const: 'rgb' },
        fit: { type: 'string', const: 'stretch' },
      },
    },
    backbone: {
      type: 'object',
      additionalProperties: false,
      required: ['digest'],
      properties: { digest: { type: 'string', pattern: DIGEST } },
    },
    bankSize: { type: 'integer', minimum: 1 },
    seed: { type: 'integer' },
    parts: { type: 'integer', minimum: 1 },
    skipped: { type: 'integer', minimum: 0 },
    goodScores: { type: 'array', minItems: 1, maxItems: 100_000, items: { type: 'number', minimum: 0 } },
    thresholds: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['alpha', 'threshold'],
        properties: {
          alpha: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
          threshold: { type: 'number', nullable: true },
        },
      },
    },
    note: { type: 'string' },
    createdAt: { type: 'string' },
  },
} as unknown as JSONSchemaType<ModelManifest>;

const validate = new Ajv({ allErrors: true }).compile(schema);

/** How models are named in results and in the ledger. */
export function referenceOf({ name, version, digest }: ModelManifest): ModelReference {
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
  return newest === undefined ? undefined : readModel(join(modelFolder(folder, name), String(newest)));
}

/**
 * Reads and checks the model in `path`. Throws `MODEL_MISSING` (no such files), `MODEL_INVALID`
 * (`model.json` is not what it should be), `MODEL_DIGEST_MISMATCH` (the graph is not the taught one).
 */
export async function readModel(path: string): Promise<AnomalyModel> {
  const graph = join(path, 'model.onnx');
  const [text, bytes] = await Promise.all([
    readFile(join(path, 'model.json'), 'utf8'),
    readFile(graph),
  ]).catch((cause: unknown) => {
    throw new AnomalyError('MODEL_MISSING', `there is no readable model in ${path}`, {
      hint: 'Teach the model, or restore the folder from a backup.',
      cause,
    });
  });
  const manifest = parseManifest(text, path);
  if (sha256(bytes) !== manifest.digest) {
    throw new AnomalyError('MODEL_DIGEST_MISMATCH', `${graph} is not the graph that was taught`, {
      hint: 'Restore the folder from a backup, or teach the model again.',
    });
  }
  return { ...manifest, path, graph };
}

function parseManifest(text: string, path: string): ModelManifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw invalid(path, 'it is not JSON', cause);
  }
  if (!validate(manifest)) {
    throw invalid(
      path,
      (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ''}`).join(', '),
    );
  }
  const { goodScores } = manifest;
  if (goodScores.some((score, index) => score < (goodScores[index - 1] ?? 0))) {
    throw invalid(path, '/goodScores must be ascending');
  }
  return manifest;
}

function invalid(path: string, why: string, cause?: unknown): AnomalyError {
  return new AnomalyError('MODEL_INVALID', `model.json in ${path} cannot be used: ${why}`, {
    hint: 'Restore the folder from a backup, or teach the model again.',
    cause,
  });
}
