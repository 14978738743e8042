/** The pictures in a folder as frames, one read at a time. */
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import sharp from 'sharp';
import { Frame, type FrameFormat } from '../frame/frame.ts';
import { AnomalyError } from './errors.ts';

const FORMATS: Readonly<Record<string, FrameFormat | undefined>> = {
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.png': 'png',
  '.webp': 'webp',
  '.tif': 'tiff',
  '.tiff': 'tiff',
};

/** Absolute paths of the pictures in a folder, by name. Throws `FOLDER_UNREADABLE`. */
export async function picturesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new AnomalyError('FOLDER_UNREADABLE', `the folder ${folder} cannot be read`, {
      hint: 'Check the path and that Node-RED may read it.',
      cause,
    });
  });
  return names
    .filter((name) => formatOf(name) !== undefined)
    .sort()
    .map((name) => join(folder, name));
}

/** Undefined for what is no picture by its name. */
export function formatOf(path: string): FrameFormat | undefined {
  return FORMATS[extname(path).toLowerCase()];
}

/** One picture as a frame. Rejects with sharp's error when its header cannot be read. */
export async function readFrame(path: string): Promise<Frame> {
  const bytes = await readFile(path);
  const { width, height } = await sharp(bytes).metadata();
  return new Frame(bytes, { width, height, format: formatOf(path) ?? 'jpeg', source: path });
}

/** Frames of the pictures, skipping those that are no pictures. */
export async function* framesOf(paths: readonly string[]): AsyncGenerator<Frame> {
  for (const path of paths) {
    const frame = await readFrame(path).catch(() => undefined);
    if (frame !== undefined) yield frame;
  }
}
