/**
 * Makes a bundle folder of a model, its manifest and pictures: the expected answers are computed by
 * whoever can run the model, the digests here. The same input gives the same bytes. The folder
 * appears whole or not at all, and none is ever changed.
 */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { InferenceError } from '../errors.ts';
import { digestOf, readModel, type ModelSource } from '../model/model.ts';
import { bundleInvalid, bundleTooLarge } from './files.ts';
import { GOLDEN_LIMIT_BYTES, goldenPicture, type GoldenPicture } from './golden.ts';
import {
  MANIFEST_FILE,
  MANIFEST_LIMIT_BYTES,
  MODEL_FILE,
  parseManifest,
  type GoldenSample,
  type Manifest,
  type Tolerance,
} from './manifest.ts';
import { toleranceOf } from './tolerance.ts';

/** What a person says of the model; the rest of the manifest is computed. */
export type ManifestDraft = Omit<Manifest, 'schema' | 'golden' | 'files'>;

export interface PackRequest {
  /** A `.onnx` file with its weights inside, or a bundle of which only the graph is taken. */
  model: string;
  /** The folder to make; its parents are made too. */
  folder: string;
  manifest: ManifestDraft;
  /** Paths of up to sixteen JPEG, PNG, WebP or TIFF pictures the model is to be held against. */
  goldenImages?: readonly string[];
  /** Between an expected answer and one at load. Default: see `toleranceOf`. */
  tolerance?: Tolerance;
  /** The prediction for each picture, with the model loaded as `modelOptions(source, …)` says. */
  run?(source: ModelSource, pictures: readonly GoldenPicture[]): Promise<readonly Record<string, unknown>[]>;
}

export interface PackedBundle {
  /** Absolute path of the folder. */
  folder: string;
  /** Of the bundle. */
  digest: string;
  manifest: Manifest;
}

async function refuseExisting(folder: string): Promise<void> {
  const isThere = await lstat(folder).then(
    () => true,
    (error: unknown) => (error as NodeJS.ErrnoException).code !== 'ENOENT',
  );
  if (!isThere) return;
  throw new InferenceError('BUNDLE_EXISTS', `${folder} is there already`, {
    hint: 'A bundle is never changed: choose another folder, for example with the next version.',
  });
}

const ENDINGS: Record<GoldenPicture['format'], string> = {
  jpeg: 'jpg',
  png: 'png',
  webp: 'webp',
  tiff: 'tiff',
};

/** Named by their order: names of files on this machine are nobody else's business. */
async function picturesOf(paths: readonly string[]): Promise<GoldenPicture[]> {
  const pictures: GoldenPicture[] = [];
  for (const [index, path] of paths.entries()) {
    const { size } = await stat(path).catch((error: unknown) => {
      throw bundleInvalid(
        `the picture cannot be read: ${(error as Error).message}`,
        'Check the path.',
        error,
      );
    });
    if (size > GOLDEN_LIMIT_BYTES) {
      throw bundleTooLarge(`the picture ${path} is ${size} bytes, the limit is ${GOLDEN_LIMIT_BYTES}`);
    }
    const picture = goldenPicture(path, await readFile(path));
    const name = `golden/${String(index + 1).padStart(2, '0')}.${ENDINGS[picture.format]}`;
    pictures.push({ ...picture, name });
  }
  return pictures;
}

async function expectedOf(
  source: ModelSource,
  pictures: readonly GoldenPicture[],
  request: PackRequest,
): Promise<GoldenSample[]> {
  if (pictures.length === 0) return [];
  const answers = (await request.run?.(source, pictures)) ?? [];
  return pictures.map(({ name }, index) => {
    const expected = answers[index];
    if (expected === undefined) throw new Error(`there is no answer for ${name}`);
    return { image: name, expected, tolerance: request.tolerance ?? toleranceOf(expected) };
  });
}

/** In the order in which people read it. */
function completed(draft: ManifestDraft, golden: GoldenSample[], files: Manifest['files']): Manifest {
  const { name, version, task, input, outputs, labels, postprocessing, provenance, intendedUse } = draft;
  return {
    schema: 1,
    name,
    version,
    task,
    input,
    outputs,
    ...(labels === undefined ? {} : { labels }),
    ...(postprocessing === undefined ? {} : { postprocessing }),
    ...(golden.length === 0 ? {} : { golden }),
    ...(provenance === undefined ? {} : { provenance }),
    ...(intendedUse === undefined ? {} : { intendedUse }),
    files,
  };
}

function textOf(manifest: Manifest): Buffer {
  const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  if (text.length <= MANIFEST_LIMIT_BYTES) return text;
  throw bundleTooLarge(
    `${MANIFEST_FILE} would be ${text.length} bytes, the limit is ${MANIFEST_LIMIT_BYTES}`,
  );
}

async function write(path: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await using file = await open(path, 'wx');
  await file.writeFile(bytes);
  await file.sync();
}

/** Gives the finished draft its name. */
async function publish(draft: string, folder: string): Promise<void> {
  await refuseExisting(folder);
  await rename(draft, folder);
  // the rename itself survives a power cut only when the folder was flushed; not every system can
  const parent = await open(dirname(folder)).catch(() => undefined);
  await parent?.sync().catch(() => undefined);
  await parent?.close();
}

/**
 * Packs a bundle, and reads it back before it gets its name.
 *
 * @throws InferenceError `BUNDLE_EXISTS`, `BUNDLE_INVALID`, `BUNDLE_TOO_LARGE`, and what `readModel` and `run` throw
 */
export async function packBundle(request: PackRequest): Promise<PackedBundle> {
  const folder = resolve(request.folder);
  await refuseExisting(folder);
  const { bytes } = await readModel(request.model);
  const pictures = await picturesOf(request.goldenImages ?? []);
  const files: Manifest['files'] = { [MODEL_FILE]: digestOf(bytes) };
  for (const picture of pictures) files[picture.name] = digestOf(picture.bytes);

  // as it will be loaded, so that the answers are those of the bundle
  const draft = parseManifest(textOf(completed(request.manifest, [], files)));
  const { name, version } = draft.manifest;
  const source = {
    name,
    version,
    bytes,
    digest: draft.digest,
    bundle: { manifest: draft.manifest, golden: [] },
  };
  const golden = await expectedOf(source, pictures, request);
  const text = textOf(completed(request.manifest, golden, files));
  parseManifest(text);

  const temporary = join(dirname(folder), `.${basename(folder)}.${randomUUID()}`);
  try {
    await write(join(temporary, MODEL_FILE), bytes);
    for (const picture of pictures) await write(join(temporary, picture.name), picture.bytes);
    await write(join(temporary, MANIFEST_FILE), text);
    const packed = await readModel(temporary);
    await publish(temporary, folder);
    return { folder, digest: packed.digest, manifest: packed.bundle?.manifest ?? draft.manifest };
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}
