/**
 * `model.json` of a taught model: what it was taught from, what its scores mean, and which version
 * it came from. Strict: whatever is not described here is refused. Files of format 1, which knew no parts,
 * are read as format 2.
 */
import { Ajv, type JSONSchemaType } from 'ajv';
import { checkedAlign, type AlignRecipe } from '../frame/align-recipe.ts';
import { NORMALISATIONS, type Normalisation } from './backbone/normalisation.ts';
import { METHODS, type Method } from './heads/head.ts';
import type { Finding } from './findings.ts';
import type { Candidate } from './choice.ts';
import type { Tiling } from './tiles.ts';

/** A threshold that at most the share `alpha` of fresh good parts exceeds; null: too few parts to say. */
interface ThresholdCandidate {
  alpha: number;
  threshold: number | null;
}

type ChangeKind = 'teach' | 'add' | 'remove' | 'defect' | 'rollback';

/** What makes a version differ from its parent. */
export interface Change {
  kind: ChangeKind;
  /** Ids of the parts that came, went, or were said to be defects; empty for a lesson and a rollback. */
  parts: string[];
  actor: string;
  reason: string;
}

/** The acceptance test: known defects against this version's threshold. They never widen what is good. */
export interface Acceptance {
  defects: number;
  /** Those above {@link threshold}. */
  found: number;
  /** Share of good parts the threshold may reject. */
  alpha: number;
  threshold: number;
  /** Upper limit of the share of such defects that are missed, 1 − {@link delta} sure; 1 without defects. */
  missedBound: number;
  delta: number;
}

/** How a frame becomes the graph's input, as `lib/inference/graph/prepare.ts` does it. */
export interface ModelInput {
  width: number;
  height: number;
  colour: 'rgb';
  fit: 'stretch';
  /** Brings a part that lies a little otherwise to where it lay when the model was taught. */
  align?: AlignRecipe;
}

/** Corners of an area in shares of the picture's width and height, 0…1. */
export type MaskArea = [x: number, y: number][];

/** A file beside `model.json`. */
interface SideFile {
  /** `sha256:` and 64 hexadecimal digits. */
  digest: string;
}

export interface ModelManifest {
  /** Version of this file format. */
  format: 2;
  name: string;
  version: number;
  /** Of `model.onnx`: `sha256:` and 64 hexadecimal digits. */
  digest: string;
  method: Method;
  /** A sentence that says why this method. */
  why: string;
  /** What it was compared with; empty where the method was given. */
  candidates: Candidate[];
  input: ModelInput;
  /** Where is looked; everywhere when absent. */
  mask?: MaskArea[];
  /** For large parts: each tile has a bank of its own. */
  tiles?: Tiling;
  /** `path` of one of the user's own, and how it is fed where that was said. */
  backbone: { digest: string; name: string; path?: string; normalise?: Normalisation };
  /** Patches of good parts in the graph. */
  bankSize: number;
  coresetSize: number;
  seed: number;
  /** Ids of its good parts; empty for a model of format 1. The first {@link memorised} are in the graph. */
  parts: string[];
  /** Beyond these, parts only calibrate: the graph has not seen them. */
  memorised: number;
  /**
   * Those of {@link parts} that were learned from corrections. They only teach: parts that were rejected are no
   * random sample of good ones, and a threshold that counted them would rise with each.
   */
  learned: string[];
  /** Of each of {@link parts}, by a head that had not seen it; of {@link learned} ones what it was before. */
  scores: number[];
  /** Those that calibrate: of all parts but the learned ones, ascending. */
  goodScores: number[];
  /** Ids of known defects, and the score of each. */
  defects: string[];
  defectScores: number[];
  acceptance: Acceptance;
  /** What was pointed out about the pictures it was taught from; the first thousand. */
  findings: Finding[];
  /** Pictures that were offered and left out. */
  skipped: number;
  thresholds: ThresholdCandidate[];
  /** Mean of the embeddings of its good parts and their standard deviation, feature by feature. */
  embedding?: { mean: number[]; deviation: number[] };
  /** What extending needs, and the embeddings of {@link parts} as rows of float32. */
  files: { memory?: SideFile; embeddings?: SideFile };
  /** The version it came from; null for the first. */
  parent: number | null;
  change: Change;
  /** What a reader of this file must know about the scores. */
  note: string;
  /** ISO 8601 in UTC. */
  createdAt: string;
}

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

const second = exactly(
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
    findings: {
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
    },
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

/** As format 1 was written: only nearest neighbours, and the number of its parts. */
interface FirstFormat {
  format: 1;
  name: string;
  version: number;
  digest: string;
  method: 'patch-nn';
  input: ModelInput;
  backbone: { digest: string };
  bankSize: number;
  seed: number;
  parts: number;
  skipped: number;
  goodScores: number[];
  thresholds: ThresholdCandidate[];
  note: string;
  createdAt: string;
}

const first = exactly({
  ...common,
  format: { type: 'integer', const: 1 },
  method: { type: 'string', const: 'patch-nn' },
  backbone: exactly({ digest: DIGEST }),
  parts: { type: 'integer', minimum: 1 },
});

const ajv = new Ajv({ allErrors: false });
const isSecond = ajv.compile(second as unknown as JSONSchemaType<ModelManifest>);
const isFirst = ajv.compile(first as unknown as JSONSchemaType<FirstFormat>);

function fromFirst(manifest: FirstFormat): ModelManifest {
  const { goodScores, thresholds, backbone } = manifest;
  return {
    ...manifest,
    format: 2,
    why: 'It was taught when there was no other method.',
    candidates: [],
    backbone: { ...backbone, name: 'jidoka' },
    coresetSize: Math.max(1, manifest.bankSize),
    parts: [],
    memorised: 0,
    learned: [],
    scores: [],
    defects: [],
    defectScores: [],
    acceptance: {
      defects: 0,
      found: 0,
      alpha: thresholds[0]?.alpha ?? 0,
      threshold: goodScores.at(-1) ?? 0,
      missedBound: 1,
      delta: 0.05,
    },
    findings: [],
    files: {},
    parent: null,
    change: { kind: 'teach', parts: [], actor: 'system', reason: '' },
  };
}

function isWithin(some: readonly string[], all: readonly string[]): boolean {
  const known = new Set(all);
  return some.every((id) => known.has(id)) && new Set(some).size === some.length;
}

/** What the parts of a file must agree on; undefined where they do. */
function contradictionIn(manifest: ModelManifest): string | undefined {
  const { input, goodScores, parts, learned, scores, memorised, defects, defectScores } = manifest;
  if (goodScores.some((score, index) => score < (goodScores[index - 1] ?? 0))) {
    return '/goodScores must be ascending';
  }
  if (parts.length !== scores.length || memorised > parts.length) return '/scores must be of /parts';
  if (parts.length > 0 && parts.length - learned.length !== goodScores.length) {
    return '/goodScores must be of /parts without /learned';
  }
  if (!isWithin(learned, parts)) return '/learned must be of /parts';
  if (defects.length !== defectScores.length) return '/defectScores must be of /defects';
  try {
    if (input.align !== undefined) checkedAlign(input.align);
  } catch (error) {
    return `/input/align: ${(error as Error).message}`;
  }
  return undefined;
}

/** The manifest, or why the text is none. */
export function parseManifest(text: string): ModelManifest | { why: string; cause?: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return { why: 'it is not JSON', cause };
  }
  const isOld = (value as { format?: unknown } | null)?.format === 1;
  const errors = (isOld ? isFirst(value) : isSecond(value))
    ? []
    : ((isOld ? isFirst : isSecond).errors ?? []);
  if (errors.length > 0) {
    return { why: errors.map((error) => `${error.instancePath} ${error.message ?? ''}`).join(', ') };
  }
  const manifest = isOld ? fromFirst(value as FirstFormat) : (value as ModelManifest);
  const contradiction = contradictionIn(manifest);
  return contradiction === undefined ? manifest : { why: contradiction };
}
