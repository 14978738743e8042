/**
 * A taught model of signals on disk: `<folder>/<name>/<version>/model.json`, beside the versions that
 * were taught from pictures. Versions count up; none is ever changed. Nothing is loaded whose digest is
 * not the one written down when it was taught.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv, type JSONSchemaType } from 'ajv';
import { asWriteError, flushFolder, makeFolder, writeFlushed } from '../anomaly/durable.ts';
import { modelFolder, versionsOf } from '../anomaly/model.ts';
import { canonicalJson } from '../canonical.ts';
import { SeriesError } from './errors.ts';
import { METHOD_NAMES } from './methods/methods.ts';
import type { Normal } from './normal.ts';

interface SeriesManifest {
  /** Version of this file format. */
  format: 1;
  looks: 'signals';
  name: string;
  version: number;
  /** Of `normal` in canonical JSON (RFC 8785): `sha256:` and 64 hexadecimal digits. */
  digest: string;
  normal: Normal;
  /** Rows it was taught from. */
  rows: number;
  /** What a reader of this file must know about the scores. */
  note: string;
  /** ISO 8601 in UTC. */
  createdAt: string;
}

export interface SeriesModel extends SeriesManifest {
  /** Absolute path of the version's folder. */
  path: string;
}

const NOTE =
  'goodScores are out-of-fold: each row was scored by detectors that had not seen its block of neighbours. A score is -log10 of how unusual a row is among those; a threshold must never come from scores of the same rows by this model itself.';
const FILE = 'model.json';
/** Six methods taught from 20 000 rows of 150 features have about 30 MB. */
const MAX_BYTES = 64 * 1024 * 1024;

const numbers = { type: 'array', items: { type: 'number' } };
const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['format', 'looks', 'name', 'version', 'digest', 'normal', 'rows', 'note', 'createdAt'],
  properties: {
    format: { type: 'integer', const: 1 },
    looks: { type: 'string', const: 'signals' },
    name: { type: 'string', minLength: 1, maxLength: 64 },
    version: { type: 'integer', minimum: 1 },
    digest: { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' },
    normal: {
      type: 'object',
      additionalProperties: false,
      required: ['columns', 'scaling', 'smoothing', 'members', 'goodScores'],
      properties: {
        columns: { type: 'array', minItems: 1, items: { type: 'string' } },
        scaling: {
          type: 'object',
          additionalProperties: false,
          required: ['centre', 'scale'],
          properties: { centre: numbers, scale: numbers },
        },
        smoothing: { type: 'integer', minimum: 1 },
        members: {
          type: 'array',
          minItems: 1,
          items: {
            type: 'object',
            additionalProperties: false,
            required: ['method', 'learnt', 'goodScores'],
            properties: {
              method: { type: 'string', enum: METHOD_NAMES },
              learnt: { type: 'object' },
              goodScores: { ...numbers, minItems: 1 },
            },
          },
        },
        goodScores: { ...numbers, minItems: 1, maxItems: 100_000 },
      },
    },
    rows: { type: 'integer', minimum: 1 },
    note: { type: 'string' },
    createdAt: { type: 'string' },
  },
} as unknown as JSONSchemaType<SeriesManifest>;

const validate = new Ajv({ allErrors: true }).compile(schema);

/** `sha256:` and 64 hexadecimal digits of what was learnt. */
function digestOf(normal: Normal): string {
  return `sha256:${createHash('sha256').update(canonicalJson(normal)).digest('hex')}`;
}

/** Begins the names of folders that become a version, so that whoever ends a teaching can sweep them. */
export const DRAFT = '.teaching-';

export function newDraft(): string {
  return `${DRAFT}${randomUUID()}`;
}

/**
 * Stores what was learnt as the next version of `name`. It appears on disk whole or not at all,
 * whatever moment the power fails. Throws `MODEL_NAME_INVALID`, `MODELS_UNWRITABLE`.
 */
export async function storeModel(
  folder: string,
  name: string,
  { normal, rows, draft: draftName = newDraft() }: { normal: Normal; rows: number; draft?: string },
): Promise<SeriesModel> {
  const versions = modelFolder(folder, name);
  const draft = join(versions, draftName);
  await makeFolder(draft);
  try {
    const shared = {
      format: 1,
      looks: 'signals',
      name,
      digest: digestOf(normal),
      normal,
      rows,
    } as const;
    for (let version = ((await versionsOf(folder, name)).at(-1) ?? 0) + 1; ; version += 1) {
      const manifest: SeriesManifest = {
        ...shared,
        version,
        note: NOTE,
        createdAt: new Date().toISOString(),
      };
      await writeFlushed(join(draft, FILE), `${JSON.stringify(manifest)}\n`);
      await flushFolder(draft);
      const path = join(versions, String(version));
      try {
        await rename(draft, path);
        await flushFolder(versions);
        return { ...manifest, path };
      } catch (error) {
        // Another teaching took this number meanwhile.
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw asWriteError(error, versions);
      }
    }
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

/** The newest version; undefined when there is none. Throws what {@link readModel} throws. */
export async function latestModel(folder: string, name: string): Promise<SeriesModel | undefined> {
  const newest = (await versionsOf(folder, name)).at(-1);
  return newest === undefined ? undefined : readModel(join(modelFolder(folder, name), String(newest)));
}

/**
 * Reads and checks the model in `path`. Throws `MODEL_MISSING` (no such file), `MODEL_INVALID` (it is
 * not a model of signals), `MODEL_DIGEST_MISMATCH` (it is not what was taught).
 */
export async function readModel(path: string): Promise<SeriesModel> {
  const file = join(path, FILE);
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  if (size > MAX_BYTES) throw invalid(path, 'it has more than 64 MB');
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new SeriesError('MODEL_MISSING', `there is no readable model in ${path}`, {
      hint: 'Teach the model, or restore the folder from a backup.',
      cause,
    });
  });
  const manifest = parse(text, path);
  if (digestOf(manifest.normal) !== manifest.digest) {
    throw new SeriesError('MODEL_DIGEST_MISMATCH', `${path} does not hold what was taught`, {
      hint: 'Restore the folder from a backup, or teach the model again.',
    });
  }
  return { ...manifest, path };
}

function parse(text: string, path: string): SeriesManifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (cause) {
    throw invalid(path, 'it is not JSON', cause);
  }
  if (!validate(manifest)) {
    const why = (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ''}`);
    throw invalid(path, why.slice(0, 3).join(', '));
  }
  const { columns, scaling } = manifest.normal;
  if (scaling.centre.length !== columns.length || scaling.scale.length !== columns.length) {
    throw invalid(path, 'its scaling is not that of its columns');
  }
  return manifest;
}

function invalid(path: string, why: string, cause?: unknown): SeriesError {
  return new SeriesError('MODEL_INVALID', `${path} holds no model of signals: ${why}`, {
    hint: 'A model taught from pictures needs a node that looks at pictures; or give this one another name.',
    cause,
  });
}
