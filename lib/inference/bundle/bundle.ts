/**
 * A bundle: a model with everything that must not be lost or changed on its way to the line. Each of
 * its files is listed in the manifest by digest, and nothing else may lie beside them, so that the
 * digest of the manifest is the digest of the whole.
 */
import { InferenceError } from '../errors.ts';
import { quoted } from '../model/fields.ts';
import { tooLarge } from '../model/read-file.ts';
import { inlineExternalData } from './external-data.ts';
import { bundleInvalid, bundleTooLarge, type BundleFiles } from './files.ts';
import { goldenPicture, type GoldenFrame } from './golden.ts';
import {
  MANIFEST_FILE,
  MANIFEST_LIMIT_BYTES,
  MODEL_FILE,
  parseManifest,
  SIGNATURE_FILE,
  type Manifest,
} from './manifest.ts';

export interface Bundle {
  manifest: Manifest;
  golden: GoldenFrame[];
}

/** What a bundle may have beside its model, in bytes: pictures, texts, the frames it was quantised with. */
export const EXTRA_LIMIT_BYTES = 64 * 1024 ** 2;

interface ReadBundle extends Bundle {
  /** The graph, with its weights where they lay in files of their own. Not scanned yet. */
  bytes: Buffer;
  /** Of the manifest, so of everything. */
  digest: string;
}

/** Nothing listed is missing, nothing is there that is not listed. */
function checkClosed({ sizes }: BundleFiles, { files }: Manifest): void {
  for (const name of Object.keys(files)) {
    if (!sizes.has(name)) {
      throw bundleInvalid(
        `the bundle lacks ${quoted(name)}`,
        'Copy the bundle once more, with all its files.',
      );
    }
  }
  for (const name of sizes.keys()) {
    if (name === MANIFEST_FILE || name === SIGNATURE_FILE || Object.hasOwn(files, name)) continue;
    throw bundleInvalid(
      `the bundle holds ${quoted(name)}, which model.json does not list`,
      'Remove the file, or pack the bundle again: npx jidoka pack.',
    );
  }
}

async function readManifest(files: BundleFiles): Promise<{ manifest: Manifest; digest: string }> {
  const size = files.sizes.get(MANIFEST_FILE);
  if (size === undefined) {
    throw bundleInvalid(
      `there is no ${MANIFEST_FILE} in it, so it is no bundle`,
      'Choose a .onnx file, or a bundle as npx jidoka pack makes it.',
    );
  }
  if (size > MANIFEST_LIMIT_BYTES) {
    throw bundleTooLarge(`${MANIFEST_FILE} is ${size} bytes, the limit is ${MANIFEST_LIMIT_BYTES}`);
  }
  return parseManifest((await files.read(MANIFEST_FILE)).bytes);
}

/** Reads every file once and checks it against the manifest. The graph itself is for the scan. */
export async function readBundle(
  files: BundleFiles,
  options: { modelLimitBytes: number; digest?: string | undefined },
): Promise<ReadBundle> {
  const { manifest, digest } = await readManifest(files);
  if (options.digest !== undefined && digest !== options.digest) {
    throw new InferenceError('MODEL_DIGEST_MISMATCH', `the bundle is ${digest}, not ${options.digest}`, {
      hint: 'The bundle was changed. Bring back the one this digest belongs to.',
    });
  }
  checkClosed(files, manifest);
  const size = files.sizes.get(MODEL_FILE) ?? 0;
  if (size > options.modelLimitBytes) throw tooLarge(size, options.modelLimitBytes);

  const unread = new Set(Object.keys(manifest.files));
  const read = async (name: string): Promise<Buffer> => {
    unread.delete(name);
    const { bytes, digest: found } = await files.read(name);
    if (found === manifest.files[name]) return bytes;
    throw bundleInvalid(
      `${quoted(name)} is ${found}, model.json lists ${manifest.files[name] ?? 'none'}`,
      'The file was changed or damaged. Bring back the bundle as it was packed.',
    );
  };

  const golden: GoldenFrame[] = [];
  for (const { image, expected, tolerance } of manifest.golden ?? []) {
    golden.push({ ...goldenPicture(image, await read(image)), expected, tolerance });
  }
  const bytes = await inlineExternalData(await read(MODEL_FILE), {
    limitBytes: options.modelLimitBytes,
    has: (name) => Object.hasOwn(manifest.files, name),
    read,
  });
  for (const name of unread) await read(name);
  return { manifest, digest, bytes, golden };
}
