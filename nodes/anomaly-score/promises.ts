/** What a model's good parts allow to be promised about false rejects, as a person reads it. */
import { calibratedLimits, expectedRejects, partsMissing } from '../../lib/gate/limits.ts';
import { partsNeeded, type Budget } from '../../lib/gate/budget.ts';
import type { StationControl } from '../../lib/station/station.ts';

export interface BudgetPromise extends Budget {
  /** Names of the gates that make it; none of those that are usual. */
  gates: string[];
  needed: number;
  missing: number;
  /** Score above which a part is rejected; null where too few parts were taught. */
  threshold: number | null;
  /** Share of good parts that is expected to be rejected then. */
  expected: number | null;
}

/** 5 % and 1 %, 95 % sure. */
const USUAL: readonly Budget[] = [
  { alpha: 0.05, delta: 0.05 },
  { alpha: 0.01, delta: 0.05 },
];

function budgetIn(settings: unknown): Budget | undefined {
  const { settings: inForce } = Object(settings) as { settings?: Partial<Budget> };
  const { alpha, delta } = inForce ?? {};
  return typeof alpha === 'number' && typeof delta === 'number' ? { alpha, delta } : undefined;
}

/** The budgets of a station's gates, each with the gates that have it. */
function gateBudgets(station: Pick<StationControl, 'tolerances'>): (Budget & { gates: string[] })[] {
  const all = new Map<string, Budget & { gates: string[] }>();
  for (const { name, settings } of station.tolerances()) {
    const budget = budgetIn(settings);
    if (budget === undefined) continue;
    const { alpha, delta } = budget;
    const known = all.get(`${alpha} ${delta}`) ?? { alpha, delta, gates: [] };
    known.gates.push(name);
    all.set(`${alpha} ${delta}`, known);
  }
  return [...all.values()];
}

/** What the gates of the station promise, first; then what is usual. */
export function promisesOf(
  goodScores: readonly number[],
  station: Pick<StationControl, 'tolerances'>,
): BudgetPromise[] {
  const gates = gateBudgets(station);
  const usual = USUAL.filter(
    ({ alpha, delta }) => !gates.some((gate) => gate.alpha === alpha && gate.delta === delta),
  ).map((budget) => ({ ...budget, gates: [] }));
  return [...gates, ...usual].map((budget) => {
    const limits = calibratedLimits(goodScores, budget, 0, '');
    return {
      ...budget,
      needed: partsNeeded(budget),
      missing: partsMissing(goodScores.length, budget),
      threshold: limits === undefined || limits.advise === true ? null : limits.reject,
      expected: expectedRejects(goodScores.length, budget)?.mean ?? null,
    };
  });
}

/** Score above which a part is rejected by the first promise; with too few parts the highest good one. */
export function rejectLimit(
  goodScores: readonly number[],
  station: Pick<StationControl, 'tolerances'>,
): number {
  const [budget = USUAL[0] as Budget] = gateBudgets(station);
  return calibratedLimits(goodScores, budget, 0, '')?.reject ?? Infinity;
}
