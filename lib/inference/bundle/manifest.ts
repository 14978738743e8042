/**
 * `model.json` of a bundle: what the model is, how it is fed and read, what it must answer about its
 * golden pictures, and the digest of every other file. Whoever knows the digest of this one knows all.
 */
import { createHash } from 'node:crypto';
import { Ajv, type ErrorObject, type Schema, type ValidateFunction } from 'ajv';
import { canonicalJson } from '../../canonical.ts';
import type { InferenceError } from '../errors.ts';
import type {
  AnomalyMapOptions,
  ChosenHead,
  ClassifyOptions,
  DetectOptions,
  EmbedOptions,
  RawOptions,
  RegressOptions,
  SegmentOptions,
} from '../heads/head.ts';
import type { InputRecipe } from '../graph/input.ts';
import { quoted } from '../model/fields.ts';
import { bundleInvalid, checkNames } from './files.ts';
import { manifestSchema, postprocessingSchemas } from './manifest-schema.ts';

export const MANIFEST_FILE = 'model.json';
export const MODEL_FILE = 'model.onnx';
/** Signs the manifest, so it cannot be listed in it. */
export const SIGNATURE_FILE = 'signature.json';
/**
 * Of the manifest, in bytes. Sixteen golden vectors of 2 048 numbers take 0.7 MB. Reading holds the event
 * loop: 0.7 ms with a thousand labels, 20–30 ms at this limit.
 */
export const MANIFEST_LIMIT_BYTES = 1024 ** 2;
/** Levels of lists and objects; polygons of a golden segment lie eight deep. */
const MAX_DEPTH = 16;

type Task = ChosenHead['task'];

/** Numbers agree when |answer − expected| ≤ absolute + relative · |expected|. */
export interface Tolerance {
  absolute: number;
  relative: number;
}

export interface GoldenSample {
  /** Name of a picture in the bundle. */
  image: string;
  /** What the head answers, as plain JSON. */
  expected: Record<string, unknown>;
  tolerance: Tolerance;
}

/** Untrusted text, for people. */
interface Provenance {
  trainedBy?: string;
  date?: string;
  dataset?: string;
  licence?: string;
  source?: string;
  framework?: string;
  metrics?: string;
  notes?: string;
}

type Reading<Options> = Omit<Options, 'task' | 'labels'>;

/** Of which the schema of the task lets some pass. */
type Postprocessing = Reading<ClassifyOptions> &
  Reading<DetectOptions> &
  Reading<SegmentOptions> &
  Reading<RegressOptions> &
  Reading<EmbedOptions> &
  Reading<AnomalyMapOptions> &
  Reading<RawOptions>;

export interface Manifest {
  /** Version of this file format. */
  schema: 1;
  name: string;
  version: string;
  task: Task;
  /** `resize` is what a recipe calls `fit`. */
  input: Pick<InputRecipe, 'width' | 'height' | 'layout' | 'colour' | 'scale' | 'mean' | 'std'> & {
    resize: InputRecipe['fit'];
  };
  outputs: { name: string; shape?: (number | string)[] }[];
  labels?: string[];
  /** Options of the head of the task. */
  postprocessing?: Postprocessing;
  golden?: GoldenSample[];
  provenance?: Provenance;
  intendedUse?: string;
  /** `sha256:` and 64 hexadecimal digits of every file but this one and the signature, by name. */
  files: Record<string, string>;
}

const HINT =
  'See https://github.com/jidoka-dev/node-red/blob/main/docs/guide/bundles.md for what belongs into model.json.';

function invalid(why: string, cause?: unknown): InferenceError {
  return bundleInvalid(`model.json cannot be used: ${why}`, HINT, cause);
}

// one error is reported at a time: a list of ten thousand wrong labels must not become as many errors
const ajv = new Ajv({ strict: true });
const validate: ValidateFunction<Manifest> = ajv.compile<Manifest>(manifestSchema);
const validatePostprocessing = Object.fromEntries(
  Object.entries(postprocessingSchemas).map(([task, schema]: [string, Schema]) => [
    task,
    ajv.compile(schema),
  ]),
) as Record<Task, ValidateFunction>;

/** `/golden/0/image` as people write it: `golden[0].image`. */
function fieldOf(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce(
      (path, token) => (/^\d+$/.test(token) ? `${path}[${token}]` : path === '' ? token : `${path}.${token}`),
      '',
    );
}

/** One sentence that names the field. */
function told({ instancePath, keyword, params, message = '' }: ErrorObject, within = ''): string {
  const field = fieldOf(within + instancePath);
  const subject = field === '' ? 'it' : quoted(field).slice(1, -1);
  const given = params as Record<string, unknown>;
  switch (keyword) {
    case 'required':
      return `${subject} lacks “${String(given['missingProperty'])}”`;
    case 'additionalProperties':
      return `${subject} has the unknown field ${quoted(String(given['additionalProperty']))}`;
    case 'enum':
      return `${subject} must be one of ${(given['allowedValues'] as unknown[]).join(', ')}`;
    case 'const':
      return `${subject} must be ${String(given['allowedValue'])}`;
    case 'pattern':
      return `${subject} is not written as it must be (${String(given['pattern'])})`;
    default:
      return `${subject} ${message}`;
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1));
}

const LABELLED: readonly Task[] = ['classify', 'detect', 'segment'];

/** What a schema cannot say: how the fields hang together. */
function checkMeaning(manifest: Manifest): void {
  const { task, labels, golden = [], files, outputs, postprocessing = {} } = manifest;
  const check = validatePostprocessing[task];
  if (!check(postprocessing)) throw invalid(told((check.errors as [ErrorObject])[0], '/postprocessing'));
  if (labels !== undefined && !LABELLED.includes(task)) throw invalid(`a model for ${task} has no labels`);

  const names = outputs.map(({ name }) => name);
  const { output, outputs: several = [], map, score } = postprocessing;
  for (const name of [output, map, score, ...several]) {
    if (name !== undefined && !names.includes(name))
      throw invalid(`postprocessing reads the output ${quoted(name)}, which outputs does not have`);
  }

  checkNames([...Object.keys(files), MANIFEST_FILE, SIGNATURE_FILE]);
  if (!Object.hasOwn(files, MODEL_FILE)) throw invalid(`files lacks “${MODEL_FILE}”`);
  for (const [index, { image, expected }] of golden.entries()) {
    if (!Object.hasOwn(files, image))
      throw invalid(`golden[${index}].image ${quoted(image)} is not in files`);
    if (expected['task'] !== task) throw invalid(`golden[${index}].expected.task must be ${task}`);
  }
}

/** @throws InferenceError `BUNDLE_INVALID` with the field that is wrong */
export function parseManifest(bytes: Buffer): { manifest: Manifest; digest: string } {
  let manifest: unknown;
  try {
    manifest = JSON.parse(new TextDecoder('utf8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(`it is not JSON in UTF-8: ${(error as Error).message}`, error);
  }
  if (isDeeper(manifest, MAX_DEPTH)) throw invalid(`it is nested more than ${MAX_DEPTH} levels deep`);
  if (!validate(manifest)) throw invalid(told((validate.errors as [ErrorObject])[0]));
  checkMeaning(manifest);
  return { manifest, digest: manifestDigest(manifest) };
}

/** `sha256:` and the hex SHA-256 over the canonical JSON (RFC 8785) of the manifest. */
function manifestDigest(manifest: Manifest): string {
  try {
    return `sha256:${createHash('sha256').update(canonicalJson(manifest)).digest('hex')}`;
  } catch (error) {
    throw invalid((error as Error).message, error);
  }
}

/** Version of a recipe for the host. */
export function inputOf({ input: { resize, ...input } }: Manifest): Partial<InputRecipe> {
  return { ...input, fit: resize };
}

/** How the answers of the model are read, with the thresholds its golden answers were made with. */
export function headOf({ task, labels, postprocessing }: Manifest): ChosenHead {
  return { task, ...postprocessing, ...(labels === undefined ? {} : { labels }) };
}
