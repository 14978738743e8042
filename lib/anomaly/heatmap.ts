/**
 * A picture for people: the frame, small, with colour where the part looks unusual. Decoding,
 * shrinking, blending and encoding run in the threads of libvips, so the event loop stays free.
 */
import sharp, { type Sharp } from 'sharp';
import { bytesOf, Frame } from '../frame/frame.ts';
import { AnomalyError } from './errors.ts';
import { sideOf } from './head.ts';

const MAX_WIDTH = 640;
const JPEG_QUALITY = 80;
/** Opacity where the map reaches the level, and where it is at twice the level and above. */
const FAINTEST = 0.25;
const STRONGEST = 0.75;

/**
 * JPEG of at most 640 pixels width. `map`: a square of distances; patches above `level` are blended with
 * yellow, redder the farther above, fully red at twice the level, so that heatmaps of one model
 * can be compared. Throws `SCORE_MAP_INVALID` when the map is not square; rejects with sharp's
 * error when the frame cannot be decoded.
 */
export async function heatmap(frame: Frame, map: ArrayLike<number>, level: number): Promise<Frame> {
  const side = sideOf(map.length);
  if (!(side > 0)) {
    throw new AnomalyError('SCORE_MAP_INVALID', `a map of ${map.length} patches is not square`);
  }
  const width = Math.min(MAX_WIDTH, frame.width);
  const height = Math.max(1, Math.round((frame.height * width) / frame.width));
  const overlay = await sharp(overlayPixels(map, level), {
    raw: { width: side, height: side, channels: 4 },
  })
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .raw()
    .toBuffer();
  const jpeg = await picture(frame, await bytesOf(frame))
    .resize(width, height, { fit: 'fill' })
    .toColourspace('srgb')
    .composite([{ input: overlay, raw: { width, height, channels: 4 } }])
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
  return new Frame(jpeg, {
    width,
    height,
    format: 'jpeg',
    source: frame.source,
    capturedAt: frame.capturedAt,
  });
}

function picture({ width, height, format }: Frame, bytes: Buffer): Sharp {
  if (format !== 'rgb' && format !== 'gray') return sharp(bytes);
  return sharp(bytes, { raw: { width, height, channels: format === 'rgb' ? 3 : 1 } });
}

function overlayPixels(map: ArrayLike<number>, level: number): Buffer {
  const pixels = Buffer.alloc(map.length * 4);
  for (let patch = 0; patch < map.length; patch += 1) {
    const above = ((map[patch] ?? 0) - level) / level;
    const strength = Math.min(Math.max(above, 0), 1);
    pixels[patch * 4] = 255;
    pixels[patch * 4 + 1] = Math.round(220 * (1 - strength));
    pixels[patch * 4 + 3] = above > 0 ? Math.round(255 * (FAINTEST + (STRONGEST - FAINTEST) * strength)) : 0;
  }
  return pixels;
}
