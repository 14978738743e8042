/** What a part of the bench does to the event loop it runs in, as a figure. */
import type { Figure } from '../figures.ts';
import type { ProcessLoad } from '../process-load.ts';

const GOAL_MS = 5;

/** `floor`: what the bare library does to it, in the same run. */
export function loopDelayFigure(part: string, load: ProcessLoad, floor?: ProcessLoad): Figure {
  const what = 'from one tick of a timer of 1 ms to the next, while ours is at work';
  const bare = floor && `${floor.total.loopDelayP99.toFixed(1)} ms while the bare client is`;
  return {
    id: `${part}.loop-delay.p99`,
    value: load.total.loopDelayP99,
    unit: 'ms',
    goal: GOAL_MS,
    better: 'lower',
    detail: bare === undefined ? what : `${what}; ${bare}`,
  };
}
