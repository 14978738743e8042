/**
 * `npm run eval [-- --only images,… --images DIR --series DIR --parts N --seed N --json FILE]`: how right the
 * verdicts are, on real and drawn data with known truth. Each evaluation is a file in `bench/eval/`.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { evaluateAlignment } from './eval/alignment.ts';
import type { EvalChoice } from './eval/choice.ts';
import { evaluateCoverage } from './eval/coverage.ts';
import { evaluateDrift } from './eval/drift.ts';
import { evaluateImages } from './eval/images.ts';
import { evaluateTeaching } from './eval/teach.ts';
import { evaluateIncremental } from './eval/incremental.ts';
import { evaluateLine } from './eval/line.ts';
import { evaluateSignals } from './eval/signals.ts';
import { meetsGoal, report, type Figure, type Section } from './figures.ts';

const SECTIONS: Readonly<Record<string, (choice: EvalChoice) => Promise<Section>>> = {
  images: evaluateImages,
  teach: evaluateTeaching,
  incremental: evaluateIncremental,
  coverage: evaluateCoverage,
  drift: evaluateDrift,
  line: evaluateLine,
  alignment: evaluateAlignment,
  signals: evaluateSignals,
};

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    images: { type: 'string' },
    series: { type: 'string' },
    parts: { type: 'string' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const { images, series } = values;
// A folder of one's own is what one wants to see evaluated, and nothing else.
const own = [...(images === undefined ? [] : ['images']), ...(series === undefined ? [] : ['signals'])];
const names = values.only?.split(',') ?? (own.length > 0 ? own : Object.keys(SECTIONS));

const figures: Figure[] = [];
for (const name of names) {
  const evaluate = SECTIONS[name];
  if (evaluate === undefined) {
    throw new Error(`there is no evaluation '${name}'; there are ${Object.keys(SECTIONS).join(', ')}`);
  }
  const section = await evaluate({
    seed: Number(values.seed),
    ...(images === undefined ? {} : { images }),
    ...(series === undefined ? {} : { series }),
    ...(values.parts === undefined ? {} : { parts: Number(values.parts) }),
  });
  report(section.title, section.figures, undefined);
  figures.push(...section.figures);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
if (!figures.every(meetsGoal)) process.exitCode = 1;
