/** Where the models of this Node-RED are. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { resolveModel } from '../../lib/inference/model/folder.ts';
import type { NodeAPI } from './types.ts';

/** `jidokaModelFolder` of settings.js, else `jidoka/models` in the user directory. */
export function modelFolder(RED: NodeAPI): string {
  const { jidokaModelFolder: folder, userDir } = RED.settings as unknown as Record<string, unknown>;
  if (typeof folder === 'string' && folder !== '') return folder;
  return join(typeof userDir === 'string' ? userDir : join(homedir(), '.node-red'), 'jidoka', 'models');
}

/** The real path of a model in that folder. @throws InferenceError `MODEL_NOT_FOUND`, `MODEL_NOT_ALLOWED` */
export function modelFile(RED: NodeAPI, path: string): Promise<string> {
  return resolveModel(modelFolder(RED), path);
}
