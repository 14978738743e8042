// Puts the sources of a template flow (pages, functions) into its flow.json, or checks that they are there.
//   node tools/flows.ts           writes
//   node tools/flows.ts --check   fails when a flow.json is behind its sources
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';

interface FlowNode {
  id: string;
  type: string;
  [property: string]: unknown;
}

const root = dirname(import.meta.dirname);
/** Which property of a node holds the text of a source file with this extension. */
const PROPERTY_OF: Readonly<Record<string, string>> = { '.vue': 'format', '.js': 'func' };

const check = process.argv.includes('--check');
const behind: string[] = [];

for (const file of globSync('flows/*/flow.json', { cwd: root })) {
  const path = join(root, file);
  const before = readFileSync(path, 'utf8');
  const flow = JSON.parse(before) as FlowNode[];
  for (const source of globSync('*.{vue,js}', { cwd: dirname(path) })) {
    // A source belongs to the node whose id ends in its name: view.js to "pilot-view".
    const extension = extname(source);
    const name = basename(source, extension);
    const property = PROPERTY_OF[extension] ?? '';
    const node = flow.find((candidate) => candidate.id.endsWith(`-${name}`) && property in candidate);
    if (node === undefined) throw new Error(`${file} has no node for ${source}`);
    node[property] = readFileSync(join(dirname(path), source), 'utf8');
  }
  const after = `${JSON.stringify(flow, null, 2)}\n`;
  if (after === before) continue;
  if (check) behind.push(file);
  else writeFileSync(path, after);
}

if (behind.length > 0) {
  console.error(`Behind their sources: ${behind.join(', ')}. Run: npm run flows`);
  process.exit(1);
}
