/**
 * What each queue policy does when pictures come twice as fast as the model answers. A result's age
 * counts from the moment its picture came; the period is the time between two results under that
 * load. A picture that comes just after a run has begun waits for it and then takes a run itself, so
 * two periods are the least that `latest-wins` can promise.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asCodedError } from '../lib/errors.ts';
import { bytesOf, Frame } from '../lib/frame/frame.ts';
import { acquireHost, type LoadedModel } from '../lib/inference/host/host.ts';
import { readModel } from '../lib/inference/model/model.ts';
import type { QueuePolicy } from '../lib/inference/host/queue.ts';
import { quantile, type Figure, type Section } from './figures.ts';
import { yolov8n } from './nets.ts';
import { drawPictures } from './pictures.ts';

const POLICIES: readonly QueuePolicy[] = ['latest-wins', 'drop-oldest', 'block'];
const WARM_PICTURES = 10;
const CAPACITY_PICTURES = 30;
const OVERLOAD = 2;

interface Outcome {
  /** Milliseconds of each result. */
  ages: number[];
  /** Milliseconds between two results. */
  period: number;
  dropped: number;
  refused: number;
}

/** A camera's next picture: the same pixels, but a frame of its own, that nobody has decoded yet. */
type Source = () => Frame;

/** Milliseconds a picture takes when it never waits, p50. */
async function serviceTime(model: LoadedModel, next: Source): Promise<number> {
  const times: number[] = [];
  for (let index = -WARM_PICTURES; index < CAPACITY_PICTURES; index += 1) {
    const startedAt = performance.now();
    await model.run(next());
    if (index >= 0) times.push(performance.now() - startedAt);
  }
  return quantile(times, 0.5);
}

async function overload(
  model: LoadedModel,
  next: Source,
  { intervalMs, count }: { intervalMs: number; count: number },
): Promise<Outcome> {
  const outcome: Outcome = { ages: [], period: NaN, dropped: 0, refused: 0 };
  const look = async (frame: Frame): Promise<void> => {
    const cameAt = performance.now();
    try {
      await model.run(frame);
      outcome.ages.push(performance.now() - cameAt);
    } catch (error) {
      const { code } = asCodedError(error);
      if (code === 'FRAME_DROPPED') outcome.dropped += 1;
      else if (code === 'QUEUE_FULL') outcome.refused += 1;
      else throw error;
    }
  };
  const startedAt = performance.now();
  const looks: Promise<void>[] = [];
  for (let index = 0; index < count; index += 1) {
    await sleep(Math.max(0, startedAt + index * intervalMs - performance.now()));
    looks.push(look(next()));
  }
  await Promise.all(looks);
  outcome.period = (performance.now() - startedAt) / outcome.ages.length;
  return outcome;
}

function figuresOf(policy: QueuePolicy, { ages, period, dropped, refused }: Outcome): Figure[] {
  const outcomes = `${ages.length} results, ${dropped} dropped, ${refused} refused`;
  return [0.5, 0.99].map((share) => ({
    id: `overload.${policy}.age.p${share * 100}`,
    value: quantile(ages, share),
    unit: 'ms',
    goal: policy === 'latest-wins' && share === 0.99 ? Math.round(2 * period) : null,
    better: 'lower',
    detail: `${(quantile(ages, share) / period).toFixed(2)} periods of ${period.toFixed(1)} ms; ${outcomes}`,
  }));
}

/** @param pictures sent under each policy */
export async function measureOverload({ parts: pictures = 300 }: { parts?: number }): Promise<Section> {
  const home = mkdtempSync(join(tmpdir(), 'jidoka-bench-'));
  const host = acquireHost('cpu');
  try {
    const [picture] = await drawPictures(join(home, 'images'), 1);
    const jpeg = await bytesOf(picture as Frame);
    const { width, height, format, source } = picture as Frame;
    const next: Source = () => new Frame(jpeg, { width, height, format, source });
    const net = yolov8n();
    const file = join(home, `${net.name}.onnx`);
    writeFileSync(file, net.bytes);
    const model = await readModel(file);
    const figures: Figure[] = [];
    let service = NaN;
    for (const queue of POLICIES) {
      const loaded = await host.load(model, { providers: ['cpu'], head: net.head, queue });
      service = await serviceTime(loaded, next);
      const sent = { intervalMs: service / OVERLOAD, count: pictures };
      figures.push(...figuresOf(queue, await overload(loaded, next, sent)));
      await loaded.close();
    }
    const rate = ((OVERLOAD * 1000) / service).toFixed(1);
    return { title: `1080p JPEG into ${net.name} at twice what it can do (${rate} a second)`, figures };
  } finally {
    await host.release();
    rmSync(home, { recursive: true, force: true });
  }
}
