/**
 * What turning, masking, cutting and encoding one 1080p frame costs: the time until it is there, and
 * how long of that the event loop was not idle, garbage collection and waiting for a core included.
 * On a machine that others use too, the mean processor time of the main thread says more.
 *
 *     node bench/view.ts [--rounds N] [--json FILE]
 */
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import type { Point } from '../lib/frame/polygon.ts';
import type { Region } from '../lib/frame/region.ts';
import { View, type SourceImage, type ViewOptions } from '../lib/frame/view.ts';
import { quantile, report, type Figure } from './figures.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '100' }, json: { type: 'string' } },
});
const rounds = Number(values.rounds);

const WIDTH = 1920;
const HEIGHT = 1080;
const WARM_ROUNDS = 5;
/** Wanted of the main thread, per frame and in the median. */
const MAIN_MS = 1;

/** A picture with structure everywhere, so that the JPEG is as large as a camera's (about 0.6 MB). */
function picture(): Buffer {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 3);
  let noise = 1;
  for (let i = 0; i < pixels.length; i += 1) {
    noise = (Math.imul(noise, 1_103_515_245) + 12_345) >>> 0;
    pixels[i] = 96 + ((i >> 7) % 64) + (noise >>> 27);
  }
  return pixels;
}

function rectangle(x: number, y: number, width: number, height: number): Point[] {
  return [
    [x, y],
    [x + width, y],
    [x + width, y + height],
    [x, y + height],
  ];
}

/** A ragged outline over nearly the whole picture, with as many corners as may be drawn by hand. */
const outline: Point[] = Array.from({ length: 40 }, (_, step) => {
  const angle = (step / 40) * 2 * Math.PI;
  const reach = step % 2 === 0 ? 0.98 : 0.85;
  return [(WIDTH / 2) * (1 + reach * Math.cos(angle)), (HEIGHT / 2) * (1 + reach * Math.sin(angle))];
});

const part = (name: string, points: readonly Point[]): Region => ({ name, kind: 'part', points });
const quarters = [0, 1, 2, 3].map((n) =>
  part(`quarter ${n}`, rectangle((n % 2) * 960, n < 2 ? 0 : 540, 960, 540)),
);

const views: Record<string, Partial<ViewOptions>> = {
  rotate90: { rotate: 90 },
  rotate180: { rotate: 180 },
  flip: { flip: 'horizontal' },
  mask: { regions: [{ name: '', kind: 'mask', points: outline }] },
  rectangle: { regions: [part('left', rectangle(0, 0, 960, 1080))] },
  polygon: { regions: [part('most', outline)] },
  quarters: { regions: quarters },
  turnedMask: { rotate: 180, regions: [{ name: '', kind: 'mask', points: outline }] },
  jpeg: { encode: 'jpeg' },
  webp: { encode: 'webp' },
  png: { encode: 'png' },
};

const pixels = picture();
const jpeg = await sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
  .jpeg({ quality: 85 })
  .toBuffer();

/** One for all rounds of a view: what it paints black stays so, and takes as long again. */
const size = { width: WIDTH, height: HEIGHT };
const sources: Record<string, () => SourceImage> = {
  fromJpeg: () => ({ ...size, bytes: jpeg, format: 'jpeg' }),
  fromRaw: () => ({ ...size, bytes: Buffer.from(pixels), format: 'rgb', writable: true }),
};

const figures: Figure[] = [];
for (const [from, source] of Object.entries(sources)) {
  for (const [name, options] of Object.entries(views)) {
    const view = new View({
      ...{ rotate: 0, flip: 'none', regions: [], encode: 'captured', quality: 85 },
      ...options,
    });
    const image = source();
    const wall: number[] = [];
    const main: number[] = [];
    let cpuMs = 0;
    let bytesOut = 0;
    for (let round = -WARM_ROUNDS; round < rounds; round += 1) {
      await setImmediate();
      const cpuBefore = process.threadCpuUsage();
      const before = performance.eventLoopUtilization();
      const started = performance.now();
      const viewed = await view.apply(image);
      const elapsed = performance.now() - started;
      const { active } = performance.eventLoopUtilization(before);
      const cpu = process.threadCpuUsage(cpuBefore);
      if (round < 0) continue;
      cpuMs += (cpu.user + cpu.system) / 1000 / rounds;
      wall.push(elapsed);
      main.push(active);
      bytesOut = viewed.reduce((sum, one) => sum + ('error' in one ? 0 : one.bytes.length), 0);
    }
    const id = `view.${name}.${from}`;
    const common = { unit: 'ms', goal: null, better: 'lower' } as const;
    const p99 = `p99 ${quantile(wall, 0.99).toFixed(1)} ms, ${(bytesOut / 1e6).toFixed(2)} MB out`;
    figures.push({ ...common, id: `${id}.p50`, value: quantile(wall, 0.5), detail: p99 });
    const detail = `event loop busy, p99 ${quantile(main, 0.99).toFixed(2)} ms; processor time in the mean ${cpuMs.toFixed(2)} ms`;
    figures.push({ ...common, id: `${id}.main`, value: quantile(main, 0.5), goal: MAIN_MS, detail });
  }
}
report(`One 1080p frame through a view, ${rounds} rounds`, figures, values.json);
