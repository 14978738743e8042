/** What cameras ask the health worker, and what it answers. */
import type { HealthSection } from '../inspection/inspection.ts';
import type { HealthFinding } from './baseline.ts';
import type { Picture } from './health-gauge.ts';

/** The bytes themselves, or where they lie in shared memory. */
export type Pixels = { bytes: Uint8Array } | { path: string; length: number };

export type ToHealthWorker =
  | { type: 'open'; gauge: number; baseline: string | undefined; learn: number }
  | { type: 'measure'; id: number; gauge: number; picture: Omit<Picture, 'bytes'> & { pixels: Pixels } }
  | { type: 'close'; gauge: number };

export type FromHealthWorker =
  | {
      type: 'measured';
      id: number;
      section: HealthSection;
      findings: readonly HealthFinding[];
      /** Text of the baseline that this frame completed. */
      learned?: string;
    }
  | { type: 'failed'; id: number; code: string; message: string };
