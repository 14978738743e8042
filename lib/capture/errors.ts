/** What can go wrong between a trigger and its image. */
import { CodedError } from '../errors.ts';

export type CaptureErrorCode =
  /** The camera cannot be reached, or stopped sending. */
  | 'CAMERA_LOST'
  /** The camera answers but will not give an image: sign-in, wrong path, wrong kind of stream. */
  | 'CAMERA_REFUSED'
  /** The source needs a library that is not installed. */
  | 'LIBRARY_MISSING'
  /** No image within the time allowed for it. */
  | 'CAPTURE_TIMEOUT'
  /** The image ends before its own end marker. */
  | 'IMAGE_TRUNCATED'
  /** Not an image we read, or larger than allowed. */
  | 'IMAGE_INVALID'
  /** The folder is absent, or may not be read. */
  | 'FOLDER_UNREADABLE'
  /** The folder has no (further) image. */
  | 'NO_IMAGE'
  /** A file was taken but could not be put away. */
  | 'FILE_NOT_MOVED'
  /** The trigger names a part by something that is no id. */
  | 'PART_ID_INVALID'
  /** No shared memory is left for frames. */
  | 'FRAME_MEMORY'
  /** The source was closed while this was under way. */
  | 'CLOSED';

export class CaptureError extends CodedError<CaptureErrorCode> {}

/** The camera refuses user and password. It must not be asked again soon: cameras lock out who guesses. */
export class SignInRefused extends CaptureError {
  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super('CAMERA_REFUSED', message, options);
  }
}

/** Failures of the source itself rather than of one image; they last until the source is back. */
const OUTAGES: ReadonlySet<string> = new Set<CaptureErrorCode>([
  'CAMERA_LOST',
  'CAMERA_REFUSED',
  'LIBRARY_MISSING',
  'CAPTURE_TIMEOUT',
  'FOLDER_UNREADABLE',
  'NO_IMAGE',
  'FILE_NOT_MOVED',
  'FRAME_MEMORY',
]);

/** True when the error says that the source is down, not that one image is bad. */
export function isOutage(error: { code?: unknown }): boolean {
  return typeof error.code === 'string' && OUTAGES.has(error.code);
}

/** Whatever was thrown, as a CaptureError; `code` is used for what is not one already. */
export function asCaptureError(thrown: unknown, code: CaptureErrorCode, what: string): CaptureError {
  if (thrown instanceof CaptureError) return thrown;
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new CaptureError(code, `${what}: ${reason}`, { cause: thrown });
}
