/** What the next lesson of pictures is taught from and how, and the lesson that follows from it. */
import { resolve } from 'node:path';
import type { Normalisation } from '../../lib/anomaly/backbone.ts';
import { picturesIn } from '../../lib/anomaly/folder-frames.ts';
import type { Resolution } from '../../lib/anomaly/head.ts';
import type { Method } from '../../lib/anomaly/method.ts';
import type { LessonOptions } from '../../lib/anomaly/lesson.ts';
import type { MaskArea } from '../../lib/anomaly/model.ts';
import type { TileOptions } from '../../lib/anomaly/tiles.ts';
import type { AlignLimits } from '../../lib/frame/align.ts';
import { modelFile } from '../runtime/model-file.ts';
import type { NodeAPI } from '../runtime/types.ts';

export interface LessonConfig {
  teaching: 'first-parts' | 'folder' | 'none';
  /** Parts of a lesson from the running line. */
  parts: number;
  /** Of the pictures; absolute, or below the station's folder. */
  folder: string;
  /** How patches are compared. */
  method: Method | 'auto';
  /** Side of the square that pictures are scaled to, in pixels; not asked where there are tiles. */
  resolution: Resolution;
  tiles?: TileOptions;
  /** In the model folder; our own when absent. */
  backbone?: string;
  normalise?: Normalisation;
  align?: AlignLimits;
  /** Where is looked; everywhere when absent. */
  mask?: MaskArea[];
}

type Settings = Pick<
  LessonOptions,
  'method' | 'resolution' | 'tiles' | 'backbone' | 'normalise' | 'align' | 'mask'
>;

/** @throws InferenceError `MODEL_NOT_FOUND`, `MODEL_NOT_ALLOWED`: of the backbone */
export async function lessonSettings(config: LessonConfig, RED: NodeAPI): Promise<Settings> {
  const { method, resolution, tiles, backbone, normalise, align, mask } = config;
  return {
    method,
    resolution,
    ...(tiles === undefined ? {} : { tiles }),
    ...(backbone === undefined ? {} : { backbone: await modelFile(RED, backbone) }),
    ...(normalise === undefined ? {} : { normalise }),
    ...(align === undefined ? {} : { align }),
    ...(mask === undefined ? {} : { mask }),
  };
}

/** How many parts, and their pictures where they lie in a folder. Rejects where that cannot be read. */
export async function lessonSource(
  { teaching, parts, folder }: LessonConfig,
  stationFolder: string,
): Promise<Pick<LessonOptions, 'parts' | 'pictures'>> {
  if (teaching !== 'folder') return { parts };
  const pictures = await picturesIn(resolve(stationFolder, folder));
  return { parts: pictures.length, pictures };
}
