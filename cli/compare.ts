/** `jidoka compare`: what a model says and costs beside another, on pictures. */
import { resolve } from 'node:path';
import { agreement, type Pair } from './agreement.ts';
import {
  count,
  headFrom,
  MODEL_HELP,
  MODEL_OPTIONS,
  number,
  parse,
  recipeFrom,
  required,
  UsageError,
} from './arguments.ts';
import { meetsGoal, quantile, table, writeFigures, type Figure } from './figures.ts';
import { CliModel } from './model.ts';
import { picturesIn, readPicture } from './pictures.ts';
import { printable } from './printable.ts';
import { progress } from './progress.ts';

export const summary = 'hold a model against another on pictures: agreement, latency, size';

const PICTURES = 200;
/** Fewer runs say nothing of a p99. */
const RUNS = 100;
const WARM_RUNS = 3;

export const help = `Usage: jidoka compare A B --images DIR [options]

${summary}.
A is taken as the truth. Both are run in turns on each picture, on the CPU.

  --images DIR       pictures; folders in it too
  --most N           pictures to look at (default ${PICTURES}), picked evenly
  --least SHARE      exit code 1 where the agreement is below it, such as 0.98
  --json FILE        the figures for machines: [{id, value, unit, goal, better, detail}]

${MODEL_HELP}
What is said of colour, scale, mean and deviation does not hold for a model that takes bytes.`;

const OPTIONS = {
  ...MODEL_OPTIONS,
  images: { type: 'string' },
  most: { type: 'string' },
  least: { type: 'string' },
  json: { type: 'string' },
} as const;

interface Timings {
  a: number[];
  b: number[];
}

function costs(name: 'a' | 'b', { source }: CliModel, runs: readonly number[]): Figure[] {
  const detail = `${runs.length} runs of ${source.name}, the graph alone`;
  const figure = (id: string, value: number, unit: string, more: string): Figure => ({
    id: `compare.${name}.${id}`,
    value,
    unit,
    goal: null,
    better: 'lower',
    detail: more,
  });
  return [
    figure('p50', quantile(runs, 0.5), 'ms', detail),
    figure('p99', quantile(runs, 0.99), 'ms', detail),
    figure('bytes', source.bytes.length, 'bytes', source.digest),
  ];
}

function ratios(a: CliModel, b: CliModel, timings: Timings): Figure[] {
  const ratio = (id: string, value: number): Figure => ({
    id: `compare.ratio.${id}`,
    value,
    unit: '',
    goal: null,
    better: 'lower',
    detail: 'B to A',
  });
  return [
    ratio('p50', quantile(timings.b, 0.5) / quantile(timings.a, 0.5)),
    ratio('p99', quantile(timings.b, 0.99) / quantile(timings.a, 0.99)),
    ratio('bytes', b.source.bytes.length / a.source.bytes.length),
  ];
}

/** Both on every picture, in turns, so that what else the machine does befalls both. */
async function look(
  a: CliModel,
  b: CliModel,
  paths: readonly string[],
): Promise<{ pairs: Pair[]; timings: Timings }> {
  const pairs: Pair[] = [];
  const timings: Timings = { a: [], b: [] };
  const tell = progress('compared on');
  const rounds = Math.ceil(RUNS / paths.length);
  for (const [index, path] of paths.entries()) {
    const picture = await readPicture(path);
    if (index === 0)
      for (let run = 0; run < WARM_RUNS; run += 1) for (const model of [a, b]) await model.run(picture);
    for (let round = 0; round < rounds; round += 1) {
      const [first, second] = (index + round) % 2 === 0 ? [a, b] : [b, a];
      const one = await first.run(picture);
      const other = await second.run(picture);
      const pair = first === a ? { a: one, b: other } : { a: other, b: one };
      timings.a.push(pair.a.runMs);
      timings.b.push(pair.b.runMs);
      if (round === 0) pairs.push(pair);
    }
    tell(index + 1, paths.length);
  }
  return { pairs, timings };
}

function leastFrom(value: string): number {
  const least = number('least', value);
  if (least >= 0 && least <= 1) return least;
  throw new UsageError(`--least is between 0 and 1, not '${value}'`);
}

/** What --least is held against: the agreement in the terms of the task, or all cosines where there is none. */
function withGoal(figures: readonly Figure[], least: number | undefined): Figure[] {
  if (least === undefined) return [...figures];
  const hasAgreement = figures.some(({ id }) => id === 'compare.agreement');
  return figures.map((figure) => {
    const isHeld = hasAgreement ? figure.id === 'compare.agreement' : figure.id.startsWith('compare.cosine.');
    return isHeld ? { ...figure, goal: least } : figure;
  });
}

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS, ['A', 'B']);
  const [pathA, pathB] = positionals as [string, string];
  const folder = required('images', values.images);
  const most = values.most === undefined ? PICTURES : count('most', values.most);
  const least = values.least === undefined ? undefined : leastFrom(values.least);
  const [head, input] = [headFrom(values), recipeFrom(values)];
  const paths = await picturesIn(folder, most);
  const a = await CliModel.open(pathA, head, input);
  const b = await CliModel.open(pathB, head, input);
  const { pairs, timings } = await look(a, b, paths);
  await a.close();
  await b.close();
  const figures = [
    ...withGoal(agreement(pairs), least),
    ...costs('a', a, timings.a),
    ...costs('b', b, timings.b),
    ...ratios(a, b, timings),
  ];
  console.log(
    `${printable(`A ${a.source.name}, B ${b.source.name}, ${paths.length} pictures of ${resolve(folder)}`)}\n${table(figures)}`,
  );
  if (values.json !== undefined) await writeFigures(values.json, figures);
  const missed = figures.filter((figure) => !meetsGoal(figure));
  for (const { id, value, goal } of missed)
    console.error(printable(`${id} is ${value.toFixed(4)}, below ${String(goal)}`));
  return missed.length === 0 ? 0 : 1;
}
