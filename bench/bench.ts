/**
 * `npm run bench [-- --only flow,models,peers,overload --parts N --nets NAME,… --json FILE]`: the
 * figures this package is held to, each against the same work without us, alternating in one run.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { report, type Figure, type Section } from './figures.ts';
import { measureFlow } from './flow.ts';
import { measureModels } from './models.ts';
import { measureOverload } from './overload.ts';
import { measurePeers } from './peers.ts';

interface Choice {
  /** Measured parts for each side; every bench has its own default. */
  parts?: number;
  /** Names of nets and models; all when absent. */
  nets?: readonly string[];
}

const SECTIONS: Readonly<Record<string, (choice: Choice) => Promise<Section>>> = {
  flow: measureFlow,
  models: measureModels,
  peers: measurePeers,
  overload: measureOverload,
};

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(SECTIONS).join(',') },
    parts: { type: 'string' },
    nets: { type: 'string' },
    json: { type: 'string' },
  },
});

const chosen = values.only.split(',').map((name) => {
  const measure = SECTIONS[name];
  if (measure !== undefined) return measure;
  throw new Error(`there is no bench '${name}'; there are ${Object.keys(SECTIONS).join(', ')}`);
});
// Node-RED loads the built package, as it does at the customer's
execFileSync(process.execPath, [join(import.meta.dirname, '..', 'tools', 'build.ts'), '--if-changed'], {
  stdio: 'inherit',
});
const figures: Figure[] = [];
for (const measure of chosen) {
  const section = await measure({
    ...(values.parts === undefined ? {} : { parts: Number(values.parts) }),
    ...(values.nets === undefined ? {} : { nets: values.nets.split(',') }),
  });
  report(section.title, section.figures, undefined);
  figures.push(...section.figures);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
