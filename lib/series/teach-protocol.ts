/** What the teaching process of signals and its parent say to each other. */
import type { LearnOptions, Normal } from './normal.ts';

export type Lesson = Omit<LearnOptions, 'onProgress'>;

export type FromTeacher =
  | { type: 'progress'; done: number; total: number }
  | { type: 'taught'; normal: Normal }
  | { type: 'failed'; code: string; message: string; hint?: string };
