/**
 * The one shape of every camera: a folder, a web camera, later a GigE or RTSP camera. A source
 * promises that `start` never throws for a camera that is away (it says `lost` and keeps trying),
 * that every `grab` ends in an image or a CaptureError, and that `close` leaves nothing behind.
 */
import { imageEnd, formatOf, probeImage } from '../frame/probe.ts';
import type { FrameFormat } from '../frame/frame.ts';
import type { SharedPixels } from '../frame/slots.ts';
import { CaptureError } from './errors.ts';

export interface CapturedImage {
  /** Handed over: nobody but the new owner may keep or write to them. */
  bytes: Buffer | SharedPixels;
  format: FrameFormat;
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  capturedAt: Date;
  /** From the trigger the camera was sent to its complete frame, where it exposes on demand. */
  triggerToFrameMs?: number;
  /** Id of the part in the picture, where the camera or the file name tells it. */
  partId?: string;
  /** Path below the configured folder. */
  file?: string;
}

/** An image that came but cannot be used. */
export interface FailedImage {
  error: CaptureError;
  partId?: string;
  file?: string;
}

export interface SourceListener {
  /**
   * Every image nobody grabbed. Without this method the source keeps its newest image for `grab`.
   * The source waits for the promise before it brings the next one.
   */
  image?(image: CapturedImage): void | Promise<void>;
  /** An image nobody grabbed that cannot be used. Called only where `image` is there. */
  failed?(failure: FailedImage): void | Promise<void>;
  /** Before each attempt of a source that keeps a connection. */
  connecting?(): void;
  /** Once per outage. */
  lost(error: CaptureError): void;
  /** The first time the source is there, and after every outage. */
  restored(): void;
}

export interface CameraSource {
  /** For people: the camera's host or the folder's name. */
  readonly name: string;
  /** True when it brings its newest frame once it is no longer held up: what came meanwhile cost nothing. */
  readonly isPulled?: boolean;
  start(listener: SourceListener): Promise<void>;
  /** One image for one trigger, never the same image twice. Rejects with CaptureError. */
  grab(signal: AbortSignal): Promise<CapturedImage>;
  close(): Promise<void>;
}

/** Encoded images above this are refused; a 20-megapixel JPEG is about 10 MB. */
export const MAX_IMAGE_BYTES = 64 * 1024 * 1024;

const HEX_SHOWN = 8;

/**
 * Takes encoded bytes as an image after looking at header and end.
 *
 * @throws CaptureError `IMAGE_INVALID` when it is no JPEG, PNG, WebP or TIFF, `IMAGE_TRUNCATED` when its end is missing.
 */
export function receiveImage(
  bytes: Buffer,
  details: { what: string; capturedAt?: Date; partId?: string | undefined; file?: string },
): CapturedImage {
  const { what, capturedAt = new Date(), partId, file } = details;
  if (formatOf(bytes) === undefined) {
    const start = bytes.toString('hex', 0, HEX_SHOWN);
    throw new CaptureError(
      'IMAGE_INVALID',
      `${what} is not a JPEG, PNG, WebP or TIFF image (starts with ${start})`,
    );
  }
  const header = probeImage(bytes);
  if (header === undefined || imageEnd(bytes) === undefined) {
    throw new CaptureError(
      'IMAGE_TRUNCATED',
      `${what} ends after ${bytes.length} bytes, before its end marker`,
      {
        hint: 'The camera or the network broke off while sending; check cable, load and power of the camera.',
      },
    );
  }
  return {
    bytes,
    ...header,
    capturedAt,
    ...(partId === undefined ? {} : { partId }),
    ...(file === undefined ? {} : { file }),
  };
}

const PART_ID = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

/** A part id from outside: 1 to 128 printable ASCII characters, anything else is no id. */
export function partIdFrom(value: unknown): string | undefined {
  return typeof value === 'string' && PART_ID.test(value) ? value : undefined;
}
