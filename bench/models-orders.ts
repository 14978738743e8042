/** What the bench of the models says to the two processes that do the work. */
import type { ChosenHead } from '../lib/inference/heads/head.ts';

export interface Setup {
  /** 1080p JPEG files, shown in turn. */
  imageFolder: string;
  modelFolder: string;
  /** File in the model folder. */
  file: string;
  /** Pixels of each side of the input. */
  side: number;
  head: ChosenHead;
}

/** Milliseconds of one picture. */
export interface PictureTimes {
  /** From the trigger until the prediction is at hand. */
  total: number;
  /** Until the encoded picture is at hand. */
  capture: number;
  /** The graph alone. */
  run: number;
}

/** What a stretch of work did to the process that held it. */
export interface Load {
  /** Delay of the event loop, 99th percentile; NaN where it is blocked by design. */
  loopDelayP99: number;
  /** Milliseconds of each full garbage collection. */
  collections: number[];
}

export interface Round extends Load {
  pictures: PictureTimes[];
}

export interface Saturation extends Load {
  /** From the first trigger to the last prediction. */
  seconds: number;
}

export interface FloorOrders {
  setup(setup: Setup): Promise<void>;
  round(pictures: number): Promise<Round>;
}

export interface FlowOrders extends FloorOrders {
  /** Feeds so many that the model never waits. */
  saturate(pictures: number): Promise<Saturation>;
}
