/**
 * What aligning is worth to a method that compares each place with the same place of good parts: pictures
 * that were moved and turned by chance, taught and told apart with and without, beside the same pictures as
 * they came. And what it costs.
 */
import { BANK_SIZE } from '../../lib/anomaly/method.ts';
import { readFileSync } from 'node:fs';
import { drawReference } from '../../lib/frame/align-reference.ts';
import { Aligner, type AlignLimits } from '../../lib/frame/align.ts';
import { decodeRgb, type RgbImage } from '../../lib/frame/decode.ts';
import { grayOf } from '../../lib/frame/gray-pyramid.ts';
import { formatOf } from '../../lib/frame/probe.ts';
import { resizeRgb } from '../../lib/frame/resize.ts';
import { AT_REST, type Similarity } from '../../lib/frame/similarity.ts';
import { extractFeatures, openSession, readBackbone, type Features } from '../../lib/anomaly/backbone.ts';
import { teachFromFeatures } from '../../lib/anomaly/teaching.ts';
import { preparePicture } from '../../lib/inference/graph/prepare.ts';
import type { InputRecipe } from '../../lib/inference/graph/input.ts';
import { GraphSession } from '../../lib/inference/graph/session.ts';
import { auroc } from '../../lib/statistics/auroc.ts';
import { seededRandom } from '../../lib/statistics/random.ts';
import { drawPart, type DefectKind } from '../../plant/part-image.ts';
import { inner, moved } from '../../test/support/moved.ts';
import { shared } from '../../test/support/shared.ts';
import { quantile, type Figure, type Section } from '../figures.ts';
import type { EvalChoice } from './choice.ts';
import { sharedSet } from './image-sets.ts';

const LIMITS: AlignLimits = { maxShift: 0.12, maxAngle: 12 };
/** Of each side, and in degrees, both ways. */
const MOST_SHIFT = 0.06;
const MOST_ANGLE = 8;
const PARTS = { train: 24, good: 20, bad: 20 };
/** Of the cookies, and of the cracks, of which 224 pixels show too little. */
const RESOLUTIONS = { cookies: 224, cracks: 320 };
/** Of each side, cut off after moving: what comes into the picture there is real. */
const MARGIN = 0.1;
/** Parts a reference is drawn from. */
const REFERENCE_PARTS = 10;
/** What moving may cost where it is undone. */
const MOST_LOSS = 0.03;

interface Pictures {
  name: keyof typeof RESOLUTIONS;
  train: RgbImage[];
  good: RgbImage[];
  bad: RgbImage[];
}

type Recipe = Pick<InputRecipe, 'width' | 'height' | 'fit' | 'align'>;

interface Outcome {
  auroc: number;
  lost: number;
  /** Preparing one picture, ms. */
  ms: number[];
}

async function read(path: string): Promise<RgbImage> {
  const bytes = readFileSync(path);
  return decodeRgb(bytes, formatOf(bytes) ?? 'jpeg');
}

async function cookies(): Promise<Pictures> {
  const set = sharedSet(shared('data', 'images'), 'cookies');
  const some = (paths: string[], count: number): Promise<RgbImage[]> =>
    Promise.all(paths.slice(0, count).map(read));
  return {
    name: 'cookies',
    train: await some(set.train_good, PARTS.train),
    good: await some(set.test_good, PARTS.good),
    bad: await some(set.test_bad, PARTS.bad),
  };
}

function drawn(seed: number): Pictures {
  const draw = (count: number, offset: number, defect: DefectKind | null): RgbImage[] =>
    Array.from({ length: count }, (_, index) => {
      const size = { width: 640, height: 480, ...(defect === null ? {} : { severity: 1 }) };
      const { rgb, width, height } = drawPart({ seed: seed * 1000 + offset + index, defect, ...size });
      return { data: rgb, width, height };
    });
  return {
    name: 'cracks',
    train: draw(PARTS.train, 0, null),
    good: draw(PARTS.good, 100, null),
    bad: draw(PARTS.bad, 200, 'crack'),
  };
}

function cut(picture: RgbImage): RgbImage {
  return inner(picture, Math.round(MARGIN * picture.width), Math.round(MARGIN * picture.height));
}

function shaken({ name, train, good, bad }: Pictures, seed: number): Pictures {
  const random = seededRandom(seed);
  const both = (most: number): number => most * (2 * random.uniform() - 1);
  const shake = (picture: RgbImage): RgbImage => {
    const place: Similarity = {
      ...AT_REST,
      x: both(MOST_SHIFT * picture.width),
      y: both(MOST_SHIFT * picture.height),
      angle: both(MOST_ANGLE),
    };
    return cut(moved(picture, place));
  };
  return { name, train: train.map(shake), good: good.map(shake), bad: bad.map(shake) };
}

async function outcome({ train, good, bad }: Pictures, recipe: Recipe, seed: number): Promise<Outcome> {
  const backbone = await readBackbone();
  const session = await openSession(backbone.bytes);
  const { width, height } = recipe;
  const grid = { columns: width / backbone.stride, rows: height / backbone.stride };
  const features: Features[] = [];
  const ms: number[] = [];
  for (const picture of train) {
    const begun = performance.now();
    const { data } = await preparePicture(picture, recipe);
    ms.push(performance.now() - begun);
    features.push(await extractFeatures(session, backbone, data, { width, height }));
  }
  await session.release();
  const method = 'position-nn';
  const { graph } = await teachFromFeatures({
    features,
    grid,
    backbone,
    method,
    seed,
    coresetSize: BANK_SIZE,
    onProgress: () => undefined,
  });
  const request = {
    providers: ['cpu'],
    strict: false,
    head: { task: 'anomaly-map' },
    input: recipe,
  } as const;
  const scorer = await GraphSession.load(graph, request, 'cpu');
  let lost = 0;
  const scoresOf = async (pictures: RgbImage[]): Promise<number[]> => {
    const scores: number[] = [];
    for (const picture of pictures) {
      const { results } = await scorer.run(picture);
      scores.push(Number(results[0]?.prediction['score']));
      if (results[0]?.alignment?.lost === true) lost += 1;
    }
    return scores;
  };
  const goodScores = await scoresOf(good);
  const badScores = await scoresOf(bad);
  await scorer.release();
  return { auroc: auroc(goodScores, badScores), lost, ms };
}

async function evaluateSet(pictures: Pictures, seed: number): Promise<Figure[]> {
  const side = RESOLUTIONS[pictures.name];
  const plain: Recipe = { width: side, height: side, fit: 'stretch' };
  const shook = shaken(pictures, seed);
  const reference = await drawReference(shook.train.slice(0, REFERENCE_PARTS), LIMITS);
  const align = { reference, ...LIMITS };
  const { name, train, good, bad } = pictures;
  const cutOut = { name, train: train.map(cut), good: good.map(cut), bad: bad.map(cut) };
  const still = await outcome(cutOut, plain, seed);
  const without = await outcome(shook, plain, seed);
  const aligned = await outcome(shook, { ...plain, align }, seed);
  const parts = pictures.good.length + pictures.bad.length;
  const figure = (id: string, value: number, detail: string, goal: number | null = null): Figure => ({
    id: `alignment.${pictures.name}.${id}`,
    value,
    unit: '',
    goal,
    better: 'higher',
    detail,
  });
  const move = `moved by up to ${100 * MOST_SHIFT} % of the sides and ${MOST_ANGLE}°`;
  return [
    figure('still', still.auroc, 'AUROC of the pictures as they came'),
    figure('moved', without.auroc, `${move}, taught and told apart as they lie`),
    figure(
      'aligned',
      aligned.auroc,
      `${move}, aligned; ${aligned.lost} of ${parts} lost; preparing p50 ` +
        `${quantile(aligned.ms, 0.5).toFixed(1)} ms, ${quantile(without.ms, 0.5).toFixed(1)} ms without`,
      Math.round(1000 * (still.auroc - MOST_LOSS)) / 1000,
    ),
    figure('gain', aligned.auroc - without.auroc, 'AUROC won by aligning', 0),
  ];
}

/** Finding the part alone, as often as it takes the compiler to settle. */
function cost({ train }: Pictures): Figure {
  const small = train.map((picture) => resizeRgb(picture, { width: 128, height: 96, fit: 'stretch' }));
  const [first] = train;
  const [reference] = small;
  if (first === undefined || reference === undefined) throw new Error('there are no pictures');
  const aligner = new Aligner(grayOf(reference), first, LIMITS);
  const ms: number[] = [];
  for (let round = 0; round < 240; round += 1) {
    const begun = performance.now();
    aligner.measure(small[round % small.length] ?? reference);
    ms.push(performance.now() - begun);
  }
  return {
    id: 'alignment.ms.p50',
    value: quantile(ms.slice(ms.length / 2), 0.5),
    unit: 'ms',
    goal: 3,
    better: 'lower',
    detail: `finding a part on 128 × 96 grey pixels, up to ${LIMITS.maxAngle}°, one core`,
  };
}

export async function evaluateAlignment({ seed }: EvalChoice): Promise<Section> {
  const cracks = drawn(seed);
  const figures = [
    ...(await evaluateSet(await cookies(), seed)),
    ...(await evaluateSet(cracks, seed)),
    cost(cracks),
  ];
  return { title: 'Alignment of parts that shift and turn', figures };
}
