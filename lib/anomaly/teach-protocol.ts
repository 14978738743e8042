/** What the teaching process and its parent say to each other. */
import type { FrameFormat } from '../frame/frame.ts';
import type { TeachingProgress } from './teaching.ts';

export type ToTeacher =
  | {
      type: 'start';
      file: string;
      resolution: number;
      seed: number;
      coresetSize: number;
      minimumParts: number;
    }
  | { type: 'frame'; bytes: Uint8Array; width: number; height: number; format: FrameFormat }
  /** No more frames: teach from those that came. */
  | { type: 'end' };

export interface Taught {
  digest: string;
  backboneDigest: string;
  bankSize: number;
  parts: number;
  skipped: number;
  goodScores: number[];
}

export type FromTeacher =
  /** Ready for one more frame; keeps at most one frame in flight however fast the source is. */
  | { type: 'next' }
  | { type: 'progress'; progress: TeachingProgress }
  | { type: 'taught'; taught: Taught }
  | { type: 'failed'; code: string; message: string };
