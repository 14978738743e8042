/** What a part of the bench does to the event loop it runs in, as a figure. */
import type { Figure } from '../figures.ts';
import type { ProcessLoad } from '../process-load.ts';

const GOAL_MS = 5;

export function loopDelayFigure(part: string, load: ProcessLoad): Figure {
  return {
    id: `${part}.loop-delay.p99`,
    value: load.total.loopDelayP99,
    unit: 'ms',
    goal: GOAL_MS,
    better: 'lower',
    detail: 'from one tick of a timer of 1 ms to the next, while ours is at work',
  };
}
