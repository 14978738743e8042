/**
 * Learning and forgetting parts against teaching again: a model that was extended part by part must judge
 * pictures as one does that was taught from all parts at once.
 */
import { BANK_SIZE } from '../../lib/anomaly/method.ts';
import {
  extractFeatures,
  gridOf,
  openSession,
  readBackbone,
  type Features,
} from '../../lib/anomaly/backbone.ts';
import { readFrame } from '../../lib/anomaly/folder-frames.ts';
import { scoreFeatures } from '../../lib/anomaly/heads/head.ts';
import { type Method } from '../../lib/anomaly/method.ts';
import { distancesOf, readMemory } from '../../lib/anomaly/heads/memory.ts';
import { conformalThreshold } from '../../lib/anomaly/p-value.ts';
import { extendTeaching, teachFromFeatures, type Teaching } from '../../lib/anomaly/teaching.ts';
import { decodeRgb } from '../../lib/frame/decode.ts';
import { bytesOf } from '../../lib/frame/frame.ts';
import { resizeRgb } from '../../lib/frame/resize.ts';
import { shared } from '../../test/support/shared.ts';
import type { Figure, Section } from '../figures.ts';
import type { EvalChoice } from './choice.ts';
import { folderSet, sharedSet, SHARED_SETS, type ImageSet } from './image-sets.ts';

const METHODS: readonly Method[] = ['patch-nn', 'z-sum'];
const SIZE = { width: 224, height: 224 };
/** Parts that are learned one by one, as an inspector says "this reject was good", and then forgotten again. */
const CHANGED = 3;
const ALPHA = 0.05;
const GOAL = 0.99;

async function verdicts({ memory, scores }: Teaching, features: readonly Features[]): Promise<boolean[]> {
  const { shape, method, heads, options } = readMemory(memory);
  const ascending = scores.toSorted((one, other) => one - other);
  const threshold = conformalThreshold(ascending, ALPHA) ?? (ascending.at(-1) as number);
  const found = await scoreFeatures(shape, distancesOf(shape, method, heads, options), features);
  return found.map(({ score }) => score > threshold);
}

function countSame(one: readonly boolean[], other: readonly boolean[]): number {
  return one.filter((verdict, index) => verdict === other[index]).length;
}

async function featureReader(): Promise<(paths: readonly string[]) => Promise<Features[]>> {
  const backbone = await readBackbone();
  const session = await openSession(backbone.bytes);
  return async (paths) => {
    const all: Features[] = [];
    for (const path of paths) {
      const frame = await readFrame(path);
      const image = await decodeRgb(await bytesOf(frame), frame.format, frame.width, frame.height);
      const { data } = resizeRgb(image, { ...SIZE, fit: 'stretch' });
      all.push(await extractFeatures(session, backbone, data, SIZE));
    }
    return all;
  };
}

interface Comparison {
  images: number;
  learned: number;
  forgotten: number;
  seconds: number[];
}

async function compare(
  good: Features[],
  tests: Features[],
  method: Method,
  seed: number,
): Promise<Comparison> {
  const backbone = await readBackbone();
  const onProgress = (): void => undefined;
  const teach = (features: Features[]): Promise<Teaching> =>
    teachFromFeatures({
      features,
      grid: gridOf(backbone, SIZE),
      backbone,
      method,
      seed,
      coresetSize: BANK_SIZE,
      onProgress,
    });
  const few = good.slice(0, good.length - CHANGED);
  const [whole, without] = [await teach(good), await teach(few)];
  const seconds: number[] = [];
  const extend = async (from: Teaching, add: Features[], remove: number[]): Promise<Teaching> => {
    const startedAt = performance.now();
    const extended = await extendTeaching({
      memory: from.memory,
      backbone,
      add,
      remove,
      features: good.slice(0, from.scores.length),
      onProgress,
    });
    seconds.push((performance.now() - startedAt) / 1000);
    return extended;
  };
  let learned = without;
  for (const part of good.slice(few.length)) learned = await extend(learned, [part], []);
  let forgotten = whole;
  for (let part = good.length - 1; part >= few.length; part -= 1)
    forgotten = await extend(forgotten, [], [part]);
  return {
    images: tests.length,
    learned: countSame(await verdicts(whole, tests), await verdicts(learned, tests)),
    forgotten: countSame(await verdicts(without, tests), await verdicts(forgotten, tests)),
    seconds,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** `--images` as for pictures: a folder with `train_good`, `test_good` and `test_bad`. */
export async function evaluateIncremental({ images, seed }: EvalChoice): Promise<Section> {
  const folder = shared('data', 'images');
  const sets: ImageSet[] =
    images === undefined ? SHARED_SETS.map(({ name }) => sharedSet(folder, name)) : [await folderSet(images)];
  const read = await featureReader();
  const comparisons = new Map<Method, Comparison[]>(METHODS.map((method) => [method, []]));
  for (const set of sets) {
    const good = await read(set.train_good);
    const tests = await read([...set.test_good, ...set.test_bad]);
    for (const method of METHODS) comparisons.get(method)?.push(await compare(good, tests, method, seed));
  }
  const figures = [...comparisons].flatMap(([method, all]): Figure[] => {
    const tested = sum(all.map((comparison) => comparison.images));
    const share = (of: 'learned' | 'forgotten', what: string): Figure => {
      const same = sum(all.map((comparison) => comparison[of]));
      return {
        id: `incremental.${of}.${method}`,
        value: same / tested,
        unit: '',
        goal: GOAL,
        better: 'higher',
        detail: `${same} of ${tested} verdicts as after teaching again; ${what}; ${sets.map(({ name }) => name).join(', ')}`,
      };
    };
    const seconds = all.flatMap((comparison) => comparison.seconds);
    return [
      share('learned', `${CHANGED} parts learned one by one`),
      share('forgotten', `${CHANGED} parts forgotten one by one`),
      {
        id: `incremental.seconds.${method}`,
        value: sum(seconds) / seconds.length,
        unit: 's',
        goal: null,
        better: 'lower',
        detail: 'mean of one part learned or forgotten, its features at hand',
      },
    ];
  });
  return { title: 'Learning part by part', figures };
}
