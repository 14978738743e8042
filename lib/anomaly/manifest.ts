/**
 * `model.json` of a taught model: what it was taught from, what its scores mean, and which version
 * it came from. Strict: whatever is not described here is refused. Files of format 1, which knew no parts,
 * are read as format 2.
 */
import { Ajv, type JSONSchemaType } from 'ajv';
import { checkedAlign, type AlignRecipe } from '../frame/align-recipe.ts';
import type { Normalisation } from './backbone/normalisation.ts';
import type { Method } from './method.ts';
import { FIRST_FORMAT, SECOND_FORMAT } from './manifest-schema.ts';
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

const ajv = new Ajv({ allErrors: false });
const isSecond = ajv.compile(SECOND_FORMAT as unknown as JSONSchemaType<ModelManifest>);
const isFirst = ajv.compile(FIRST_FORMAT as unknown as JSONSchemaType<FirstFormat>);

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
