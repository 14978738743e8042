/** Pages of the dashboard on a Node-RED of their own: one station, no camera, what it remembers given by the test. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPilotFlow, type FlowNode } from '../../plant/pilot-flow.ts';
import { repositoryRoot } from './shared.ts';

export const STATION = { id: 'page-station', name: 'Press 4' } as const;

export interface PageFlowOptions {
  /** As in `flows/pages`: `operator`, `review`, … */
  pages: readonly string[];
  /** Where the station keeps its journal. */
  folder: string;
  name?: string;
  /** Colours of the dashboard's theme that replace those of the pilot. */
  colors?: Readonly<Record<string, string>>;
  /** Environment variables of the tab beside STATION. */
  env?: readonly { name: string; value: string; type: string }[];
}

function sourceOf(page: string): string {
  return readFileSync(join(repositoryRoot, 'flows', 'pages', `${page}.vue`), 'utf8');
}

/** Each page under `/dashboard/<page>`, looking as in the pilot's flow and told its station like there. */
export function pageFlow({
  pages,
  folder,
  name = STATION.name,
  colors = {},
  env = [],
}: PageFlowOptions): FlowNode[] {
  const pilot = readPilotFlow();
  const first = (type: string): FlowNode => {
    const found = pilot.find((node) => node.type === type);
    assert.ok(found, `the pilot flow has no ${type}`);
    return found;
  };
  const theme = first('ui-theme');
  return [
    {
      id: 'page-tab',
      type: 'tab',
      label: 'Pages',
      env: [{ name: 'STATION', value: name, type: 'str' }, ...env],
    },
    { ...first('inspection-station'), id: STATION.id, name, folder },
    first('ui-base'),
    { ...theme, colors: { ...(theme['colors'] as object), ...colors } },
    ...pages.flatMap((page) => [
      { ...first('ui-page'), id: `the-${page}`, name: page, path: `/${page}` },
      { ...first('ui-group'), id: `the-${page}-group`, name: page, page: `the-${page}` },
      {
        ...first('ui-template'),
        id: `the-${page}-page`,
        z: 'page-tab',
        group: `the-${page}-group`,
        format: sourceOf(page),
      },
    ]),
    {
      id: 'page-told',
      type: 'inject',
      z: 'page-tab',
      name: 'which station',
      props: [{ p: 'payload', v: '{"station": $env("STATION")}', vt: 'jsonata' }],
      repeat: '',
      once: true,
      onceDelay: '0.1',
      x: 100,
      y: 100,
      wires: [pages.map((page) => `the-${page}-page`)],
    },
  ];
}
