/** What the teaching process of signals and its parent say to each other. */
import type { SeriesModel } from './model.ts';
import type { LearnOptions } from './normal.ts';

/** Where the rows are: here, in a table (CSV), or in what was collected. Files are read by the process that learns. */
export type Source = Pick<LearnOptions, 'columns' | 'rows'> | { table: string } | { collected: string };

export type Lesson = Source & Pick<LearnOptions, 'methods' | 'smoothing'>;

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
