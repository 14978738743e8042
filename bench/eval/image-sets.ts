/** Sets of pictures to evaluate on: good parts to teach from, and good and bad ones to tell apart. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { picturesIn } from '../../lib/anomaly/folder-frames.ts';

const LISTS = ['train_good', 'test_good', 'test_bad'] as const;
type List = (typeof LISTS)[number];

/** Absolute paths of pictures. */
export type ImageSet = { name: string } & Record<List, string[]>;

/** The sets of `splits.json`, with the folder each list is relative to, and the AUROC to reach. */
export const SHARED_SETS = [
  { name: 'cubes', key: 'dobot_cubes', folder: 'anomalib_dobot_cubes', goal: 0.99 },
  { name: 'cookies', key: 'aws_cookies', folder: 'aws_cookies_288x384', goal: 0.95 },
  { name: 'aliens', key: 'aws_aliens', folder: 'aws_aliens', goal: 0.97 },
] as const;

/** A set of the shared images, by its name in {@link SHARED_SETS}. */
export function sharedSet(imagesFolder: string, name: (typeof SHARED_SETS)[number]['name']): ImageSet {
  const set = SHARED_SETS.find((candidate) => candidate.name === name) ?? SHARED_SETS[0];
  const splits = JSON.parse(readFileSync(join(imagesFolder, 'splits.json'), 'utf8')) as Record<
    string,
    Record<List, string[]>
  >;
  const lists = splits[set.key];
  if (lists === undefined) throw new Error(`splits.json has no set ${set.key}`);
  const paths = (list: List): string[] => lists[list].map((path) => join(imagesFolder, set.folder, path));
  return {
    name,
    train_good: paths('train_good'),
    test_good: paths('test_good'),
    test_bad: paths('test_bad'),
  };
}

/**
 * A set in a folder of its own: `train_good`, `test_good` and `test_bad` each either a folder of
 * pictures or a text file `<list>.txt` with one path a line, relative to the folder.
 */
export async function folderSet(folder: string): Promise<ImageSet> {
  const [trainGood, testGood, testBad] = await Promise.all(LISTS.map((list) => pathsOf(folder, list)));
  return {
    name: basename(resolve(folder)),
    train_good: trainGood ?? [],
    test_good: testGood ?? [],
    test_bad: testBad ?? [],
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
