/** What comes back for a frame that a model looked at, and the count of what became of frames. */
import type { Box, ModelReference } from '../../inspection/inspection.ts';
import type { EncodedResult } from './results.ts';

/** Milliseconds by stage. `queue` is the wait here, `total` the whole way there and back. */
export interface InferenceTimings {
  queue: number;
  decode: number;
  resize: number;
  run: number;
  head: number;
  total: number;
}

/** Who looked, and how long it took. */
interface Inspected {
  /** The model that really ran. */
  model: ModelReference;
  /** The execution provider that really ran the graph. */
  provider: string;
  timings: InferenceTimings;
}

/** The prediction; tensors and pictures are few and small, and never for a wire. */
export interface InferenceResult extends Inspected, EncodedResult {}

/** What the model says about each of the boxes, in their order. */
export interface CropsResult extends Inspected {
  results: ({ box: Box } & EncodedResult)[];
}

/** What became of frames, since the start. */
export interface FrameCounts {
  results: number;
  /** Gave way to newer frames. */
  dropped: number;
  /** Ended in `NO_RESULT`. */
  lost: number;
  /** Times the model was replaced by another. */
  swaps: number;
}

export function noFrames(): FrameCounts {
  return { results: 0, dropped: 0, lost: 0, swaps: 0 };
}
