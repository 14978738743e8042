/** Sets of pictures to evaluate on: good parts to teach from, and good and bad ones to tell apart. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { picturesIn } from '../../lib/anomaly/folder-frames.ts';

const LISTS = ['train_good', 'test_good', 'test_bad'] as const;
type List = (typeof LISTS)[number];

/** Absolute paths of pictures. */
export type ImageSet = Record<List, string[]> & {
  name: string;
  /** Where the defects of bad pictures are: a picture of the same size, black where the part is good. */
  masks: ReadonlyMap<string, string>;
};

/** The sets of `splits.json`, with the folder each list is relative to, and the AUROC to reach. */
export const SHARED_SETS = [
  { name: 'cubes', key: 'dobot_cubes', folder: 'anomalib_dobot_cubes', goal: 0.999 },
  {
    name: 'cookies',
    key: 'aws_cookies',
    folder: 'aws_cookies_288x384',
    masks: 'dataset-files/mask-images',
    goal: 0.97,
  },
  { name: 'aliens', key: 'aws_aliens', folder: 'aws_aliens', goal: 0.99 },
] as const;

/** Masks are named as the pictures they belong to. */
function masksIn(folder: string, pictures: readonly string[]): Map<string, string> {
  const found = pictures.flatMap((picture): [string, string][] => {
    const mask = join(folder, `${basename(picture, extname(picture))}.png`);
    return existsSync(mask) ? [[picture, mask]] : [];
  });
  return new Map(found);
}

/** A set of the shared images, by its name in {@link SHARED_SETS}. */
export function sharedSet(imagesFolder: string, name: (typeof SHARED_SETS)[number]['name']): ImageSet {
  const set = SHARED_SETS.find((candidate) => candidate.name === name) ?? SHARED_SETS[0];
  const splits = JSON.parse(readFileSync(join(imagesFolder, 'splits.json'), 'utf8')) as Record<
    string,
    Record<List, string[]>
  >;
  const lists = splits[set.key];
  if (lists === undefined) throw new Error(`splits.json has no set ${set.key}`);
  const folder = join(imagesFolder, set.folder);
  const paths = (list: List): string[] => lists[list].map((path) => join(folder, path));
  return {
    name,
    train_good: paths('train_good'),
    test_good: paths('test_good'),
    test_bad: paths('test_bad'),
    masks: 'masks' in set ? masksIn(join(folder, set.masks), paths('test_bad')) : new Map(),
  };
}

/**
 * A set in a folder of its own: `train_good`, `test_good` and `test_bad` each either a folder of
 * pictures or a text file `<list>.txt` with one path a line, relative to the folder; and, where it is
 * known, `masks` with a `<name>.png` for each bad picture that shows where the defect is.
 */
export async function folderSet(folder: string): Promise<ImageSet> {
  const [trainGood, testGood, testBad] = await Promise.all(LISTS.map((list) => pathsOf(folder, list)));
  return {
    name: basename(resolve(folder)),
    train_good: trainGood ?? [],
    test_good: testGood ?? [],
    test_bad: testBad ?? [],
    masks: masksIn(join(folder, 'masks'), testBad ?? []),
  };
}

async function pathsOf(folder: string, list: List): Promise<string[]> {
  const file = join(folder, `${list}.txt`);
  if (!existsSync(file)) return picturesIn(join(folder, list));
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => resolve(folder, line));
}
