/**
 * C-MAPSS FD001 (A. Saxena et al., PHM 2008) by the usual protocol: learn from 100 engines that ran to
 * failure, with life capped at 125 cycles; predict the life left after the last cycle of each of 100
 * others; RMSE over those, against the true life as given (not capped: harder than what many papers report).
 * The table's settings come from cross-validation within the training file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { LifeTable } from '../../lib/series/remaining-life.ts';
import type { Figure } from '../figures.ts';

const CAP = 125;
const GOAL = 18;
/** Unit, cycle and three settings come before the 21 sensors. */
const FIRST_SENSOR = 5;

/** RMSE on FD001 as printed there. Most of them cap the true life as well. */
const PUBLISHED: readonly (readonly [name: string, rmse: number, source: string])[] = [
  ['MLP', 37.56, 'G. Babu et al., DASFAA 2016'],
  ['RVR', 23.8, 'G. Babu et al., DASFAA 2016'],
  ['SVR', 20.96, 'G. Babu et al., DASFAA 2016'],
  ['CNN', 18.45, 'G. Babu et al., DASFAA 2016'],
  ['LSTM', 16.14, 'S. Zheng et al., ICPHM 2017'],
  ['DCNN', 12.61, 'X. Li et al., Reliab. Eng. Syst. Saf. 172 (2018)'],
];

function read(folder: string, name: string): number[][] {
  return gunzipSync(readFileSync(join(folder, `${name}.txt.gz`)))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
}

/** Rows of sensors of each engine. */
function engines(rows: readonly number[][]): number[][][] {
  const byUnit = new Map<number, number[][]>();
  for (const [unit = NaN, ...rest] of rows) {
    const history = byUnit.get(unit) ?? [];
    history.push(rest.slice(FIRST_SENSOR - 1));
    byUnit.set(unit, history);
  }
  return [...byUnit.values()];
}

function rmse(predicted: readonly number[], truth: readonly number[]): number {
  return Math.sqrt(
    predicted.reduce((sum, value, at) => sum + (value - (truth[at] ?? NaN)) ** 2, 0) / predicted.length,
  );
}

export function evaluateCmapss(folder: string): Figure[] {
  const startedAt = performance.now();
  const table = new LifeTable(engines(read(folder, 'train_FD001')), { cap: CAP });
  const fitted = performance.now();
  const truth = read(folder, 'RUL_FD001').map(([life = NaN]) => life);
  const lives = engines(read(folder, 'test_FD001')).map((rows) => table.predict(rows));
  const each = (performance.now() - fitted) / lives.length;
  const predicted = lives.map(({ remaining }) => remaining);
  const capped = truth.map((life) => Math.min(life, CAP));
  const held = lives.filter(({ interval: [soonest, latest] }, at) => {
    const life = capped[at] ?? NaN;
    return soonest <= life && life <= latest;
  }).length;
  return [
    {
      id: 'cmapss.fd001.rmse',
      value: rmse(predicted, truth),
      unit: 'cycles',
      goal: GOAL,
      better: 'lower',
      detail: `against the true life; fitted in ${((fitted - startedAt) / 1000).toFixed(1)} s, ${each.toFixed(1)} ms a prediction`,
    },
    plain(
      'cmapss.fd001.rmse.capped',
      rmse(predicted, capped),
      `true life capped at ${CAP} too, as most tables do`,
    ),
    {
      id: 'cmapss.fd001.interval',
      value: (100 * held) / lives.length,
      unit: '%',
      goal: null,
      better: 'higher',
      detail: 'of the engines whose (capped) life lies in the 5–95 % interval of the neighbours',
    },
    plain(
      'cmapss.fd001.rmse.constant',
      rmse(
        truth.map(() => truth.reduce((a, b) => a + b, 0) / truth.length),
        truth,
      ),
      'the mean of the answers for everyone: what RMSE is worth here',
    ),
    ...PUBLISHED.map(([name, value, source]) => plain(`published.${name}`, value, source)),
  ];
}

function plain(id: string, value: number, detail: string): Figure {
  return { id, value, unit: 'cycles', goal: null, better: 'lower', detail };
}
