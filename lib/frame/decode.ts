/**
 * Encoded image → rows of RGB, 8 bit per channel. One way for everybody: the inference host and
 * teaching decode with this file, so the same bytes give the same pixels and the same scores.
 *
 * JPEG goes through @julusian/jpeg-turbo where it is installed (1080p in 5.6 ms against 8.8 ms of
 * sharp, p50 of one thread), everything else and every JPEG it refuses (CMYK) through sharp.
 * The two agree to 0.9 grey levels in the mean (jpeg-turbo takes the faster cosine transform), so
 * teach and score on machines that have the same of them. Neither turns the picture by its EXIF
 * orientation: a fixed camera's pixels stay where they are.
 *
 * 16 bit per channel (PNG, TIFF) become 8 by the upper byte: `value >> 8`, the same for every
 * picture, because a stretch to each picture's own range would change the grey of a good part from
 * one frame to the next. A camera that puts 10 or 12 bit into the lower bits of 16 therefore comes
 * out nearly black (12 bit: 16 grey levels are left), whatever MaxSampleValue or sBIT say: let it
 * fill from the top ("MSB aligned"), or send 8 bit.
 */
import { CodedError } from '../errors.ts';
import type { FrameFormat } from './frame.ts';
import { isGray, probeImage } from './probe.ts';
import { readTiff } from './tiff.ts';

/** Rows of RGB without padding: `data.length === width * height * 3`. */
export interface RgbImage {
  data: Buffer;
  width: number;
  height: number;
}

/** Rows of grey or RGB without padding: `data.length === width * height * channels`. */
export interface Pixels extends RgbImage {
  channels: 1 | 3;
}

type DecodeErrorCode = 'IMAGE_INVALID' | 'IMAGE_TOO_LARGE';

class DecodeError extends CodedError<DecodeErrorCode> {}

/** 100 megapixels: above every camera we know of, below a decompression bomb. */
const MAX_PIXELS = 100_000_000;

type JpegTurbo = typeof import('@julusian/jpeg-turbo');

let jpegTurbo: Promise<JpegTurbo | undefined> | undefined;

/** The optional codec, or undefined where it is not installed or has no binary for this machine. */
function loadJpegTurbo(): Promise<JpegTurbo | undefined> {
  jpegTurbo ??= import('@julusian/jpeg-turbo').then(
    (module) => (module as { default?: JpegTurbo }).default ?? module,
    () => undefined,
  );
  return jpegTurbo;
}

function checkSize(width: number, height: number): void {
  if (width < 1 || height < 1) throw new DecodeError('IMAGE_INVALID', 'the image has no pixels');
  if (width * height > MAX_PIXELS) {
    throw new DecodeError('IMAGE_TOO_LARGE', `${width} × ${height} pixels are more than ${MAX_PIXELS}`);
  }
}

/**
 * Measured heights, floats and signed samples have no agreed way to grey; libvips would cut them off
 * at 0 and 255 and show black or white.
 */
function checkSamples(bytes: Buffer): void {
  const header = readTiff(bytes);
  if (header === undefined || (header.bitsPerSample <= 16 && header.sampleFormat === 1)) return;
  const kind = { 2: 'signed ', 3: 'floating point ' }[header.sampleFormat] ?? '';
  throw new DecodeError(
    'IMAGE_INVALID',
    `a TIFF of ${header.bitsPerSample} bit ${kind}samples is not a picture we can show in grey levels`,
    { hint: 'Let the camera or the program that writes the file use 8 or 16 bit unsigned samples.' },
  );
}

/** A buffer of exactly this size: the one offered where it is large enough, else a new one. */
function bufferOf(length: number, offered: Buffer | undefined): Buffer {
  if (offered === undefined || offered.length < length) return Buffer.allocUnsafeSlow(length);
  return offered.subarray(0, length);
}

function rawSize(bytes: Buffer, channels: number, width?: number, height?: number): [number, number] {
  if (width === undefined || height === undefined) {
    throw new DecodeError('IMAGE_INVALID', 'raw pixels need a width and a height');
  }
  checkSize(width, height);
  if (bytes.length !== width * height * channels) {
    throw new DecodeError(
      'IMAGE_INVALID',
      `${bytes.length} bytes are not ${width} × ${height} pixels of ${channels}`,
    );
  }
  return [width, height];
}

function fromGray(bytes: Buffer, reuse: Buffer | undefined): Buffer {
  const data = bufferOf(bytes.length * 3, reuse);
  for (let pixel = 0, target = 0; pixel < bytes.length; pixel += 1, target += 3) {
    const value = bytes[pixel] as number;
    data[target] = value;
    data[target + 1] = value;
    data[target + 2] = value;
  }
  return data;
}

async function fromJpeg(
  bytes: Buffer,
  channels: 1 | 3,
  reuse: Buffer | undefined,
): Promise<Pixels | undefined> {
  const turbo = await loadJpegTurbo();
  const size = probeImage(bytes);
  if (turbo === undefined || size?.format !== 'jpeg') return undefined;
  checkSize(size.width, size.height);
  const target = bufferOf(size.width * size.height * channels, reuse);
  const format = channels === 1 ? turbo.FORMAT_GRAY : turbo.FORMAT_RGB;
  try {
    const { width, height } = await turbo.decompress(bytes, target, { format });
    return { data: target, width, height, channels };
  } catch {
    return undefined;
  }
}

async function fromAny(bytes: Buffer, channels: 1 | 3): Promise<Pixels> {
  const { default: sharp } = await import('sharp');
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: 'error' })
      .removeAlpha()
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = message.includes('pixel limit') ? 'IMAGE_TOO_LARGE' : 'IMAGE_INVALID';
    throw new DecodeError(code, message, { cause: error });
  }
}

async function fromEncoded(
  bytes: Buffer,
  format: FrameFormat,
  channels: 1 | 3,
  reuse: Buffer | undefined,
): Promise<Pixels> {
  if (format === 'tiff') checkSamples(bytes);
  const jpeg = format === 'jpeg' ? await fromJpeg(bytes, channels, reuse) : undefined;
  return jpeg ?? (await fromAny(bytes, channels));
}

/**
 * Decodes to RGB. `width` and `height` are needed for the raw formats only; an encoded image says
 * its own size. A `reuse` buffer saves the page faults of a fresh 6 MB one for each frame; when
 * given, the result may lie in it and is good until its next use.
 *
 * @throws DecodeError `IMAGE_INVALID`, `IMAGE_TOO_LARGE`
 */
export async function decodeRgb(
  bytes: Buffer,
  format: FrameFormat,
  width?: number,
  height?: number,
  reuse?: Buffer,
): Promise<RgbImage> {
  if (format === 'rgb') {
    const [w, h] = rawSize(bytes, 3, width, height);
    return { data: bytes, width: w, height: h };
  }
  if (format === 'gray') {
    const [w, h] = rawSize(bytes, 1, width, height);
    return { data: fromGray(bytes, reuse), width: w, height: h };
  }
  return fromEncoded(bytes, format, 3, reuse);
}

/**
 * As `decodeRgb`, but pictures of a monochrome camera stay one channel, and raw rows are the very
 * bytes that came.
 *
 * @throws DecodeError `IMAGE_INVALID`, `IMAGE_TOO_LARGE`
 */
export async function decodePixels(
  bytes: Buffer,
  format: FrameFormat,
  width: number,
  height: number,
  reuse?: Buffer,
): Promise<Pixels> {
  if (format === 'rgb' || format === 'gray') {
    const channels = format === 'rgb' ? 3 : 1;
    const [w, h] = rawSize(bytes, channels, width, height);
    return { data: bytes, width: w, height: h, channels };
  }
  return fromEncoded(bytes, format, isGray(bytes) ? 1 : 3, reuse);
}
