/**
 * What the process boundary costs: one 1080p JPEG through the inference host, and the same work in
 * a straight line in this process, turn by turn, so that both see the same machine.
 *
 *     node bench/inference.ts [--model FILE] [--rounds N] [--json FILE]
 */
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { bytesOf, Frame } from '../lib/frame/frame.ts';
import { acquireHost } from '../lib/inference/host.ts';
import { readModel } from '../lib/inference/model.ts';
import { GraphSession } from '../lib/inference/session.ts';
import { quantile, report, type Figure } from './figures.ts';

const { values } = parseArgs({
  options: {
    model: {
      type: 'string',
      default: join(import.meta.dirname, '..', '..', 'shared', 'data', 'models', 'yolox_nano.onnx'),
    },
    rounds: { type: 'string', default: '200' },
    json: { type: 'string' },
  },
});

const WIDTH = 1920;
const HEIGHT = 1080;
const WARM_ROUNDS = 20;

/** A picture with structure everywhere, so that the JPEG is as large as a camera's (about 0.6 MB). */
async function picture(): Promise<Frame> {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 3);
  let noise = 1;
  for (let i = 0; i < pixels.length; i += 1) {
    noise = (Math.imul(noise, 1_103_515_245) + 12_345) >>> 0;
    pixels[i] = 96 + ((i >> 7) % 64) + (noise >>> 27);
  }
  const raw = { width: WIDTH, height: HEIGHT, channels: 3 } as const;
  const jpeg = await sharp(pixels, { raw }).jpeg({ quality: 85 }).toBuffer();
  return new Frame(jpeg, { width: WIDTH, height: HEIGHT, format: 'jpeg', source: 'bench' });
}

const frame = await picture();
const source = await readModel(values.model);
const options = { providers: ['cpu'], strict: false, head: { task: 'detect' as const }, input: {} };
const host = acquireHost('cpu');
const model = await host.load(source, options);
const session = await GraphSession.load(source.bytes, options, 'cpu');

const rounds = Number(values.rounds);
const hosted: number[] = [];
const straight: number[] = [];
for (let round = -WARM_ROUNDS; round < rounds; round += 1) {
  const started = performance.now();
  await model.run(frame);
  const between = performance.now();
  await session.run(await bytesOf(frame), frame.format, frame.width, frame.height);
  if (round < 0) continue;
  hosted.push(between - started);
  straight.push(performance.now() - between);
}

// the straight line holds the loop, so what the host leaves of it is measured without
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
for (let round = 0; round < rounds; round += 1) await model.run(frame);
delay.disable();
await host.release();
await session.release();

const figures = [0.5, 0.99].map((share): Figure => {
  const [through, inProcess] = [quantile(hosted, share), quantile(straight, share)];
  return {
    id: `inference.ratio.p${share * 100}`,
    value: through / inProcess,
    unit: '×',
    goal: 1.1,
    better: 'lower',
    detail: `${through.toFixed(1)} ms through the host, ${inProcess.toFixed(1)} ms in a straight line`,
  };
});
const held = delay.percentile(99) / 1e6;
figures.push({
  id: 'inference.loopDelay.p99',
  value: held,
  unit: 'ms',
  goal: 5,
  better: 'lower',
  detail: 'event loop of this process while the host runs',
});
report(
  `${source.name}, ${WIDTH} × ${HEIGHT} JPEG of ${frame.byteLength} bytes, ${rounds} rounds`,
  figures,
  values.json,
);
