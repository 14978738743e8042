/**
 * What the process boundary costs: a 1080p picture through the inference host, and the same work in
 * a straight line in this process, turn by turn, so that both see the same machine. As JPEG and as
 * raw pixels, the latter both ways they can travel: through the pipe, which between Node processes
 * is a pair of Unix sockets, and as a file in shared memory that the host reads.
 *
 *     node bench/inference.ts [--model FILE] [--rounds N] [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { decodeRgb } from '../lib/frame/decode.ts';
import { bytesOf, Frame } from '../lib/frame/frame.ts';
import { SlotPool } from '../lib/frame/slots.ts';
import { acquireHost, type LoadedModel } from '../lib/inference/host/host.ts';
import { readModel } from '../lib/inference/model/model.ts';
import { GraphSession } from '../lib/inference/graph/session.ts';
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

const SIZE = { width: WIDTH, height: HEIGHT };

interface Way {
  id: string;
  what: string;
  /** Of the p50; null where it is for comparison. */
  goal: number | null;
  /** One of its own each time: the host decodes a frame it knows only once. */
  next: () => Frame;
}

/** A picture with structure everywhere, so that the JPEG is as large as a camera's (about 0.6 MB). */
async function ways(pool: SlotPool): Promise<Way[]> {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 3);
  let noise = 1;
  for (let i = 0; i < pixels.length; i += 1) {
    noise = (Math.imul(noise, 1_103_515_245) + 12_345) >>> 0;
    pixels[i] = 96 + ((i >> 7) % 64) + (noise >>> 27);
  }
  const jpeg = await sharp(pixels, { raw: { ...SIZE, channels: 3 } })
    .jpeg({ quality: 85 })
    .toBuffer();
  const slot = await pool.take();
  writeFileSync(slot.path, pixels);
  const shared = pool.filled(slot, { length: pixels.length, sha256: '' });
  const raw = { ...SIZE, format: 'rgb', source: 'bench' } as const;
  return [
    { id: 'jpeg', what: 'JPEG, pipe', goal: 1.05, next: () => new Frame(jpeg, { ...raw, format: 'jpeg' }) },
    { id: 'raw', what: 'raw, shared memory', goal: 1.15, next: () => new Frame(shared, raw) },
    { id: 'rawPiped', what: 'raw, pipe', goal: null, next: () => new Frame(pixels, raw) },
  ];
}

interface Times {
  hosted: number[];
  straight: number[];
}

/** The straight line has the bytes at hand: what it takes to get them there is the host's cost. */
async function turnByTurn(model: LoadedModel, session: GraphSession, { next }: Way): Promise<Times> {
  const sample = next();
  const bytes = await bytesOf(sample);
  const reuse = Buffer.allocUnsafeSlow(WIDTH * HEIGHT * 3);
  const times: Times = { hosted: [], straight: [] };
  for (let round = -WARM_ROUNDS; round < rounds; round += 1) {
    const started = performance.now();
    await model.run(next());
    const between = performance.now();
    await session.run(await decodeRgb(bytes, sample.format, WIDTH, HEIGHT, reuse));
    if (round < 0) continue;
    times.hosted.push(between - started);
    times.straight.push(performance.now() - between);
  }
  return times;
}

/** Event-loop delay of this process; the straight line holds the loop, so it is measured without. */
async function loopDelay(model: LoadedModel, { next }: Way): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  for (let round = 0; round < rounds; round += 1) await model.run(next());
  delay.disable();
  return delay.percentile(99) / 1e6;
}

const rounds = Number(values.rounds);
const source = await readModel(values.model);
const options = { providers: ['cpu'], strict: false, head: { task: 'detect' as const }, input: {} };
const host = acquireHost('cpu');
const model = await host.load(source, options);
const session = await GraphSession.load(source.bytes, options, 'cpu');
const pool = new SlotPool();

const figures: Figure[] = [];
for (const way of await ways(pool)) {
  const { hosted, straight } = await turnByTurn(model, session, way);
  for (const share of [0.5, 0.99]) {
    const [through, inProcess] = [quantile(hosted, share), quantile(straight, share)];
    figures.push({
      id: `inference.${way.id}.ratio.p${share * 100}`,
      value: through / inProcess,
      unit: '×',
      goal: share === 0.5 ? way.goal : null,
      better: 'lower',
      detail: `${way.what}: ${through.toFixed(1)} ms through the host, ${inProcess.toFixed(1)} ms in a straight line`,
    });
  }
  figures.push({
    id: `inference.${way.id}.loopDelay.p99`,
    value: await loopDelay(model, way),
    unit: 'ms',
    goal: way.goal === null ? null : 5,
    better: 'lower',
    detail: 'event loop of this process while the host runs',
  });
}
pool.close();
await host.release();
await session.release();
report(`${source.name}, ${WIDTH} × ${HEIGHT}, ${rounds} rounds each`, figures, values.json);
