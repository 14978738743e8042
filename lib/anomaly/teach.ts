/**
 * Teaches a model from good parts, in a process of its own. A version appears on disk whole or not at all.
 * What was collected outlives whatever ends the lesson, and the next one goes on from there: see
 * `unfinished.ts`.
 */
import { BANK_SIZE } from './method.ts';
import { rm } from 'node:fs/promises';
import type { AlignLimits } from '../frame/align.ts';
import type { Frame } from '../frame/frame.ts';
import type { Normalisation } from './backbone.ts';
import { AnomalyError } from './errors.ts';
import type { FindingKind } from './findings.ts';
import { holdModel } from './hold.ts';
import type { Resolution } from './head.ts';
import type { Method } from './method.ts';
import { manifestOf } from './manifest-of.ts';
import type { Change, MaskArea } from './manifest.ts';
import { modelFolder, versionsOf, type AnomalyModel } from './model.ts';
import type { Taught, TeachJob } from './teach-protocol.ts';
import {
  doJob,
  endSource,
  nextFrame,
  throwIfCancelled,
  untilCancelled,
  type FrameSource,
  type JobOptions,
} from './teacher.ts';
import type { TeachingProgress, TeachingStage } from './teaching.ts';
import { tilingOf, type TileOptions } from './tiles.ts';
import {
  readUnfinished,
  removeUnfinished,
  writeUnfinished,
  type LessonSettings,
  type UnfinishedLesson,
} from './unfinished.ts';
import { currentVersion, newDraftPath, publish, sweep, takeBack } from './versions.ts';

/** How pictures are looked at, and what is remembered of them. */
export interface LessonChoices {
  /** `auto` compares methods by defects painted on the good parts; `patch-nn` unless told. */
  method?: Method | 'auto';
  seed?: number;
  /** Side of the square the pictures are scaled to, in pixels; 224 unless told. */
  resolution?: Resolution;
  /** Patches the model remembers. */
  coresetSize?: number;
  /** Path of a backbone of the user's own. */
  backbone?: string;
  /** How that one wants its pixels, where it cannot say so itself. */
  normalise?: Normalisation;
  /** Where is looked; everywhere when absent. */
  mask?: MaskArea[];
  /** For parts that lie otherwise by so much; they are brought to where the first ones lay. */
  align?: AlignLimits;
  /** For large parts: the picture is not made smaller than this, and cut into tiles. */
  tiles?: TileOptions;
}

export interface TeachOptions extends JobOptions, LessonChoices {
  /** Folder of all models. */
  folder: string;
  name: string;
  /** Good parts, in any order; one is read at a time. Taking them may last as long as the line needs. */
  frames?: AsyncIterable<Frame> | Iterable<Frame>;
  /** Absolute paths of pictures of good parts, instead. */
  pictures?: readonly string[];
  /** Ids of parts of an earlier version, instead. */
  parts?: readonly string[];
  /** Goes on with what {@link unfinishedLesson} told of; all other settings are taken from there. */
  resume?: boolean;
  /** Different parts after which it stops to collect; all that come when absent. */
  wanted?: number;
  /** Frames expected, for progress where nothing else says it. */
  total?: number;
  /** Findings for which a part is not taught from; duplicates unless told. What cannot be read never is. */
  leaveOut?: readonly FindingKind[];
  actor?: string;
  reason?: string;
}

export interface UnfinishedSummary {
  /** Parts collected so far, and parts wanted where that was said. */
  collected: number;
  wanted?: number;
  /** True for one from pictures on disk, which needs no further frames. */
  fromPictures: boolean;
  startedAt: string;
}

/** A lesson that was cut off, by whatever; undefined where there is none. Throws `MODEL_NAME_INVALID`. */
export async function unfinishedLesson(folder: string, name: string): Promise<UnfinishedSummary | undefined> {
  const lesson = await readUnfinished(folder, name);
  if (lesson === undefined) return undefined;
  const { wanted, pictures, startedAt } = lesson;
  const ids = new Set(lesson.collected.map(({ id }) => id).filter((id) => id !== ''));
  return {
    collected: ids.size,
    ...(wanted === undefined ? {} : { wanted }),
    fromPictures: pictures !== undefined,
    startedAt,
  };
}

/** Gives up a lesson that was cut off, and the parts it collected. Throws `TEACH_BUSY`. */
export async function discardLesson(folder: string, name: string): Promise<void> {
  const release = await holdModel(folder, name);
  try {
    await removeUnfinished(folder, name);
    await sweep(folder, name);
  } finally {
    await release();
  }
}

/**
 * Teaches and stores the next version of `name`. The same parts in the same order and the same
 * seed give the same graph, to the byte, on the same machine.
 *
 * Cancelled, it leaves nothing behind; ended by anything else it can be resumed.
 *
 * Throws `TEACH_TOO_FEW` (fewer than 10 different readable parts), `TEACH_CANCELLED` (`signal`),
 * `TEACH_SUSPENDED` (`signal`, aborted with that error as its reason: the lesson is kept), `TEACH_BUSY` (two
 * at once), `LESSON_MISSING` (nothing to resume), `TEACH_FAILED`, `MODELS_UNWRITABLE`, `PARTS_FULL`,
 * `MODEL_NAME_INVALID`, and whatever `frames` throws.
 */
export async function teach(options: TeachOptions): Promise<AnomalyModel> {
  const { folder, name, signal } = options;
  modelFolder(folder, name);
  throwIfCancelled(signal);
  const source = sourceOf(options);
  const release = await holdModel(folder, name);
  try {
    const lesson = await lessonOf(options);
    const model = await taughtBy(lesson, options, source);
    await removeUnfinished(folder, name);
    await sweep(folder, name);
    options.onProgress?.({ stage: 'saving', done: 1, total: 1 });
    return model;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'TEACH_CANCELLED' || code === 'TEACH_TOO_FEW') await removeUnfinished(folder, name);
    await sweep(folder, name).catch(() => undefined);
    throw error;
  } finally {
    endSource(source);
    await release();
  }
}

/** Where each stage starts and ends, of the whole; measured with 76 parts. */
const STAGES: Readonly<Record<TeachingStage, readonly [from: number, to: number]>> = {
  features: [0, 0.25],
  folds: [0.25, 0.85],
  bank: [0.85, 0.98],
  saving: [0.98, 1],
};

/** Progress as a share of the whole, 0..1. */
export function teachingFraction({ stage, done, total }: TeachingProgress): number {
  const [from, to] = STAGES[stage];
  return from + (to - from) * (total > 0 ? Math.min(done / total, 1) : 0);
}

async function* labelled(frames: AsyncIterable<Frame> | Iterable<Frame>): AsyncGenerator<{ frame: Frame }> {
  for await (const frame of frames) yield { frame };
}

function sourceOf({ frames }: TeachOptions): FrameSource | undefined {
  return frames === undefined ? undefined : labelled(frames);
}

/** What a lesson is to teach, of what was asked for. */
export function settingsOf(options: LessonChoices): LessonSettings {
  const { resolution = 224, method = 'patch-nn', seed = 1, coresetSize = BANK_SIZE } = options;
  const { backbone, normalise, mask, align } = options;
  const tiles = options.tiles === undefined ? undefined : tilingOf(options.tiles);
  return {
    width: tiles?.width ?? resolution,
    height: tiles?.height ?? resolution,
    ...{ method, seed, coresetSize },
    ...(backbone === undefined ? {} : { backbone }),
    ...(normalise === undefined ? {} : { normalise }),
    ...(mask === undefined ? {} : { mask }),
    ...(tiles === undefined ? {} : { tiles }),
    ...(align === undefined ? {} : { align }),
  };
}

/** The lesson to go on with, or a new one; one from stored parts leaves no record, for it has nothing to lose. */
async function lessonOf(options: TeachOptions): Promise<UnfinishedLesson> {
  const { folder, name, pictures, parts, wanted } = options;
  if (options.resume === true) {
    const lesson = await readUnfinished(folder, name);
    if (lesson !== undefined) return lesson;
    throw new AnomalyError('LESSON_MISSING', `there is no lesson of “${name}” to go on with`, {
      hint: 'Begin a new one.',
    });
  }
  const record = {
    format: 1,
    settings: { ...settingsOf(options), ...(parts === undefined ? {} : await pictureOf(folder, name)) },
    ...(wanted === undefined ? {} : { wanted }),
    ...(pictures === undefined ? {} : { pictures: [...pictures] }),
    startedAt: new Date().toISOString(),
  } as const;
  await removeUnfinished(folder, name);
  await sweep(folder, name);
  if (parts === undefined) await writeUnfinished(folder, name, record);
  return { ...record, collected: [] };
}

/** Stored parts are pictures as the newest version sees them, and no others can be made of them. */
async function pictureOf(folder: string, name: string): Promise<Partial<LessonSettings>> {
  const { input, tiles } = await currentVersion(folder, name);
  const { width, height, align } = input;
  return {
    width,
    height,
    ...(align === undefined ? {} : { align }),
    ...(tiles === undefined ? {} : { tiles }),
  };
}

async function taughtBy(
  lesson: UnfinishedLesson,
  options: TeachOptions,
  source: FrameSource | undefined,
): Promise<AnomalyModel> {
  const { folder, name, parts, signal, leaveOut = ['duplicate'], actor = 'system', reason = '' } = options;
  const { settings, wanted, pictures, collected } = lesson;
  const draft = newDraftPath(folder, name);
  const job: TeachJob = {
    kind: 'teach',
    folder,
    name,
    draft,
    settings,
    ...(wanted === undefined ? {} : { wanted }),
    ...(pictures === undefined ? {} : { pictures }),
    ...(parts === undefined ? {} : { parts, learned: (await currentVersion(folder, name)).learned }),
    resumed: parts === undefined ? collected : undefined,
    leaveOut,
  };
  try {
    // The line may take hours to bring the first part; until then there is no process.
    const isLive = source !== undefined && pictures === undefined && collected.length === 0;
    const first = isLive ? await untilCancelled(nextFrame(source), signal) : undefined;
    const answer = await doJob(job, source, { ...options, onProgress: withTotal(options) }, first);
    throwIfCancelled(signal);
    options.onProgress?.({ stage: 'saving', done: 0, total: 1 });
    const change: Change = { kind: 'teach', parts: [], actor, reason };
    const parent = (await versionsOf(folder, name)).at(-1) ?? null;
    const { taught } = answer as { taught: Taught };
    const model = await publish(draft, folder, name, manifestOf(taught, settings, { name, parent, change }));
    if (signal?.aborted === true) await takeBack(folder, model);
    throwIfCancelled(signal);
    return model;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function withTotal({ onProgress, total = 0, frames }: TeachOptions): (progress: TeachingProgress) => void {
  const expected = Math.max(total, Array.isArray(frames) ? frames.length : 0);
  return (progress) =>
    onProgress?.(
      progress.stage === 'features' ? { ...progress, total: Math.max(expected, progress.total) } : progress,
    );
}
