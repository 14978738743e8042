/** What the bench of the anomaly flow says to the two processes that do the work. */
import type { Load } from './process-load.ts';

/** Parts before the first that counts. */
export const WARM_PARTS = 20;

export interface Setup {
  /** 1080p JPEG files, shown in turn. */
  imageFolder: string;
  /** Folder of the taught model. */
  modelFolder: string;
  /** Path of its graph. */
  graph: string;
  opcuaUrl: string;
  tag: string;
  /** Where the flow keeps its journal. */
  stationFolder: string;
}

/** Milliseconds of one part. */
export interface PartTimes {
  total: number;
  /** From the trigger until the encoded picture is at hand. */
  capture: number;
  /** To the model's process and back, waiting included. */
  pipe: number;
  decode: number;
  resize: number;
  run: number;
  /** The command: in the flow its journal entry and its checks too; on the floor the bare write and read. */
  act: number;
}

export interface FloorOrders {
  setup(setup: Setup): Promise<void>;
  round(parts: number): Promise<PartTimes[]>;
}

export interface FlowOrders extends FloorOrders {
  /** What all rounds did to Node-RED's process. */
  load(): Promise<Load>;
}

/** The same work, part after part. */
export async function inTurn<Part>(parts: number, work: () => Promise<Part>): Promise<Part[]> {
  const done: Part[] = [];
  for (let index = 0; index < parts; index += 1) done.push(await work());
  return done;
}
