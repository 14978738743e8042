// The page docs/reference/settings.md: what each node keeps in a flow, under which label its dialog shows it, and
// what a new node starts with.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { registrationsIn } from './registration.ts';

type Catalogue = { [key: string]: Catalogue | string };

/** Fields that every node has and no dialog shows. */
const INTERNAL = new Set(['version']);

function textIn(catalogue: Catalogue, path: string): string | undefined {
  let at: Catalogue | string | undefined = catalogue;
  for (const key of path.split('.')) at = typeof at === 'object' ? at[key] : undefined;
  return typeof at === 'string' ? at.replace(/<[^>]+>/g, '').trim() : undefined;
}

/** The text key of the label of a field. */
function labelKey(html: string, field: string): string | undefined {
  const label = new RegExp(
    `<label[^>]*for="node-(?:config-)?input-${field}"[^>]*>[\\s\\S]*?</label\\s*>`,
  ).exec(html);
  return label === null ? undefined : /data-i18n="(?:\[[^\]]*\])?([^";]+)/.exec(label[0])?.[1];
}

/** What can be chosen, as it is kept. */
function choices(html: string, field: string): string[] {
  const select = new RegExp(
    `<select[^>]*id="node-(?:config-)?input-${field}"[^>]*>([\\s\\S]*?)</select\\s*>`,
  ).exec(html);
  return [...(select?.[1] ?? '').matchAll(/<option[^>]*value="([^"]*)"/g)].map(
    ([, value = '']) => value || '(empty)',
  );
}

function startOf(value: string | number | boolean | undefined): string {
  if (value === undefined) return '';
  return value === '' ? '(empty)' : `\`${value}\``;
}

function tableOf(root: string, type: string): string[] {
  const folder = join(root, 'nodes', type);
  const html = readFileSync(join(folder, `${type}.html`), 'utf8');
  const catalogue = JSON.parse(
    readFileSync(join(folder, 'locales', 'en-US', `${type}.json`), 'utf8'),
  ) as Catalogue;
  const registration = registrationsIn(html).find((found) => found.type === type);
  if (registration === undefined) throw new Error(`${type} registers nothing`);
  const rows = [...registration.defaults]
    .filter(([field]) => !INTERNAL.has(field))
    .map(([field, value]) => {
      const key = labelKey(html, field);
      const label = key === undefined ? '' : (textIn(catalogue, key) ?? '');
      const among = choices(html, field);
      const start = startOf(value) + (among.length === 0 ? '' : ` of ${among.join(', ')}`);
      return `| \`${field}\` | ${label} | ${start} |`;
    });
  return [`## ${type}`, '', '| field | in the dialog | starts as |', '| --- | --- | --- |', ...rows, ''];
}

export function settingsPage(root: string, types: readonly string[]): string {
  return [
    '# Settings',
    '',
    "What each node keeps in a flow, for whoever reads, compares or generates flows. What a field means is in the node's help",
    'in the editor. This page is written by `npm run reference` from the dialogs.',
    '',
    'In `settings.js` of Node-RED:',
    '',
    '| key | what it does |',
    '| --- | --- |',
    '| `adminAuth` | who may sign in; without it nobody can arm a station |',
    '| `jidokaModelFolder` | absolute path of the folder of models; `jidoka/models` below the user folder unless given |',
    '| `jidokaAllowedHosts` | list of hosts tickets may be sent to; see the guide to tickets |',
    '| `jidokaAllowAnonymousArming` | `true`: arming without a sign-in, on your responsibility |',
    '',
    ...types.flatMap((type) => tableOf(root, type)),
  ].join('\n');
}
