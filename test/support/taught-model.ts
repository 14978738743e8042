/** A model “top” of a dozen real good parts, taught once in a run of tests and copied to whoever needs one. */
import { rmSync } from 'node:fs';
import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { teach } from '../../lib/anomaly/teach.ts';
import type { RealParts } from './good-parts.ts';

/** Whoever asks first may have more. */
const DOZEN = 12;

let taught: Promise<string> | undefined;

async function taughtFrom({ good: frames }: RealParts): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-taught-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await teach({ frames: frames.slice(0, DOZEN), folder, name: 'top', coresetSize: 50, method: 'patch-nn' });
  return folder;
}

/** Puts its version 1 into this folder of models. */
export async function putTaughtModel(parts: RealParts, folder: string): Promise<void> {
  taught ??= taughtFrom(parts);
  await cp(await taught, folder, { recursive: true });
}
