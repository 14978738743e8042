/**
 * A picture for people: the frame, small, with colour where the part looks unusual. Decoding,
 * shrinking, blending and encoding run in the threads of libvips, so the event loop stays free; and
 * it is made when it is first read, so that no verdict waits for it.
 */
import sharp, { type Sharp } from 'sharp';
import { bytesOf, Frame } from '../frame/frame.ts';
import { LaterBytes } from '../frame/later.ts';
import { AnomalyError } from './errors.ts';
import { sideOf } from './head.ts';

const MAX_WIDTH = 640;
const JPEG_QUALITY = 80;
/** Opacity where the map reaches the level, and where it is at twice the level and above. */
const FAINTEST = 0.25;
const STRONGEST = 0.75;

/** How far from normal each patch is, row by row; patches above `level` are shown. */
export interface HeatMap {
  map: ArrayLike<number>;
  level: number;
  /** Of the map; square unless told. */
  columns?: number;
}

export interface Size {
  width: number;
  height: number;
}

/** The size of `frame` at most `maxWidth` wide. */
export function sizeWithin({ width, height }: Size, maxWidth: number): Size {
  const narrower = Math.min(maxWidth, width);
  return { width: narrower, height: Math.max(1, Math.round((height * narrower) / width)) };
}

/**
 * JPEG of at most 640 pixels width. Patches above the level are blended with yellow, redder the
 * farther above, fully red at twice the level, so that heatmaps of one model can be compared.
 * Throws `SCORE_MAP_INVALID` when the map has no such shape; reading it rejects with sharp's error
 * when the frame cannot be decoded.
 */
export function heatmap(frame: Frame, heat: HeatMap): Frame {
  gridOf(heat);
  const size = sizeWithin(frame, MAX_WIDTH);
  const jpeg = async (): Promise<Buffer> =>
    (await heated(frame, heat, size)).jpeg({ quality: JPEG_QUALITY }).toBuffer();
  const { source, capturedAt } = frame;
  return new Frame(new LaterBytes(jpeg), { ...size, format: 'jpeg', source, capturedAt });
}

/** JPEG of the bare frame, as large as its heatmap, so that one can be laid over the other. */
export async function withoutHeat(frame: Frame): Promise<Buffer> {
  return (await shrunk(frame, sizeWithin(frame, MAX_WIDTH))).jpeg({ quality: JPEG_QUALITY }).toBuffer();
}

/** The frame at this size with its heat blended in, on its way through libvips. */
export async function heated(frame: Frame, heat: HeatMap, size: Size): Promise<Sharp> {
  const { columns, rows } = gridOf(heat);
  const raw = { ...size, channels: 4 as const };
  const overlay = await sharp(overlayPixels(heat), { raw: { width: columns, height: rows, channels: 4 } })
    .resize(size.width, size.height, { fit: 'fill', kernel: 'cubic' })
    .raw()
    .toBuffer();
  return (await shrunk(frame, size)).composite([{ input: overlay, raw }]);
}

/** The frame at this size in sRGB. */
export async function shrunk(frame: Frame, size: Size): Promise<Sharp> {
  return picture(frame, await bytesOf(frame))
    .resize(size.width, size.height, { fit: 'fill' })
    .removeAlpha()
    .toColourspace('srgb');
}

function gridOf({ map, columns = sideOf(map.length) }: HeatMap): { columns: number; rows: number } {
  const rows = map.length / columns;
  if (!(columns > 0 && rows > 0 && Number.isInteger(rows))) {
    throw new AnomalyError('SCORE_MAP_INVALID', `a map of ${map.length} patches has no such grid`);
  }
  return { columns, rows };
}

function picture({ width, height, format }: Frame, bytes: Buffer): Sharp {
  if (format !== 'rgb' && format !== 'gray') return sharp(bytes);
  return sharp(bytes, { raw: { width, height, channels: format === 'rgb' ? 3 : 1 } });
}

function overlayPixels({ map, level }: HeatMap): Buffer {
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
