/** What the bench says to the processes that do the work. */

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

export type Order = { order: 'setup'; setup: Setup } | { order: 'round'; parts: number } | { order: 'stop' };

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

export type Answer =
  | { answer: 'ready' }
  | { answer: 'round'; parts: PartTimes[]; loopDelayP99: number }
  | { answer: 'failed'; reason: string };

/** Answers the parent's orders one after the other. */
export function serve(
  setup: (setup: Setup) => Promise<void>,
  part: () => Promise<PartTimes>,
  loopDelay: {
    reset(): void;
    p99(): number;
  },
): void {
  const tell = (answer: Answer): void => void process.send?.(answer);
  process.on('message', (order: Order) => {
    void (async () => {
      if (order.order === 'stop') process.exit(0);
      if (order.order === 'setup') {
        await setup(order.setup);
        tell({ answer: 'ready' });
        return;
      }
      loopDelay.reset();
      const parts: PartTimes[] = [];
      for (let index = 0; index < order.parts; index += 1) parts.push(await part());
      tell({ answer: 'round', parts, loopDelayP99: loopDelay.p99() });
    })().catch((error: unknown) => {
      tell({
        answer: 'failed',
        reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    });
  });
  process.on('disconnect', () => process.exit(0));
}
