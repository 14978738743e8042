/**
 * Golden pictures: what a model is shown before it may serve, with what it must answer. Only their
 * headers are looked at here; they are decoded where every picture is, in the host.
 */
import { isCompleteImage, probeImage, type EncodedFormat } from '../../frame/probe.ts';
import { quoted } from '../model/fields.ts';
import { bundleInvalid, bundleTooLarge } from './files.ts';
import type { GoldenSample } from './manifest.ts';

/** Of one picture, in bytes. */
export const GOLDEN_LIMIT_BYTES = 16 * 1024 ** 2;
const MAX_PIXELS = 50e6;

/** An encoded picture. */
export interface GoldenPicture {
  name: string;
  bytes: Buffer;
  format: EncodedFormat;
  /** Pixels. */
  width: number;
  height: number;
}

export interface GoldenFrame extends GoldenPicture, Omit<GoldenSample, 'image'> {}

/** @throws InferenceError `BUNDLE_INVALID`, `BUNDLE_TOO_LARGE` */
export function goldenPicture(name: string, bytes: Buffer): GoldenPicture {
  const label = `the golden picture ${quoted(name)}`;
  if (bytes.length > GOLDEN_LIMIT_BYTES) {
    throw bundleTooLarge(`${label} is ${bytes.length} bytes, the limit is ${GOLDEN_LIMIT_BYTES}`);
  }
  const header = probeImage(bytes);
  if (header === undefined || !isCompleteImage(bytes)) {
    throw bundleInvalid(
      `${label} is no whole JPEG, PNG, WebP or TIFF`,
      'Put the picture into the bundle once more.',
    );
  }
  const { format, width, height } = header;
  if (width * height > MAX_PIXELS) throw bundleTooLarge(`${label} has ${width} × ${height} pixels`);
  return { name, bytes, format, width, height };
}
