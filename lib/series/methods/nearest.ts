/**
 * Nearest neighbour on short windows: the last few rows side by side are compared with every stretch
 * of normal operation, so that an order of events that never was is unusual even where each row is not.
 */
import type { Row } from '../scaling.ts';
import type { Method } from './method.ts';
import { distance, remember } from './similarity.ts';

export interface Stretches {
  /** Rows of a stretch. */
  length: number;
  rows: number[][];
}

const LENGTH = 5;

export const nearest: Method<Stretches> = {
  memory: LENGTH - 1,

  learn(rows) {
    const length = Math.min(LENGTH, rows.length);
    const stretches = rows.slice(length - 1).map((_, end) => rows.slice(end, end + length).flat());
    return { length, rows: remember(stretches) };
  },

  open({ length, rows }) {
    let recent: Row[] = [];
    return {
      step(row) {
        // Before there is a whole stretch, the first row stands for those before it.
        if (recent.length === 0) recent = new Array<Row>(length).fill(row);
        recent = [...recent.slice(1), row];
        const stretch = recent.flat();
        let best = Infinity;
        let closest: Row = stretch;
        for (const other of rows) {
          const away = distance(stretch, other);
          if (away < best) [best, closest] = [away, other];
        }
        const contributions = row.map((_, column) => {
          let sum = 0;
          for (let at = column; at < stretch.length; at += row.length) {
            sum += ((stretch[at] ?? 0) - (closest[at] ?? 0)) ** 2;
          }
          return sum;
        });
        return { score: best / Math.sqrt(length), contributions };
      },
      reset() {
        recent = [];
      },
    };
  },
};
