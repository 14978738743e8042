/**
 * What teaching costs, through the teaching process as on the gateway: seconds for 20, 100 and 1 000 parts,
 * seconds to learn one more, and the memory of the process.
 */
import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { framesOf, readFrame } from '../../lib/anomaly/folder-frames.ts';
import { learn } from '../../lib/anomaly/learn.ts';
import { teach, type TeachOptions } from '../../lib/anomaly/teach.ts';
import { decodeRgb } from '../../lib/frame/decode.ts';
import { bytesOf, Frame } from '../../lib/frame/frame.ts';
import { seededRandom } from '../../lib/statistics/random.ts';
import { shared } from '../../test/support/shared.ts';
import type { Figure, Section } from '../figures.ts';
import type { EvalChoice } from './choice.ts';
import { folderSet, sharedSet } from './image-sets.ts';

/** Seconds a lesson of so many parts may take. */
const GOALS: Readonly<Record<number, number | null>> = { 20: null, 100: 60, 1000: null };
/** What a newcomer gets first, which the goal is of. */
const METHODS = ['auto', 'patch-nn'] as const;
const NOISE_LEVELS = 6;

/** As many different parts as asked for: the pictures, and the same again under fresh noise and light. */
async function* partsOf(paths: readonly string[], count: number, seed: number): AsyncGenerator<Frame> {
  yield* framesOf(paths.slice(0, count));
  const random = seededRandom(seed);
  for (let made = paths.length; made < count; made += 1) {
    const original = await readFrame(paths[made % paths.length] as string);
    const { data, width, height } = await decodeRgb(await bytesOf(original), original.format);
    const light = 1 + 0.08 * random.normal();
    const pixels = data.map((value) =>
      Math.max(0, Math.min(255, Math.round(value * light + NOISE_LEVELS * (2 * random.uniform() - 1)))),
    );
    yield new Frame(Buffer.from(pixels), { width, height, format: 'rgb', source: `part ${made}` });
  }
}

/** Most memory the process had, in MB; NaN where the system does not say. */
async function peakMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? NaN) / 1024;
}

async function timed(
  action: (watch: Pick<TeachOptions, 'onProcess' | 'onProgress'>) => Promise<unknown>,
): Promise<{ seconds: number; megabytes: number }> {
  let pid = 0;
  let megabytes = NaN;
  let measuring = Promise.resolve();
  const look = async (): Promise<void> => {
    const now = await peakMegabytes(pid);
    if (!Number.isNaN(now)) megabytes = now;
  };
  const startedAt = performance.now();
  await action({
    onProcess: (started) => (pid = started),
    onProgress: () => {
      measuring = measuring.then(look);
    },
  });
  const seconds = (performance.now() - startedAt) / 1000;
  await measuring;
  return { seconds, megabytes };
}

export async function evaluateTeaching({ images: path, seed }: EvalChoice): Promise<Section> {
  const set = path === undefined ? sharedSet(shared('data', 'images'), 'cubes') : await folderSet(path);
  // Time only: whether the set tests with these parts elsewhere does not matter here.
  const paths = [...set.train_good, ...set.test_good];
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-eval-'));
  const figures: Figure[] = [];
  try {
    const lessons = Object.entries(GOALS).flatMap(([parts, goal]) =>
      METHODS.map((method) => ({ parts, goal: method === 'auto' ? goal : null, method })),
    );
    for (const { parts, goal, method } of lessons) {
      const options = { folder, name: `${method} of ${parts}`, seed, method, leaveOut: [] };
      const lesson = await timed((watch) =>
        teach({ frames: partsOf(paths, Number(parts), seed), ...options, ...watch }),
      );
      figures.push({
        id: `teach.lesson.seconds.${parts}${method === 'auto' ? '' : `.${method}`}`,
        value: lesson.seconds,
        unit: 's',
        goal,
        better: 'lower',
        detail: `end to end; the teaching process had ${lesson.megabytes.toFixed(0)} MB at most`,
      });
    }
    const [bad = ''] = set.test_bad;
    const frame = await readFrame(bad);
    const add = [{ label: 'good', frame } as const];
    const change = { folder, name: 'auto of 100', actor: 'eval', reason: 'measured' };
    const one = await timed((watch) => learn({ ...change, add, ...watch }));
    figures.push({
      id: 'learn.seconds.100',
      value: one.seconds,
      unit: 's',
      goal: null,
      better: 'lower',
      detail: `one part more for a model of 100; the process had ${one.megabytes.toFixed(0)} MB at most`,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { title: 'Teaching', figures };
}
