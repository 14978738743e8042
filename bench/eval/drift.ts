/**
 * Does the station notice that its pictures go astray, soon enough and never without cause? A model is
 * taught on drawn parts; then twenty scenarios happen to the line, and in none of them is a part worse.
 */
import { DriftMonitor } from '../../lib/drift/monitor.ts';
import { driftBaseline, type DriftBaseline } from '../../lib/drift/baseline.ts';
import { learnBaseline } from '../../lib/drift/learn-baseline.ts';
import { budgetedThreshold } from '../../lib/gate/budget.ts';
import { seededRandom } from '../../lib/statistics/random.ts';
import type { Figure, Section } from '../figures.ts';
import type { EvalChoice } from './choice.ts';
import { DrawnLine, DrawnModel, type Look } from './drawn-parts.ts';
import { SCENARIOS, type Scenario } from './drift-scenarios.ts';

const TAUGHT = 100;
const BUDGET = { alpha: 0.05, delta: 0.05 };
/** Parts as they should be before each scenario begins. */
const BEFORE = 100;
const IN_CONTROL = 1000;
/** Parts within which drift must be found. */
const WITHIN = 200;
const MILLION = 1_000_000;
/** For the simulation: good parts taught from, and parts per choice of them. */
const SIZES = [20, 60, 100, 300];
const PARTS_PER_BASELINE = 10_000;

interface Outcome {
  /** Parts until it was found; infinite when it was not. */
  after: number;
  how: string;
  /** Good parts that passed until then, and how many of them were rejected. */
  good: number;
  rejected: number;
}

export async function evaluateDrift({ seed }: EvalChoice): Promise<Section> {
  const line = new DrawnLine(seed, TAUGHT);
  const model = await DrawnModel.teach(line, { parts: TAUGHT, method: 'auto', seed });
  try {
    const rows = await model.taughtEmbeddings();
    const baseline = await learnBaseline(model.model.goodScores, { rows, features: rows.length / TAUGHT });
    const control: Look[] = [];
    for (let sequence = TAUGHT + 1; sequence <= TAUGHT + IN_CONTROL; sequence += 1) {
      control.push(await model.look(line.draw(line.plan(sequence))));
    }
    const figures: Figure[] = [];
    const outcomes: Outcome[] = [];
    for (const [index, scenario] of SCENARIOS.entries()) {
      const from = TAUGHT + IN_CONTROL + index * WITHIN;
      const outcome = await happens(scenario, { line, model, baseline, control, from });
      outcomes.push(outcome);
      figures.push(scenarioFigure(scenario, index, outcome));
    }
    const shares = outcomes.map(({ good, rejected }) => rejected / Math.max(1, good));
    const most = Math.max(...outcomes.map(({ rejected }) => rejected));
    const kept = shares.filter((share) => share <= 2 * BUDGET.alpha).length;
    return {
      title: 'Drift',
      figures: [
        {
          id: 'drift.found',
          value: outcomes.filter(({ after }) => after <= WITHIN).length,
          unit: `of ${SCENARIOS.length}`,
          goal: SCENARIOS.length,
          better: 'higher',
          detail: `within ${WITHIN} parts; taught from ${TAUGHT} drawn parts`,
        },
        {
          id: 'drift.overkill',
          value: Math.max(...shares),
          unit: '',
          goal: 2 * BUDGET.alpha,
          better: 'lower',
          detail:
            `worst scenario: good parts rejected, of those that passed from its beginning until the ladder ` +
            `stepped in; kept in ${kept} of ${SCENARIOS.length} (α = ${BUDGET.alpha})`,
        },
        {
          id: 'drift.overkill.parts',
          value: most,
          unit: 'parts',
          goal: null,
          better: 'lower',
          detail: 'good parts rejected before the ladder stepped in, in the worst scenario',
        },
        ...controlFigures(baseline, control, seed),
        simulated(seed),
        ...figures,
      ],
    };
  } finally {
    await model.close();
  }
}

interface Scene {
  line: DrawnLine;
  model: DrawnModel;
  baseline: DriftBaseline;
  control: readonly Look[];
  from: number;
}

async function happens(
  scenario: Scenario,
  { line, model, baseline, control, from }: Scene,
): Promise<Outcome> {
  const threshold = budgetedThreshold(baseline.scores, BUDGET) ?? Infinity;
  const monitor = new DriftMonitor(baseline);
  for (const look of control.slice(0, BEFORE)) monitor.add(look);
  let good = 0;
  let rejected = 0;
  for (let index = 0; index < WITHIN; index += 1) {
    const plan = line.plan(from + index + 1);
    const look = await model.look(scenario.change(line.draw(plan), index));
    if (plan.defect === null) good += 1;
    if (plan.defect === null && look.score > threshold) rejected += 1;
    const finding = monitor.add(look);
    if (finding !== undefined) {
      return { after: index + 1, how: `${finding.what}, ${finding.test}`, good, rejected };
    }
  }
  return { after: Infinity, how: 'not found', good, rejected };
}

function scenarioFigure(
  { cause, what }: Scenario,
  index: number,
  { after, how, good, rejected }: Outcome,
): Figure {
  return {
    id: `drift.${cause}.${(index % 4) + 1}`,
    value: after,
    unit: 'parts',
    goal: WITHIN,
    better: 'lower',
    detail: `${what}; ${how}; ${rejected} of ${good} good parts rejected until then`,
  };
}

/** The line as it should be, and its looks drawn again and again until there are a million. */
function controlFigures(baseline: DriftBaseline, control: readonly Look[], seed: number): Figure[] {
  const once = new DriftMonitor(baseline);
  const alarms = control.filter((look) => once.add(look) !== undefined).length;
  const random = seededRandom(seed);
  const again = new DriftMonitor(baseline);
  let resampled = 0;
  const startedAt = performance.now();
  for (let part = 0; part < MILLION; part += 1) {
    const look = control[random.below(control.length)] ?? {};
    if (again.add(look) !== undefined) resampled += 1;
  }
  const microseconds = ((performance.now() - startedAt) * 1000) / MILLION;
  return [
    {
      id: 'drift.falseAlarms.drawn',
      value: alarms,
      unit: 'alarms',
      goal: 0,
      better: 'lower',
      detail: `${control.length} parts in control, 3 % of them and now and then three in a row with a defect`,
    },
    {
      id: 'drift.falseAlarms.resampled',
      value: resampled,
      unit: 'alarms',
      goal: 1,
      better: 'lower',
      detail: `${MILLION} parts drawn again from those`,
    },
    {
      id: 'drift.cost',
      value: microseconds,
      unit: 'µs',
      goal: null,
      better: 'lower',
      detail: `per part; ${JSON.stringify(again).length} bytes of memory as JSON`,
    },
  ];
}

/** A million parts in control, against many choices of good parts: nobody knows how lucky his are. */
function simulated(seed: number): Figure {
  let alarms = 0;
  for (let index = 0; index < MILLION / PARTS_PER_BASELINE; index += 1) {
    const random = seededRandom(seed * 1009 + index);
    const score = (): number => 4 + 0.2 * Math.exp(0.5 * random.normal());
    const scores = Array.from({ length: SIZES[index % SIZES.length] ?? 0 }, score);
    const monitor = new DriftMonitor(driftBaseline(scores));
    for (let part = 0; part < PARTS_PER_BASELINE; part += 1) {
      const isDefect = random.uniform() < 0.03;
      if (monitor.add({ score: isDefect ? 9 : score() }) !== undefined) alarms += 1;
    }
  }
  return {
    id: 'drift.falseAlarms.simulated',
    value: alarms,
    unit: 'alarms',
    goal: 1,
    better: 'lower',
    detail: `${MILLION} parts, against ${MILLION / PARTS_PER_BASELINE} choices of ${SIZES.join(', ')} good ones in turn; 3 % defects`,
  };
}
