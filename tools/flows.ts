// Puts the sources of the template flows (pages, functions) into each flow.json, or checks that they are there.
//   node tools/flows.ts           writes
//   node tools/flows.ts --check   fails when a flow.json is behind its sources
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';

interface FlowNode {
  id: string;
  type: string;
  [property: string]: unknown;
}

/** Which nodes of a flow hold the text of a kind of source, and in which property. */
interface Kind {
  pattern: string;
  type: string;
  property: string;
  /** What the id of such a node ends in. */
  ending: (name: string) => string;
}

const KINDS: readonly Kind[] = [
  {
    pattern: 'flows/pages/*.vue',
    type: 'ui-template',
    property: 'format',
    ending: (name) => `-${name}-page`,
  },
  { pattern: 'flows/functions/*.js', type: 'function', property: 'func', ending: (name) => `-${name}` },
];

const root = dirname(import.meta.dirname);
const check = process.argv.includes('--check');
const behind: string[] = [];
const flows = globSync('flows/*/flow.json', { cwd: root }).map((file) => {
  const before = readFileSync(join(root, file), 'utf8');
  return { file, before, nodes: JSON.parse(before) as FlowNode[] };
});

for (const { pattern, type, property, ending } of KINDS) {
  for (const source of globSync(pattern, { cwd: root })) {
    const text = readFileSync(join(root, source), 'utf8');
    const end = ending(basename(source, extname(source)));
    const places = flows.flatMap(({ nodes }) =>
      nodes.filter((node) => node.type === type && node.id.endsWith(end)),
    );
    if (places.length === 0) console.warn(`No flow has a ${type} …${end} for ${source}.`);
    for (const place of places) place[property] = text;
  }
}

for (const { file, before, nodes } of flows) {
  const after = `${JSON.stringify(nodes, null, 2)}\n`;
  if (after === before) continue;
  if (check) behind.push(file);
  else writeFileSync(join(root, file), after);
}

if (behind.length > 0) {
  console.error(`Behind their sources: ${behind.join(', ')}. Run: npm run flows`);
  process.exit(1);
}
