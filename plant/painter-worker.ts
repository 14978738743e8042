/**
 * Paints in a thread of its own, so that 20 ms of drawing never hold up the servers: takes what
 * `drawPart` takes, answers with the encoded picture and where the defect is.
 */
import { parentPort } from 'node:worker_threads';
import sharp from 'sharp';
import { drawPart, type PartImage, type PartRequest } from './part-image.ts';

export interface PaintJob {
  job: number;
  request: PartRequest;
}

export type PaintAnswer =
  { job: number; jpeg: Uint8Array; box: PartImage['box'] } | { job: number; failure: string };

async function encodeJpeg(image: Pick<PartImage, 'rgb' | 'width' | 'height'>): Promise<Buffer> {
  const { rgb, width, height } = image;
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
}

parentPort?.on('message', ({ job, request }: PaintJob) => {
  void (async () => {
    let answer: PaintAnswer;
    try {
      const image = drawPart(request);
      answer = { job, jpeg: await encodeJpeg(image), box: image.box };
    } catch (error) {
      answer = { job, failure: error instanceof Error ? error.message : String(error) };
    }
    parentPort?.postMessage(answer);
  })();
});
