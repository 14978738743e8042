/** A bundle as a folder: plain files of its own and folders of such, no links, pipes or devices. */
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { quoted } from '../model/fields.ts';
import { notAllowed, openOwn, readHashed } from '../model/read-file.ts';
import {
  bundleInvalid,
  bundleTooLarge,
  checkNames,
  MAX_ENTRIES,
  tooManyEntries,
  type BundleFiles,
} from './files.ts';

/** Sizes of all files below `folder`, by name relative to it. */
async function sizesOf(folder: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  const folders = [''];
  let count = 0;
  // grows while it is walked
  for (const inside of folders) {
    for await (const entry of await opendir(join(folder, inside))) {
      count += 1;
      if (count > MAX_ENTRIES) throw tooManyEntries();
      const name = inside === '' ? entry.name : `${inside}/${entry.name}`;
      checkNames([name]);
      if (entry.isDirectory()) folders.push(name);
      else if (entry.isFile()) sizes.set(name, (await lstat(join(folder, name))).size);
      else if (entry.isSymbolicLink()) throw notAllowed(`a bundle with the symbolic link ${quoted(name)}`);
      else throw notAllowed(`a bundle with ${quoted(name)}, which is no file`);
    }
  }
  return sizes;
}

/**
 * Lists the folder; files are opened when they are read, each checked to be the one that was listed.
 *
 * @throws InferenceError `BUNDLE_INVALID`, `BUNDLE_TOO_LARGE`, `MODEL_NOT_ALLOWED`; errors of the system
 */
export async function openFolder(folder: string, limitBytes: number): Promise<BundleFiles> {
  const sizes = await sizesOf(folder);
  checkNames(sizes.keys());
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  if (total > limitBytes)
    throw bundleTooLarge(`the bundle is ${total} bytes, the limit for this one is ${limitBytes}`);
  return {
    sizes,
    async read(name) {
      await using opened = await openOwn(join(folder, name));
      if (opened.size !== sizes.get(name)) {
        throw bundleInvalid(
          `${quoted(name)} changed while the bundle was read`,
          'Try again when it is copied.',
        );
      }
      return await readHashed(opened.file, opened.size);
    },
  };
}
