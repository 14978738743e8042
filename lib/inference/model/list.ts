/**
 * Which models lie in the model folder: `.onnx` files, zips, and folders that hold a bundle. It looks
 * at names, sizes and dates alone; what is in a file shows when it is read. Links are passed over,
 * because a model behind one is refused anyway.
 */
import type { Dirent } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceError } from '../errors.ts';

interface ListedModel {
  /** Relative to the folder, with `/` between names; untrusted text. */
  path: string;
  kind: 'onnx' | 'zip' | 'bundle';
  /** Of the file; of a bundle's folder, all the files that lie directly in it. */
  bytes: number;
  /** ISO 8601; of a bundle, its newest file. */
  modifiedAt: string;
}

interface ModelList {
  folder: string;
  models: ListedModel[];
  /** True when there was more than is listed. */
  isCut: boolean;
}

/** Folders below the model folder that are looked into. */
const MAX_DEPTH = 4;
/** More than anybody picks from, and 60 kB of answer. */
const MAX_MODELS = 500;
/** Entries looked at, models or not: a folder of pictures above them must not hold up Node-RED. */
const MAX_ENTRIES = 10_000;
/** What makes a folder a bundle. */
const MANIFEST = 'model.json';

interface Search {
  models: ListedModel[];
  entries: number;
  isCut: boolean;
}

/** What lies in a folder, by name; nothing where it cannot be read. */
async function entriesOf(folder: string, search: Search): Promise<Dirent[]> {
  const entries: Dirent[] = [];
  try {
    for await (const entry of await opendir(folder)) {
      search.entries += 1;
      if (search.entries > MAX_ENTRIES) {
        search.isCut = true;
        break;
      }
      if (!entry.name.startsWith('.')) entries.push(entry);
    }
  } catch {
    // Another user's folder, or one that went away: the others count.
  }
  return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
}

function kindOf({ name }: Dirent): 'onnx' | 'zip' | undefined {
  const ending = /\.(onnx|zip)$/i.exec(name)?.[1]?.toLowerCase();
  return ending === 'onnx' || ending === 'zip' ? ending : undefined;
}

/** Size and date of files together; undefined where none is left. */
async function factsOf(
  paths: readonly string[],
): Promise<Pick<ListedModel, 'bytes' | 'modifiedAt'> | undefined> {
  const found = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  const statuses = found.filter((status) => status !== undefined);
  if (statuses.length === 0) return undefined;
  const newest = Math.max(...statuses.map(({ mtimeMs }) => mtimeMs));
  const bytes = statuses.reduce((sum, { size }) => sum + size, 0);
  return { bytes, modifiedAt: new Date(newest).toISOString() };
}

async function add(search: Search, path: string, kind: ListedModel['kind'], files: string[]): Promise<void> {
  if (search.models.length >= MAX_MODELS) {
    search.isCut = true;
    return;
  }
  const facts = await factsOf(files);
  if (facts !== undefined) search.models.push({ path, kind, ...facts });
}

async function look(root: string, below: string, depth: number, search: Search): Promise<void> {
  const folder = join(root, below);
  const entries = await entriesOf(folder, search);
  const files = entries.filter((entry) => entry.isFile());
  const isBundle = below !== '' && files.some(({ name }) => name === MANIFEST);
  if (isBundle) {
    const paths = files.map(({ name }) => join(folder, name));
    await add(search, below, 'bundle', paths);
    return;
  }
  for (const entry of files) {
    const kind = kindOf(entry);
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (kind !== undefined) await add(search, path, kind, [join(folder, entry.name)]);
  }
  if (depth === MAX_DEPTH) return;
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    await look(root, below === '' ? name : `${below}/${name}`, depth + 1, search);
  }
}

/**
 * The models in a folder and up to four folders below it, files before folders, each by name.
 *
 * @throws InferenceError `MODEL_FOLDER_MISSING`
 */
export async function listModels(folder: string): Promise<ModelList> {
  const status = await stat(folder).catch(() => undefined);
  if (status?.isDirectory() !== true) {
    throw new InferenceError('MODEL_FOLDER_MISSING', `there is no folder ${folder}`, {
      hint: 'Make it and put models into it, or name another one with jidokaModelFolder in settings.js.',
    });
  }
  const search: Search = { models: [], entries: 0, isCut: false };
  await look(folder, '', 0, search);
  return { folder, models: search.models, isCut: search.isCut };
}
