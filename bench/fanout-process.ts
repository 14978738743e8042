/** A flow with one camera and some branches, for as long as asked: `fanout-process.ts FILE BRANCHES SECONDS`. */
import { setTimeout as wait } from 'node:timers/promises';
import { EmbeddedNodeRed } from './embedded.ts';

export interface Phase {
  frames: number;
  /** Processor time of the main thread for each frame, in milliseconds. */
  mainMs: number;
  /** Megabytes, a sample a second. */
  rss: number[];
}

/** Frames before the measuring begins. */
const WARM_FRAMES = 60;

async function run(file: string, branches: number, seconds: number): Promise<Phase> {
  const ids = Array.from({ length: branches }, (_, index) => `branch${index}`);
  const red = new EmbeddedNodeRed([
    {
      id: 'camera',
      type: 'camera-capture',
      source: 'video',
      file,
      videoMode: 'cycle',
      trigger: 'frame',
      health: false,
      wires: [ids],
    },
    ...ids.map((id) => ({
      id,
      type: 'change',
      rules: [{ t: 'set', p: 'branch', to: id }],
      wires: [['end']],
    })),
    { id: 'end', type: 'junction', wires: [[]] },
  ]);
  let received = 0;
  red.onReceive('end', () => (received += 1));
  await red.start();
  while (received < branches * WARM_FRAMES) await wait(100);

  received = 0;
  const before = process.threadCpuUsage();
  const rss: number[] = [];
  for (let second = 0; second < seconds; second += 1) {
    await wait(1000);
    rss.push(process.memoryUsage.rss() / 1e6);
  }
  const { user, system } = process.threadCpuUsage(before);
  const frames = received / branches;
  return { frames, mainMs: (user + system) / 1000 / frames, rss };
}

const [file = '', branches, seconds] = process.argv.slice(2);
process.send?.(await run(file, Number(branches), Number(seconds)));
