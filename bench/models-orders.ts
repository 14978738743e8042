/** What the bench of the models says to the two processes that do the work. */
import type { ChosenHead } from '../lib/inference/heads/head.ts';
import type { Load } from './process-load.ts';

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

/** Pictures before the first that counts. */
export const WARM_PICTURES = 20;

/** Milliseconds of one picture. */
export interface PictureTimes {
  /** From the trigger until the prediction is at hand. */
  total: number;
  /** Until the encoded picture is at hand. */
  capture: number;
  /** The graph alone. */
  run: number;
}

/** Both warm up in `setup`. */
export interface FloorOrders {
  setup(setup: Setup): Promise<void>;
  round(pictures: number): Promise<PictureTimes[]>;
}

export interface FlowOrders extends FloorOrders {
  /** Feeds so many that the model never waits; seconds from the first trigger to the last prediction. */
  saturate(pictures: number): Promise<number>;
  /** What all rounds, and all saturated ones, did to Node-RED's process. */
  load(): Promise<{ round: Load; saturated: Load }>;
}
