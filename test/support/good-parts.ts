/** A dozen real good parts and a few bad ones, for tests that teach. */
import type { Context } from 'mocha';
import { readFrame } from '../../lib/anomaly/folder-frames.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import { sharedSet } from '../../bench/eval/image-sets.ts';
import { requirePath, shared } from './shared.ts';

export interface RealParts {
  good: Frame[];
  bad: Frame[];
  /** Where the pictures of `good` are. */
  goodPaths: string[];
  /** Where the first of `bad` is. */
  badPath: string;
}

/** Skips the calling hook's tests where the pictures are not at hand. */
export async function realParts(context: Context, count = 12): Promise<RealParts> {
  const images = shared('data', 'images');
  requirePath(context, images, 'the sets of real pictures');
  const { train_good: good, test_bad: bad } = sharedSet(images, 'cubes');
  const goodPaths = good.slice(0, count);
  return {
    good: await Promise.all(goodPaths.map(readFrame)),
    bad: await Promise.all(bad.slice(0, 3).map(readFrame)),
    goodPaths,
    badPath: bad[0] ?? '',
  };
}
