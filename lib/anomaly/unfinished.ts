/**
 * A lesson that has not ended: what it was to become (`lesson.json`), and the parts it has collected (a
 * line each in `lesson-parts.jsonl`; the parts themselves are in the `PartStore`). Whatever ends the
 * process, the next one goes on from here. One that a person looks through before it is taught is a draft, and
 * lies beside it (`draft.json`, `draft-parts.jsonl`).
 */
import { open, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv, type JSONSchemaType } from 'ajv';
import { NORMALISATIONS, type Normalisation } from './backbone/normalisation.ts';
import { writeDurably } from './durable.ts';
import { METHODS, type Method } from './method.ts';
import type { AlignLimits } from '../frame/align.ts';
import type { MaskArea } from './manifest.ts';
import type { Finding } from './findings.ts';
import { FINDINGS, TILES } from './manifest-schema.ts';
import { modelFolder } from './model.ts';
import { PART_ID } from './parts.ts';
import type { Tiling } from './tiles.ts';

/** What a lesson teaches, whatever it is taught from. */
export interface LessonSettings {
  /** Pixels of the picture the network sees. */
  width: number;
  height: number;
  method: Method | 'auto';
  seed: number;
  /** Patches the model remembers. */
  coresetSize: number;
  /** Path of a backbone of the user's own. */
  backbone?: string;
  normalise?: Normalisation;
  mask?: MaskArea[];
  tiles?: Tiling;
  /** How far parts may lie otherwise; the reference is drawn from the first parts. */
  align?: AlignLimits & { reference?: string };
}

/** A lesson that teaches by itself, or one that waits for a person. */
export type LessonKind = 'lesson' | 'draft';

/** More than anybody looks through; teaching remembers the features of 996 at 224×224. */
export const MAX_DRAFT_PARTS = 1000;

/** What a draft is at: parts come, a person looks through them, a version is taught from them. */
export type DraftPhase = 'collecting' | 'looking' | 'teaching';

export interface LessonRecord {
  format: 1;
  settings: LessonSettings;
  /** Parts it wants; all that come when absent. */
  wanted?: number;
  /** Absolute paths, when it is taught from pictures on disk. */
  pictures?: string[];
  /** ISO 8601 in UTC. */
  startedAt: string;
  /** Of a draft. */
  phase?: DraftPhase;
  /** Of a draft: what was pointed out when it was collected; the first thousand. */
  findings?: Finding[];
  /** Of a draft: who began what it is at, and why. */
  by?: { actor: string; reason: string };
}

/** What is settled of a lesson; undefined takes back what was settled before. */
export type Settled = { [Key in keyof LessonRecord]?: LessonRecord[Key] | undefined };

/** One thing that was offered: a part that was kept, or none. */
export interface CollectedLine {
  /** Empty for what could not be read. */
  id: string;
  source: string;
  /** Of the inspected part, where it was one. */
  partId?: string;
  /** True where the model in service found it suspicious. */
  unusual?: true;
}

export interface UnfinishedLesson extends LessonRecord {
  collected: CollectedLine[];
}

const MAX_BYTES = 16 * 1024 * 1024;
const SIDE = { type: 'integer', minimum: 8, maximum: 8192 };
const SHARE = { type: 'number', minimum: 0, maximum: 1 };

const validate = new Ajv().compile({
  type: 'object',
  additionalProperties: false,
  required: ['format', 'settings', 'startedAt'],
  properties: {
    format: { type: 'integer', const: 1 },
    settings: {
      type: 'object',
      additionalProperties: false,
      required: ['width', 'height', 'method', 'seed', 'coresetSize'],
      properties: {
        width: SIDE,
        height: SIDE,
        method: { type: 'string', enum: [...METHODS, 'auto'] },
        seed: { type: 'integer' },
        coresetSize: { type: 'integer', minimum: 1, maximum: 100_000 },
        backbone: { type: 'string', maxLength: 4096, nullable: true },
        normalise: { type: 'string', enum: [...NORMALISATIONS], nullable: true },
        mask: {
          type: 'array',
          nullable: true,
          maxItems: 64,
          items: { type: 'array', items: { type: 'array', minItems: 2, maxItems: 2, items: SHARE } },
        },
        tiles: { ...TILES, nullable: true },
        align: {
          type: 'object',
          nullable: true,
          additionalProperties: false,
          required: ['maxShift', 'maxAngle'],
          properties: {
            maxShift: { type: 'number', exclusiveMinimum: 0, maximum: 0.25 },
            maxAngle: { type: 'number', minimum: 0, maximum: 30 },
            reference: { type: 'string', maxLength: 32_768, nullable: true },
          },
        },
      },
    },
    wanted: { type: 'integer', minimum: 1, nullable: true },
    pictures: {
      type: 'array',
      nullable: true,
      maxItems: 100_000,
      items: { type: 'string', maxLength: 4096 },
    },
    startedAt: { type: 'string', maxLength: 64 },
    phase: { type: 'string', enum: ['collecting', 'looking', 'teaching'], nullable: true },
    findings: { ...FINDINGS, nullable: true },
    by: {
      type: 'object',
      nullable: true,
      additionalProperties: false,
      required: ['actor', 'reason'],
      properties: { actor: { type: 'string', maxLength: 256 }, reason: { type: 'string', maxLength: 200 } },
    },
  },
} as unknown as JSONSchemaType<LessonRecord>);

function paths(folder: string, name: string, kind: LessonKind): { record: string; parts: string } {
  const all = modelFolder(folder, name);
  return { record: join(all, `${kind}.json`), parts: join(all, `${kind}-parts.jsonl`) };
}

async function readSmall(file: string): Promise<string | undefined> {
  try {
    return (await stat(file)).size > MAX_BYTES ? undefined : await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function lineOf(text: string): CollectedLine | undefined {
  const line = parsed(text) as Partial<CollectedLine> | null | undefined;
  const isPart = typeof line?.id === 'string' && (line.id === '' || new RegExp(PART_ID).test(line.id));
  if (!isPart || typeof line.source !== 'string') return undefined;
  return {
    id: line.id as string,
    source: line.source,
    ...(typeof line.partId === 'string' ? { partId: line.partId } : {}),
    ...(line.unusual === true ? { unusual: true } : {}),
  };
}

/** The lesson; undefined where there is none, or none that can be gone on with. */
export async function readUnfinished(
  folder: string,
  name: string,
  kind: LessonKind = 'lesson',
): Promise<UnfinishedLesson | undefined> {
  const { record: file, parts } = paths(folder, name, kind);
  const record = parsed(await readSmall(file));
  if (!validate(record)) return undefined;
  // The last line may have been cut off.
  const lines = ((await readSmall(parts)) ?? '').split('\n').map(lineOf);
  return { ...record, collected: lines.filter((line) => line !== undefined) };
}

/** Begins a lesson: nothing is collected. Throws `MODELS_UNWRITABLE`. */
export async function writeUnfinished(
  folder: string,
  name: string,
  record: LessonRecord,
  kind: LessonKind = 'lesson',
): Promise<void> {
  const { record: file, parts } = paths(folder, name, kind);
  await rm(parts, { force: true });
  await writeDurably(file, `${JSON.stringify(record)}\n`);
}

/** What was settled of a lesson; what it has collected stays. Throws `MODELS_UNWRITABLE`. */
export async function noteUnfinished(
  folder: string,
  name: string,
  settled: Settled,
  kind: LessonKind = 'lesson',
): Promise<void> {
  const lesson = await readUnfinished(folder, name, kind);
  if (lesson === undefined) return;
  const record = { ...lesson, ...settled, collected: undefined };
  await writeDurably(paths(folder, name, kind).record, `${JSON.stringify(record)}\n`);
}

export async function removeUnfinished(
  folder: string,
  name: string,
  kind: LessonKind = 'lesson',
): Promise<void> {
  const { record, parts } = paths(folder, name, kind);
  await rm(record, { force: true });
  await rm(parts, { force: true });
}

/** Notes what was offered to a lesson, a flushed line each. */
export class LessonLog {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Begins with what is known to be good of a log that was cut off. Throws `MODELS_UNWRITABLE`. */
  static async open(
    folder: string,
    name: string,
    before: readonly CollectedLine[],
    kind: LessonKind = 'lesson',
  ): Promise<LessonLog> {
    const { parts } = paths(folder, name, kind);
    await writeDurably(parts, before.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return new LessonLog(await open(parts, 'a'));
  }

  async add(line: CollectedLine): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify({ ...line, source: line.source.slice(0, 4096) })}\n`);
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
