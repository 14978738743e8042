/** Parts of the simulated line as files: for pictures that are shown, which are to be nobody else's. */
import { writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { drawPart, type PartRequest } from '../../plant/part-image.ts';

const SIZE = { width: 640, height: 480 };

/** Writes one part as a JPEG of 640 × 480. */
export async function putDrawnPart(path: string, part: Pick<PartRequest, 'seed' | 'defect'>): Promise<void> {
  const { rgb, width, height } = drawPart({ ...SIZE, severity: 1, ...part });
  const raw = { width, height, channels: 3 } as const;
  await writeFile(path, await sharp(rgb, { raw }).jpeg({ quality: 92 }).toBuffer());
}
