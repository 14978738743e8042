// Registers every node type with a runtime that only listens, and asks for the routes that came of it.
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openApi } from '../../nodes/runtime/open-api.ts';
import type { NodeAPI } from '../../nodes/runtime/types.ts';

interface PackageJson {
  version: string;
  'node-red': { nodes: Record<string, string> };
}

const nothing = (): undefined => undefined;

function listeningRuntime(): NodeAPI {
  const web = { get: nothing, post: nothing, use: nothing };
  return {
    nodes: { registerType: nothing, getNode: () => null, eachNode: nothing, createNode: nothing },
    httpAdmin: web,
    httpNode: { ...web },
    auth: { needsPermission: () => nothing },
    events: new EventEmitter(),
    settings: {},
    log: { info: nothing, warn: nothing, error: nothing, debug: nothing, trace: nothing },
    util: {},
    hooks: { add: nothing, remove: nothing },
    plugins: { registerPlugin: nothing },
    _: (key: string) => key,
  } as unknown as NodeAPI;
}

export async function openApiDocument(root: string): Promise<object> {
  const { version, 'node-red': nodeRed } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  ) as PackageJson;
  const RED = listeningRuntime();
  for (const type of Object.keys(nodeRed.nodes).sort()) {
    const file = join(root, 'nodes', type, `${basename(type)}.ts`);
    const { default: register } = (await import(pathToFileURL(file).href)) as {
      default: (RED: NodeAPI) => unknown;
    };
    await register(RED);
  }
  return openApi(RED, version);
}
