/** What `bench/gpu.ts` says to the process that tries one provider with one model. */
import type { ChosenHead } from '../lib/inference/heads/head.ts';

export interface Attempt {
  provider: string;
  file: string;
  side: number;
  head: ChosenHead;
  /** RGB rows of the input's size. */
  rgb: Uint8Array;
  runs: number;
  /** After this long it ends with the runs it has. */
  budgetMs: number;
}

export interface Trial {
  /** From the bytes to the session. */
  createMs: number;
  /** The first run compiles and pages in. */
  firstMs: number;
  /** Milliseconds of the runs after it. */
  warm: number[];
  /** The first output. */
  output: Float32Array;
  /** Share of the graph's time that ran there and not on the CPU; NaN where it cannot be told. */
  share: number;
}

export interface GpuOrders {
  /** Execution providers of this machine's ONNX Runtime. */
  providers(): Promise<string[]>;
  attempt(attempt: Attempt): Promise<Trial | { reason: string }>;
}
