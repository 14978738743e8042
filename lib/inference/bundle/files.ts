/**
 * The files of a bundle, wherever they lie: their names, sizes and, one by one, their bytes. Names
 * come from outside and mean the same on every system, or are refused.
 */
import { InferenceError } from '../errors.ts';
import { quoted } from '../model/fields.ts';
import type { HashedBytes } from '../model/read-file.ts';

export interface BundleFiles {
  /** Bytes by name; names are relative with forward slashes. */
  readonly sizes: ReadonlyMap<string, number>;
  /** @throws InferenceError `BUNDLE_INVALID`, `BUNDLE_TOO_LARGE`, `MODEL_NOT_ALLOWED` */
  read(name: string): Promise<HashedBytes>;
}

/** Files and folders; a model, its manifest and sixteen pictures are eighteen. */
export const MAX_ENTRIES = 256;
const MAX_NAME = 200;
const MAX_DEPTH = 8;

export function bundleInvalid(message: string, hint: string, cause?: unknown): InferenceError {
  return new InferenceError('BUNDLE_INVALID', message, { hint, ...(cause === undefined ? {} : { cause }) });
}

export function bundleTooLarge(message: string): InferenceError {
  return new InferenceError('BUNDLE_TOO_LARGE', message, {
    hint: 'Keep only what belongs to the model: the graph, its manifest and a few golden pictures.',
  });
}

export function tooManyEntries(): InferenceError {
  return bundleTooLarge(`the bundle has more than ${MAX_ENTRIES} files and folders`);
}

/** Names Windows keeps for devices, in every folder and with every ending. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Why this may not name a file of a bundle, to follow the name; undefined when it may. */
function problemOf(name: string): string | undefined {
  if (name === '' || name.length > MAX_NAME) return `is not 1 to ${MAX_NAME} characters long`;
  if (/[\p{Cc}\p{Cf}\p{Cs}\uFFFD]/u.test(name)) return 'has a character that cannot be shown';
  if (name.includes('\\')) return 'has a backslash';
  if (name.startsWith('/') || /^[a-z]:/i.test(name)) return 'is an absolute path';
  if (/[<>:"|?*]/.test(name)) return 'has a character that Windows forbids';
  const segments = name.split('/');
  if (segments.length > MAX_DEPTH) return `lies more than ${MAX_DEPTH} folders deep`;
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    return 'leads out of the bundle or nowhere';
  }
  if (segments.some((segment) => /[. ]$/.test(segment) || DEVICE.test(segment))) {
    return 'means something else on Windows';
  }
  return undefined;
}

/**
 * Refuses names that lead elsewhere, and two that are one where case does not count.
 *
 * @throws InferenceError `BUNDLE_INVALID`
 */
export function checkNames(names: Iterable<string>): void {
  const hint = 'Name files with letters, digits, hyphens and dots; folders are divided by /.';
  const seen = new Map<string, string>();
  for (const name of names) {
    const problem = problemOf(name);
    if (problem !== undefined) throw bundleInvalid(`the name ${quoted(name)} in the bundle ${problem}`, hint);
    const folded = name.normalize('NFC').toLowerCase();
    const other = seen.get(folded);
    if (other !== undefined) {
      throw bundleInvalid(`the bundle has ${quoted(other)} and ${quoted(name)}, the same file`, hint);
    }
    seen.set(folded, name);
  }
}
