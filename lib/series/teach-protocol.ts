/** What the teaching process of signals and its parent say to each other. */
import type { SeriesModel } from './model.ts';
import type { LearnOptions } from './normal.ts';

export type Lesson = Omit<LearnOptions, 'onProgress'>;

/** Where the model goes. */
interface Place {
  folder: string;
  name: string;
  draft: string;
}

export type ToTeacher = Place & { lesson: Lesson };

export type FromTeacher =
  | { type: 'progress'; done: number; total: number }
  | { type: 'taught'; model: SeriesModel }
  | { type: 'failed'; code: string; message: string; hint?: string };
