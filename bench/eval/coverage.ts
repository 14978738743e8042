/**
 * Does the gate keep its promise: at most α of good parts rejected, 1 − δ sure? A thousand times over,
 * good scores are drawn, the threshold is set from them as the gate sets it, and the share of good parts
 * it then rejects is counted. Three ways to come by the scores:
 * - of parts the model had not seen, as the promise needs it;
 * - out-of-fold scores of the taught parts, as the product has them: rejected are fresh parts;
 * - the control: scores of the taught parts by the model that knows them, which must break the promise.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFrame } from '../../lib/anomaly/folder-frames.ts';
import { Scorer } from '../../lib/anomaly/scorer.ts';
import { teach } from '../../lib/anomaly/teach.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import { budgetedThreshold } from '../../lib/gate/budget.ts';
import { seededRandom, type Random } from '../../lib/statistics/random.ts';
import { shared } from '../../test/support/shared.ts';
import type { Figure, Section } from '../figures.ts';
import type { EvalChoice } from './choice.ts';
import { DrawnLine, DrawnModel } from './drawn-parts.ts';
import { sharedSet, SHARED_SETS } from './image-sets.ts';

const RECALIBRATIONS = 1000;
const DELTA = 0.05;
/** Good parts for each α: what a careful engineer collects, above the 59 and 299 that just do. */
const BUDGETS = [
  { alpha: 0.05, parts: 100 },
  { alpha: 0.01, parts: 400 },
] as const;
const DRAWN_TAUGHT = 100;
const DRAWN_FRESH = 1000;

interface GoodScores {
  name: string;
  /** Of parts the model never saw. */
  fresh: number[];
  /** Of the taught parts, each by a model of the others. */
  outOfFold: readonly number[];
  /** Of the taught parts, by the model that knows them. */
  inSample: number[];
}

async function scoresOf(scorer: Scorer, frames: AsyncIterable<Frame> | Iterable<Frame>): Promise<number[]> {
  const scores: number[] = [];
  for await (const frame of frames) scores.push((await scorer.score(frame)).section.score);
  return scores;
}

async function* read(paths: readonly string[]): AsyncGenerator<Frame> {
  for (const path of paths) yield await readFrame(path);
}

async function realScores(name: (typeof SHARED_SETS)[number]['name'], seed: number): Promise<GoodScores> {
  const { train_good: taught, test_good: fresh } = sharedSet(shared('data', 'images'), name);
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-eval-'));
  try {
    const model = await teach({ pictures: taught, folder, name, seed, leaveOut: [] });
    const scorer = await Scorer.open(model);
    try {
      return {
        name,
        fresh: await scoresOf(scorer, read(fresh)),
        outOfFold: model.goodScores,
        inSample: await scoresOf(scorer, read(taught)),
      };
    } finally {
      await scorer.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function drawnScores(seed: number): Promise<GoodScores> {
  const line = new DrawnLine(seed, DRAWN_TAUGHT + DRAWN_FRESH);
  const model = await DrawnModel.teach(line, DRAWN_TAUGHT, seed);
  try {
    const scores: number[] = [];
    for (let sequence = 1; sequence <= DRAWN_TAUGHT + DRAWN_FRESH; sequence += 1) {
      scores.push((await model.look(line.draw(line.plan(sequence)))).score);
    }
    return {
      name: 'drawn',
      fresh: scores.slice(DRAWN_TAUGHT),
      outOfFold: model.model.goodScores,
      inSample: scores.slice(0, DRAWN_TAUGHT),
    };
  } finally {
    await model.close();
  }
}

interface Coverage {
  /** Share of the recalibrations in which at most α of the good parts were rejected. */
  kept: number;
  /** Mean share of good parts rejected. */
  rejected: number;
}

/** `from`: scores to draw calibrations from, with replacement; `judged`: all good parts there are to reject. */
function coverage(
  from: readonly number[],
  judged: readonly number[],
  { alpha, parts }: { alpha: number; parts: number },
  random: Random,
): Coverage {
  let kept = 0;
  let rejected = 0;
  for (let run = 0; run < RECALIBRATIONS; run += 1) {
    const drawn = Array.from({ length: parts }, () => from[random.below(from.length)] ?? NaN);
    const threshold = budgetedThreshold(drawn, { alpha, delta: DELTA }) ?? NaN;
    const share = judged.filter((score) => !(score <= threshold)).length / judged.length;
    if (share <= alpha) kept += 1;
    rejected += share;
  }
  return { kept: kept / RECALIBRATIONS, rejected: rejected / RECALIBRATIONS };
}

type Way = 'unseen' | 'outOfFold' | 'inSample';

interface Row extends Coverage {
  way: Way;
  pool: string;
  alpha: number;
  detail: string;
}

export async function evaluateCoverage({ seed }: EvalChoice): Promise<Section> {
  const pools: GoodScores[] = [];
  for (const { name } of SHARED_SETS) pools.push(await realScores(name, seed));
  pools.push(await drawnScores(seed));
  const random = seededRandom(seed);
  const rows = pools.flatMap((pool) => BUDGETS.flatMap((budget) => rowsOf(pool, budget, random)));
  return { title: 'Coverage', figures: [...summaries(rows), ...rows.map(figureOf)] };
}

function rowsOf(
  { name, fresh, outOfFold, inSample }: GoodScores,
  budget: (typeof BUDGETS)[number],
  random: Random,
): Row[] {
  const row = (way: Way, from: readonly number[], judged: readonly number[]): Row => {
    const result = coverage(from, judged, budget, random);
    const detail =
      `${RECALIBRATIONS} calibrations of ${budget.parts} out of ${from.length} scores; ` +
      `${(100 * result.rejected).toFixed(2)} % of ${judged.length} good parts rejected on average`;
    return { way, pool: name, alpha: budget.alpha, detail, ...result };
  };
  // What the model had not seen, whoever scored it: the population of the first way.
  const unseen = name === 'drawn' ? fresh : [...fresh, ...outOfFold];
  return [
    row('unseen', unseen, unseen),
    row('outOfFold', outOfFold, fresh),
    row('inSample', inSample, fresh),
  ];
}

/**
 * The promise and its control. Out-of-fold scores are held to it where there are enough parts on both sides:
 * the real sets have 11 to 40 fresh parts for one calibration that is drawn again and again, so that
 * a single part above all of them decides a thousand recalibrations.
 */
function summaries(rows: readonly Row[]): Figure[] {
  const kept = (way: Way, alpha: number, pool?: string): number[] =>
    rows
      .filter((row) => row.way === way && row.alpha === alpha && (pool === undefined || row.pool === pool))
      .map((row) => row.kept);
  const promise = (id: string, values: readonly number[], detail: string): Figure => ({
    id,
    value: Math.min(...values),
    unit: '',
    goal: 1 - DELTA,
    better: 'higher',
    detail,
  });
  return BUDGETS.flatMap(({ alpha }): Figure[] => {
    const controls = kept('inSample', alpha);
    return [
      promise(
        `budget.coverage.${alpha}`,
        kept('unseen', alpha),
        'the least of all sets: scores of parts unseen',
      ),
      promise(
        `budget.coverage.taught.${alpha}`,
        kept('outOfFold', alpha, 'drawn'),
        'out-of-fold scores of the taught parts, drawn line',
      ),
      {
        id: `budget.coverage.control.${alpha}`,
        value: controls.reduce((sum, value) => sum + value, 0) / controls.length,
        unit: '',
        goal: 1 - DELTA - 1e-3,
        better: 'lower',
        detail: 'must fail: scores of the taught parts by the model that knows them, mean of all sets',
      },
    ];
  });
}

function figureOf({ way, pool, alpha, kept, detail }: Row): Figure {
  return {
    id: `budget.coverage.${way}.${pool}.${alpha}`,
    value: kept,
    unit: '',
    goal: null,
    better: way === 'inSample' ? 'lower' : 'higher',
    detail,
  };
}
