/** What `model.json` may hold, as JSON schemas: all of it is described, and whatever is not is refused. */
import { NORMALISATIONS } from './backbone/normalisation.ts';
import { METHODS } from './method.ts';

/** Most parts and defects of one version. */
const MAX_PARTS = 10_000;
/** Most findings that a version keeps. */
export const MAX_FINDINGS = 1000;
const DIGEST = { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' };
const TEXT = { type: 'string', maxLength: 4096 };
const SHARE = { type: 'number', minimum: 0, maximum: 1 };
const SCORE = { type: 'number', minimum: 0 };
const COUNT = { type: 'integer', minimum: 0 };
const PART_IDS = {
  type: 'array',
  maxItems: MAX_PARTS,
  items: { type: 'string', pattern: '^[0-9a-f]{64}$' },
};
const SCORES = { type: 'array', maxItems: 100_000, items: SCORE };
const FEATURES = { type: 'array', maxItems: 65_536, items: { type: 'number' } };

/** An object that has all of these and nothing else. */
function exactly(properties: Record<string, object>, optional: readonly string[] = []): object {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', additionalProperties: false, required, properties };
}

const sideFile = exactly({ digest: DIGEST });
const thresholds = {
  type: 'array',
  maxItems: 100,
  items: exactly({
    alpha: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
    threshold: { type: 'number', nullable: true },
  }),
};
const SIDE = { type: 'integer', minimum: 1, maximum: 8192 };
const STARTS = { type: 'array', minItems: 1, maxItems: 256, items: { ...SIDE, minimum: 0 } };
const input = exactly(
  {
    width: SIDE,
    height: SIDE,
    colour: { type: 'string', const: 'rgb' },
    fit: { type: 'string', const: 'stretch' },
    align: exactly({
      reference: { type: 'string', maxLength: 32_768 },
      maxShift: { type: 'number' },
      maxAngle: { type: 'number' },
    }),
  },
  ['align'],
);
/** Also of a draft. */
export const FINDINGS = {
  type: 'array',
  maxItems: MAX_FINDINGS,
  items: exactly(
    {
      kind: { type: 'string', enum: ['duplicate', 'blurred', 'clipped', 'other-size', 'unreadable'] },
      part: TEXT,
      source: TEXT,
      of: TEXT,
      ofSource: TEXT,
      exact: { type: 'boolean' },
      value: { type: 'number' },
      limit: { type: 'number' },
      leftOut: { type: 'boolean' },
    },
    ['of', 'ofSource', 'exact', 'value', 'limit'],
  ),
};

/** Also of an unfinished lesson. */
export const TILES = exactly({
  width: SIDE,
  height: SIDE,
  tile: exactly({ width: SIDE, height: SIDE }),
  lefts: STARTS,
  tops: STARTS,
});
const common = {
  name: { type: 'string', minLength: 1, maxLength: 64 },
  version: { type: 'integer', minimum: 1 },
  digest: DIGEST,
  input,
  bankSize: COUNT,
  seed: { type: 'integer' },
  skipped: COUNT,
  goodScores: { ...SCORES, minItems: 1 },
  thresholds,
  note: TEXT,
  createdAt: { type: 'string', maxLength: 64 },
};

export const SECOND_FORMAT = exactly(
  {
    ...common,
    format: { type: 'integer', const: 2 },
    method: { type: 'string', enum: METHODS },
    why: TEXT,
    candidates: {
      type: 'array',
      maxItems: 100,
      items: exactly({
        method: { type: 'string', enum: METHODS },
        auroc: SHARE,
        escapes: SHARE,
        alpha: SHARE,
        located: SHARE,
      }),
    },
    mask: {
      type: 'array',
      maxItems: 64,
      items: {
        type: 'array',
        minItems: 3,
        maxItems: 512,
        items: { type: 'array', minItems: 2, maxItems: 2, items: SHARE },
      },
    },
    tiles: TILES,
    backbone: exactly(
      {
        digest: DIGEST,
        name: { type: 'string', maxLength: 256 },
        path: TEXT,
        normalise: { type: 'string', enum: [...NORMALISATIONS] },
      },
      ['path', 'normalise'],
    ),
    coresetSize: { type: 'integer', minimum: 1 },
    parts: PART_IDS,
    memorised: COUNT,
    learned: PART_IDS,
    scores: SCORES,
    defects: PART_IDS,
    defectScores: SCORES,
    acceptance: exactly({
      defects: COUNT,
      found: COUNT,
      alpha: SHARE,
      threshold: SCORE,
      missedBound: SHARE,
      delta: SHARE,
    }),
    findings: FINDINGS,
    embedding: exactly({ mean: FEATURES, deviation: FEATURES }),
    files: exactly({ memory: sideFile, embeddings: sideFile }, ['memory', 'embeddings']),
    parent: { type: 'integer', minimum: 1, nullable: true },
    change: exactly({
      kind: { type: 'string', enum: ['teach', 'add', 'remove', 'defect', 'rollback'] },
      parts: PART_IDS,
      actor: TEXT,
      reason: TEXT,
    }),
  },
  ['mask', 'tiles', 'embedding'],
);

export const FIRST_FORMAT = exactly({
  ...common,
  format: { type: 'integer', const: 1 },
  method: { type: 'string', const: 'patch-nn' },
  backbone: exactly({ digest: DIGEST }),
  parts: { type: 'integer', minimum: 1 },
});
