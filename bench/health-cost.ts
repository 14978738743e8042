/** What measuring the health of a 1080p frame costs, and how much of it the event loop pays. */
import { writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { Baseline } from '../lib/frame/baseline.ts';
import { BaselineLearner } from '../lib/frame/baseline-learner.ts';
import { decodeRgb } from '../lib/frame/decode.ts';
import { bytesOf, Frame } from '../lib/frame/frame.ts';
import { HealthMeter } from '../lib/frame/health.ts';
import { measurePixels, type Pixels } from '../lib/frame/luminance.ts';
import { SlotPool } from '../lib/frame/slots.ts';
import { quantile, type Figure } from './figures.ts';

const WIDTH = 1920;
const HEIGHT = 1080;
const ROUNDS = 200;
const LEARN = 20;
const MOST_MS = 1;

/** A scene with noise in it, so that the JPEG has the size a camera gives it. */
async function scene(seed: number): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 128, sigma: 12 } as const;
  const { data } = await sharp({
    create: { width: WIDTH, height: HEIGHT, channels: 3, background: '#000', noise },
  })
    .composite([
      {
        input: { create: { width: 600, height: 400, channels: 3, background: '#c84' } },
        left: 200,
        top: 100,
      },
      {
        input: { create: { width: 300, height: 500, channels: 3, background: '#248' } },
        left: 1100 + seed,
        top: 300,
      },
    ])
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return data;
}

interface Times {
  wallMs: number[];
  /** Mean processor time of the main thread: the kernel counts it too coarsely for one round. */
  mainMs: number;
}

async function times(action: (round: number) => unknown): Promise<Times> {
  for (let i = 0; i < LEARN; i += 1) await action(i);
  const wallMs: number[] = [];
  const before = process.threadCpuUsage();
  for (let i = 0; i < ROUNDS; i += 1) {
    const startedAt = performance.now();
    await action(i);
    wallMs.push(performance.now() - startedAt);
  }
  const { user, system } = process.threadCpuUsage(before);
  return { wallMs, mainMs: (user + system) / 1000 / ROUNDS };
}

/** The median where there is one time for each round. */
function figure(
  id: string,
  ms: readonly number[] | number,
  detail: string,
  goal: number | null = null,
): Figure {
  return {
    id: `health.cost.${id}`,
    value: typeof ms === 'number' ? ms : quantile(ms, 0.5),
    unit: 'ms',
    goal,
    better: 'lower',
    detail: typeof ms === 'number' ? detail : `${detail}; p99 ${quantile(ms, 0.99).toFixed(2)} ms`,
  };
}

/** The measuring itself, shift included, on pixels that are decoded already. */
async function measuring(pixels: Pixels): Promise<Times> {
  const learner = new BaselineLearner(LEARN);
  let baseline: Baseline | undefined;
  for (let i = 0; i < LEARN; i += 1) {
    baseline = learner.add(pixels.width, pixels.height, measurePixels(pixels), false);
  }
  if (baseline === undefined) throw new Error('no baseline was learned');
  const learned = baseline;
  return times(() => {
    const { luminance, thumbnail } = measurePixels(pixels);
    return learned.judge({ luminance, shift: learned.shiftOf(thumbnail), frozen: false });
  });
}

function whole(id: string, { wallMs, mainMs }: Times, what: string): Figure[] {
  return [
    figure(`${id}.whole`, wallMs, `${what}: from the frame to its health`),
    figure(`${id}.mainThread`, mainMs, `${what}: mean processor time of the main thread in it`),
  ];
}

export async function costFigures(): Promise<Figure[]> {
  const rgb = await scene(0);
  const grey = rgb.filter((_, i) => i % 3 === 1);
  const jpegs = await Promise.all(
    [0, 2].map(async (seed) =>
      sharp(await scene(seed), { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
        .jpeg({ quality: 90 })
        .toBuffer(),
    ),
  );
  const jpeg = jpegs[0] as Buffer;
  const size = { width: WIDTH, height: HEIGHT };
  const reuse = Buffer.alloc(rgb.length);
  const figures = [
    figure(
      'measuring.gray',
      (await measuring({ data: grey, channels: 1, ...size })).mainMs,
      'decoded luminance → all measures, shift and findings; processor time, mean',
      MOST_MS,
    ),
    figure('measuring.rgb', (await measuring({ data: rgb, channels: 3, ...size })).mainMs, 'the same of RGB'),
    figure(
      'decode.jpeg',
      (await times(() => decodeRgb(jpeg, 'jpeg', WIDTH, HEIGHT, reuse))).wallMs,
      `${Math.round(jpeg.length / 1024)} kB, in a thread of the codec`,
    ),
  ];
  const pool = new SlotPool();
  try {
    const slot = await pool.take();
    await writeFile(slot.path, rgb);
    const sha256 = createHash('sha256').update(rgb).digest('hex');
    const pixels = pool.filled(slot, { length: rgb.length, sha256 });
    const raw = new Frame(pixels, { ...size, format: 'rgb', source: 'bench' });
    figures.push(
      figure('read.raw', (await times(() => bytesOf(raw))).wallMs, '6 MB out of shared memory, in a thread'),
    );
    const rawMeter = new HealthMeter();
    figures.push(...whole('raw', await times(() => rawMeter.measure(raw)), 'RGB in shared memory'));
    await rawMeter.close();
  } finally {
    pool.close();
  }
  const frames = jpegs.map((bytes) => new Frame(bytes, { ...size, format: 'jpeg', source: 'bench' }));
  const meter = new HealthMeter();
  figures.push(
    ...whole('jpeg', await times((round) => meter.measure(frames[round % 2] as Frame)), '1080p JPEG'),
  );
  await meter.close();
  return figures;
}
