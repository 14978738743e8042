/** The pictures of the benches: stamped parts on their belt, 1080p, as a camera's JPEG files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { Frame } from '../lib/frame/frame.ts';
import { drawPart } from '../plant/part-image.ts';

export const WIDTH = 1920;
export const HEIGHT = 1080;
const QUALITY = 90;

/** Draws `count` parts into `folder`. */
export async function drawPictures(folder: string, count: number): Promise<Frame[]> {
  mkdirSync(folder, { recursive: true });
  const frames: Frame[] = [];
  for (let seed = 1; seed <= count; seed += 1) {
    const { rgb } = drawPart({ seed, defect: null, width: WIDTH, height: HEIGHT });
    const bytes = await sharp(rgb, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
      .jpeg({ quality: QUALITY })
      .toBuffer();
    const name = `part-${String(seed).padStart(2, '0')}.jpg`;
    writeFileSync(join(folder, name), bytes);
    frames.push(new Frame(bytes, { width: WIDTH, height: HEIGHT, format: 'jpeg', source: name }));
  }
  return frames;
}
