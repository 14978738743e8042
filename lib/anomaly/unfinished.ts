/**
 * A lesson that has not ended: what it was to become (`lesson.json`), and the parts it has collected (a
 * line each in `lesson-parts.jsonl`; the parts themselves are in the `PartStore`). Whatever ends the
 * process, the next one goes on from here.
 */
import { open, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv, type JSONSchemaType } from 'ajv';
import { NORMALISATIONS, type Normalisation } from './backbone/normalisation.ts';
import { writeDurably } from './durable.ts';
import { METHODS, type Method } from './method.ts';
import type { AlignLimits } from '../frame/align.ts';
import type { MaskArea } from './manifest.ts';
import { TILES } from './manifest-schema.ts';
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

export interface LessonRecord {
  format: 1;
  settings: LessonSettings;
  /** Parts it wants; all that come when absent. */
  wanted?: number;
  /** Absolute paths, when it is taught from pictures on disk. */
  pictures?: string[];
  /** ISO 8601 in UTC. */
  startedAt: string;
}

/** One thing that was offered: a part that was kept, or none. */
export interface CollectedLine {
  /** Empty for what could not be read. */
  id: string;
  source: string;
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
  },
} as unknown as JSONSchemaType<LessonRecord>);

function paths(folder: string, name: string): { record: string; parts: string } {
  const all = modelFolder(folder, name);
  return { record: join(all, 'lesson.json'), parts: join(all, 'lesson-parts.jsonl') };
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
  return isPart && typeof line.source === 'string'
    ? { id: line.id as string, source: line.source }
    : undefined;
}

/** The lesson; undefined where there is none, or none that can be gone on with. */
export async function readUnfinished(folder: string, name: string): Promise<UnfinishedLesson | undefined> {
  const { record: file, parts } = paths(folder, name);
  const record = parsed(await readSmall(file));
  if (!validate(record)) return undefined;
  // The last line may have been cut off.
  const lines = ((await readSmall(parts)) ?? '').split('\n').map(lineOf);
  return { ...record, collected: lines.filter((line) => line !== undefined) };
}

/** Throws `MODELS_UNWRITABLE`. */
export async function writeUnfinished(folder: string, name: string, record: LessonRecord): Promise<void> {
  const { record: file, parts } = paths(folder, name);
  await rm(parts, { force: true });
  await writeDurably(file, `${JSON.stringify(record)}\n`);
}

/** What was settled while it collects. Throws `MODELS_UNWRITABLE`. */
export async function noteSettings(folder: string, name: string, settings: LessonSettings): Promise<void> {
  const lesson = await readUnfinished(folder, name);
  if (lesson === undefined) return;
  const record: Partial<UnfinishedLesson> = { ...lesson, settings };
  delete record.collected;
  await writeDurably(paths(folder, name).record, `${JSON.stringify(record)}\n`);
}

export async function removeUnfinished(folder: string, name: string): Promise<void> {
  const { record, parts } = paths(folder, name);
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
  static async open(folder: string, name: string, before: readonly CollectedLine[]): Promise<LessonLog> {
    const { parts } = paths(folder, name);
    await writeDurably(parts, before.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return new LessonLog(await open(parts, 'a'));
  }

  async add({ id, source }: CollectedLine): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify({ id, source: source.slice(0, 4096) })}\n`);
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
