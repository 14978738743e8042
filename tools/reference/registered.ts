// Registers node types with a runtime that only listens, to be asked for the routes that came of it.
import { EventEmitter } from 'node:events';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { NodeAPI } from '../../nodes/runtime/types.ts';

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

export async function everyNodeRegistered(root: string, types: readonly string[]): Promise<NodeAPI> {
  const RED = listeningRuntime();
  for (const type of types) {
    const file = join(root, 'nodes', type, `${basename(type)}.ts`);
    const { default: register } = (await import(pathToFileURL(file).href)) as {
      default: (RED: NodeAPI) => unknown;
    };
    await register(RED);
  }
  return RED;
}
