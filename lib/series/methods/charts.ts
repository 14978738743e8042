/**
 * Control charts as detectors: each signal is followed by itself, so that a small lasting shift is seen
 * long before a single value is unusual. The score is the worst signal's distance on its chart.
 */
import { Cusum } from '../../statistics/cusum.ts';
import { Ewma } from '../../statistics/ewma.ts';
import { PageHinkley } from '../../statistics/page-hinkley.ts';
import type { Row } from '../scaling.ts';
import type { Detector, Method } from './method.ts';

export interface InControl {
  /** Of each column of scaled rows. */
  means: number[];
  deviations: number[];
  rows: number;
}

/** One chart of one signal: takes the next value, answers how far it is from normal, in standard deviations. */
type Chart = (value: number) => number;

const EWMA_WEIGHT = 0.2;
const SLACK = 0.5;
const LEAST_DEVIATION = 1e-6;
/** Rows until an average with λ = 0.2 has forgotten 99 % of what was. */
const EWMA_MEMORY = 20;

/** In units of the average's own standard deviation. */
export const ewma = chartMethod(EWMA_MEMORY, (mean, deviation) => {
  const chart = new Ewma({ mean, deviation, weight: EWMA_WEIGHT, limit: 1 });
  return (value) => {
    chart.update(value);
    return Math.abs(chart.value - mean) / chart.reach;
  };
});

/** A sum never forgets by itself, so its memory is that of a shift of one slack over the usual limit of 5. */
export const cusum = chartMethod(EWMA_MEMORY, (mean, deviation) => {
  const chart = new Cusum({ mean, deviation, slack: SLACK });
  return (value) => {
    chart.update(value);
    return Math.max(chart.high, chart.low) / deviation;
  };
});

/** Around the running mean of the stream itself, which goes on from that of the rows it was taught with. */
export const pageHinkley = chartMethod(EWMA_MEMORY, (mean, deviation, rows) => {
  const state = { count: rows, mean, high: 0, low: 0 };
  const options = { tolerance: SLACK * deviation, threshold: Infinity, direction: 'both' } as const;
  const chart = new PageHinkley(options, state);
  return (value) => {
    chart.update(value);
    const { high, low } = chart.toJSON();
    return Math.max(high, low) / deviation;
  };
});

function chartMethod(
  memory: number,
  chartOf: (mean: number, deviation: number, rows: number) => Chart,
): Method<InControl> {
  return {
    memory,
    learn: inControl,
    open: ({ means, deviations, rows }) => {
      const begin = (): Chart[] =>
        means.map((mean, column) => chartOf(mean, deviations[column] ?? LEAST_DEVIATION, rows));
      let charts = begin();
      const detector: Detector = {
        step(row) {
          const contributions = charts.map((chart, column) => chart(row[column] ?? NaN));
          return { score: Math.max(...contributions), contributions };
        },
        reset() {
          charts = begin();
        },
      };
      return detector;
    },
  };
}

function inControl(rows: readonly Row[]): InControl {
  const columns = rows[0]?.length ?? 0;
  const means: number[] = [];
  const deviations: number[] = [];
  for (let column = 0; column < columns; column += 1) {
    const mean = rows.reduce((sum, row) => sum + (row[column] ?? 0), 0) / rows.length;
    const squares = rows.reduce((sum, row) => sum + ((row[column] ?? 0) - mean) ** 2, 0);
    means.push(mean);
    // A column that never moved was scaled to one unit for a change that counts.
    deviations.push(Math.sqrt(squares / Math.max(rows.length - 1, 1)) || 1);
  }
  return { means, deviations, rows: rows.length };
}
