// Writes the pages of docs/reference that are told by the code, or checks that they are as the code has it.
//   node tools/reference.ts           writes
//   node tools/reference.ts --check   fails when a page is behind the code
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { adminApiPage } from './reference/admin-api-page.ts';
import { alarmsPage } from './reference/alarms-page.ts';
import { errorCodesPage } from './reference/error-codes-page.ts';
import { errorCodes } from './reference/error-codes.ts';
import { everyNodeRegistered } from './reference/registered.ts';
import { settingsPage } from './reference/settings-page.ts';
import { adminRoutes } from '../nodes/runtime/admin.ts';
import { openApi } from '../nodes/runtime/open-api.ts';

const root = dirname(import.meta.dirname);
const check = process.argv.includes('--check');
const sources = globSync('{lib,nodes,cli}/**/*.ts', { cwd: root }).map((file) => join(root, file));

const { 'node-red': nodeRed } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  'node-red': { nodes: Record<string, string> };
};

const types = Object.keys(nodeRed.nodes).sort();
const RED = await everyNodeRegistered(root, types);
const adminApi = 'docs/reference/admin-api.md';

const pages: Record<string, string> = {
  [adminApi]: adminApiPage(readFileSync(join(root, adminApi), 'utf8'), adminRoutes(RED)),
  'docs/reference/alarms.md': alarmsPage(),
  'docs/reference/error-codes.md': errorCodesPage(errorCodes(root, sources)),
  'docs/reference/settings.md': settingsPage(root, types),
  'docs/reference/openapi.json': JSON.stringify(openApi(RED)),
};

const behind: string[] = [];
for (const [path, written] of Object.entries(pages)) {
  const filepath = join(root, path);
  const text = await format(written, { ...(await resolveConfig(filepath)), filepath });
  let present = '';
  try {
    present = readFileSync(filepath, 'utf8');
  } catch {
    // It is not there yet.
  }
  if (present === text) continue;
  if (check) behind.push(path);
  else writeFileSync(filepath, text);
}
if (behind.length > 0) {
  console.error(`Behind the code: ${behind.join(', ')}. Run: npm run reference`);
  process.exit(1);
}
// What a node type has started by being registered must not keep this from ending.
process.exit(0);
