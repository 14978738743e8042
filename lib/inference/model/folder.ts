/**
 * The one folder models may come from. A flow is edited in a browser; without this fence its
 * author could have the host read any file Node-RED can read.
 */
import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve } from 'node:path';
import { InferenceError } from '../errors.ts';

/**
 * The real path of a model (file or bundle) given relative to the folder, or absolute within it. Symbolic
 * links are followed before the check.
 *
 * @throws InferenceError `MODEL_NOT_FOUND`, `MODEL_NOT_ALLOWED`
 */
export async function resolveModel(folder: string, path: string): Promise<string> {
  let real: string;
  let root: string;
  try {
    root = await realpath(folder);
    real = await realpath(resolve(root, path));
  } catch (error) {
    throw new InferenceError('MODEL_NOT_FOUND', `there is no model '${path}' in ${folder}`, {
      hint: 'Put the .onnx file or the bundle into the model folder (jidokaModelFolder in settings.js).',
      cause: error,
    });
  }
  const inside = relative(root, real);
  if (inside.startsWith('..') || isAbsolute(inside)) {
    throw new InferenceError('MODEL_NOT_ALLOWED', `'${path}' lies outside the model folder ${folder}`, {
      hint: 'Put the model into that folder, or move the folder with jidokaModelFolder in settings.js.',
    });
  }
  return real;
}
