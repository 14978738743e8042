/**
 * Does the gate keep its promise: at most α of good parts rejected, 1 − δ sure? A thousand times over,
 * calibrations are drawn, the threshold is set from them as the gate sets it, and the share of good parts
 * it then rejects is counted. Three ways to come by the scores:
 * - out-of-fold scores of the taught parts, as the product has them: rejected are fresh parts;
 * - the yardstick: the same scores, but which part was taught and which is fresh is drawn anew each time,
 *   so that calibration and judged parts differ by chance alone: what sets of this size can show at best;
 * - the control: scores of the taught parts by the model that knows them, which must break the promise.
 * Models are taught with `auto`, as the dialog offers it, and with `patch-nn` for comparison.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFrame } from '../../lib/anomaly/folder-frames.ts';
import { Scorer } from '../../lib/anomaly/scorer.ts';
import { teach, type TeachOptions } from '../../lib/anomaly/teach.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import { budgetedThreshold } from '../../lib/gate/budget.ts';
import { seededRandom, shuffledIndices, type Random } from '../../lib/statistics/random.ts';
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

const METHODS = ['auto', 'patch-nn'] as const satisfies readonly NonNullable<TeachOptions['method']>[];
type Chosen = (typeof METHODS)[number];

interface GoodScores {
  name: string;
  chosen: Chosen;
  /** What `auto` took. */
  method: string;
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

async function realScores(
  name: (typeof SHARED_SETS)[number]['name'],
  chosen: Chosen,
  seed: number,
): Promise<GoodScores> {
  const { train_good: taught, test_good: fresh } = sharedSet(shared('data', 'images'), name);
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-eval-'));
  try {
    const model = await teach({ pictures: taught, folder, name, method: chosen, seed, leaveOut: [] });
    const scorer = await Scorer.open(model);
    try {
      return {
        name,
        chosen,
        method: model.method,
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

async function drawnScores(chosen: Chosen, seed: number): Promise<GoodScores> {
  const line = new DrawnLine(seed, DRAWN_TAUGHT + DRAWN_FRESH);
  const model = await DrawnModel.teach(line, { parts: DRAWN_TAUGHT, method: chosen, seed });
  try {
    const scores: number[] = [];
    for (let sequence = 1; sequence <= DRAWN_TAUGHT + DRAWN_FRESH; sequence += 1) {
      scores.push((await model.look(line.draw(line.plan(sequence)))).score);
    }
    return {
      name: 'drawn',
      chosen,
      method: model.model.method,
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

/** Scores to draw calibrations from, with replacement, and all good parts there are to reject. */
interface Draw {
  from: readonly number[];
  judged: readonly number[];
}

/** `draw`: called for each recalibration. */
function coverage(
  draw: () => Draw,
  { alpha, parts }: { alpha: number; parts: number },
  random: Random,
): Coverage {
  let kept = 0;
  let rejected = 0;
  for (let run = 0; run < RECALIBRATIONS; run += 1) {
    const { from, judged } = draw();
    const drawn = Array.from({ length: parts }, () => from[random.below(from.length)] ?? NaN);
    const threshold = budgetedThreshold(drawn, { alpha, delta: DELTA }) ?? NaN;
    const share = judged.filter((score) => !(score <= threshold)).length / judged.length;
    if (share <= alpha) kept += 1;
    rejected += share;
  }
  return { kept: kept / RECALIBRATIONS, rejected: rejected / RECALIBRATIONS };
}

/** Taught and fresh parts shuffled together and dealt again, as many to each side as before. */
function exchanged({ fresh, outOfFold }: GoodScores, random: Random): Draw {
  const pool = [...fresh, ...outOfFold];
  const order = shuffledIndices(pool.length, random);
  const isFresh = (index: number): boolean => (order[index] ?? 0) < fresh.length;
  return {
    from: pool.filter((_, index) => !isFresh(index)),
    judged: pool.filter((_, index) => isFresh(index)),
  };
}

type Way = 'outOfFold' | 'exchanged' | 'inSample';

interface Row extends Coverage {
  way: Way;
  pool: string;
  chosen: Chosen;
  alpha: number;
  detail: string;
}

export async function evaluateCoverage({ seed }: EvalChoice): Promise<Section> {
  const pools: GoodScores[] = [];
  for (const chosen of METHODS) {
    for (const { name } of SHARED_SETS) pools.push(await realScores(name, chosen, seed));
    pools.push(await drawnScores(chosen, seed));
  }
  const random = seededRandom(seed);
  const rows = pools.flatMap((pool) => BUDGETS.flatMap((budget) => rowsOf(pool, budget, random)));
  return { title: 'Coverage', figures: [...summaries(rows), ...rows.map(figureOf)] };
}

function rowsOf(pool: GoodScores, budget: (typeof BUDGETS)[number], random: Random): Row[] {
  const { name, chosen, method, fresh, outOfFold, inSample } = pool;
  const { alpha, parts } = budget;
  const row = (way: Way, draw: () => Draw): Row => {
    const result = coverage(draw, budget, random);
    const detail =
      `${method}; ${RECALIBRATIONS} calibrations of ${parts} out of ${outOfFold.length} scores; ` +
      `${(100 * result.rejected).toFixed(2)} % of ${fresh.length} good parts rejected on average`;
    return { way, pool: name, chosen, alpha, detail, ...result };
  };
  return [
    row('outOfFold', () => ({ from: outOfFold, judged: fresh })),
    row('exchanged', () => exchanged(pool, random)),
    row('inSample', () => ({ from: inSample, judged: fresh })),
  ];
}

function summaries(rows: readonly Row[]): Figure[] {
  return BUDGETS.flatMap(({ alpha }): Figure[] => {
    const offered = rows.filter((row) => row.alpha === alpha && row.chosen === 'auto');
    const promised = offered.filter(({ way }) => way === 'outOfFold');
    const worst = promised.reduce((one, other) => (other.kept < one.kept ? other : one));
    const controls = rows.filter((row) => row.alpha === alpha && row.way === 'inSample');
    return [
      {
        id: `budget.coverage.${alpha}`,
        value: worst.kept,
        unit: '',
        goal: 1 - DELTA,
        better: 'higher',
        detail: `the least of all sets, real and drawn (${worst.pool}); scores out-of-fold, parts fresh`,
      },
      {
        id: `budget.coverage.control.${alpha}`,
        value: controls.reduce((sum, { kept }) => sum + kept, 0) / controls.length,
        unit: '',
        goal: 1 - DELTA - 1e-3,
        better: 'lower',
        detail: 'must fail: scores of the taught parts by the model that knows them, mean of all sets',
      },
    ];
  });
}

function figureOf({ way, pool, chosen, alpha, kept, detail }: Row): Figure {
  return {
    id: `budget.coverage.${way}.${pool}.${alpha}${chosen === 'auto' ? '' : `.${chosen}`}`,
    value: kept,
    unit: '',
    // The yardstick holds for any numbers, also for dice: it has nothing to reach.
    goal: way === 'outOfFold' ? 1 - DELTA : null,
    better: way === 'inSample' ? 'lower' : 'higher',
    detail,
  };
}
