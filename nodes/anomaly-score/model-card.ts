/** What the dialog shows of a taught model: how it judges, why so, and what its scores look like. */
import type { AnomalyModel } from '../../lib/anomaly/model.ts';

const BINS = 24;

export interface Histogram {
  from: number;
  to: number;
  /** Parts in each of the bins of equal width between `from` and `to`. */
  good: number[];
  defects: number[];
}

/** Good parts and known defects by score, on one scale. */
export function histogramOf(good: readonly number[], defects: readonly number[]): Histogram {
  const all = [...good, ...defects];
  const from = all.reduce((least, score) => Math.min(least, score), Infinity);
  const most = all.reduce((highest, score) => Math.max(highest, score), -Infinity);
  const to = most > from ? most : from + 1;
  const counted = (scores: readonly number[]): number[] => {
    const bins = new Array<number>(BINS).fill(0);
    for (const score of scores) {
      const bin = Math.min(BINS - 1, Math.floor(((score - from) / (to - from)) * BINS));
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    return bins;
  };
  return { from, to, good: counted(good), defects: counted(defects) };
}

export function cardOf(model: AnomalyModel): Record<string, unknown> {
  const { name, version, digest, method, why, candidates, goodScores, defectScores } = model;
  const { thresholds, acceptance, findings, change, createdAt, input, backbone, bankSize } = model;
  return {
    ...{ name, version, digest, method, why, candidates, thresholds, acceptance, findings, change },
    ...{ createdAt, input, backbone, bankSize },
    parts: goodScores.length,
    learns: model.parts.length > 0,
    histogram: histogramOf(goodScores, defectScores),
  };
}
