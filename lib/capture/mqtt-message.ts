/**
 * What a camera publishes: the encoded image as it is, or JSON that carries it in base64 with the id
 * of its part and the time it was taken.
 */
import { CaptureError } from './errors.ts';
import { partIdFrom, receiveImage, type CapturedImage } from './source.ts';

const OPENING_BRACE = 0x7b;
const DATA_URL = /^data:image\/[a-z0-9.+-]{1,40};base64,/i;
/** RFC 4648 clauses 4 and 5; broken into lines or not, padded or not: senders do it either way. */
const BASE64 = /^[A-Za-z0-9+/_\r\n-]*={0,2}\s*$/;
/** For the other fields of the JSON; names and values of no more than a few lines. */
const JSON_SPARE_BYTES = 64 * 1024;

/** The largest message that can hold an image of so many bytes: base64 makes four characters of three bytes. */
export function maxMessageBytes(maxImageBytes: number): number {
  return Math.ceil(maxImageBytes / 3) * 4 + JSON_SPARE_BYTES;
}

export interface MessageDetails {
  /** The topic, for error messages. */
  what: string;
  maxImageBytes: number;
  /** From the topic; one in the message goes before it. */
  partId: string | undefined;
}

/**
 * @returns the image; its time is that of its arrival where the message names none
 * @throws CaptureError `IMAGE_INVALID`, `IMAGE_TRUNCATED`; `PART_ID_INVALID` when a part is named by what is no id
 */
export function imageOfMessage(
  payload: Buffer,
  { what, maxImageBytes, partId }: MessageDetails,
): CapturedImage {
  if (payload[0] !== OPENING_BRACE) {
    if (payload.length > maxImageBytes) throw tooLarge(what, maxImageBytes);
    return receiveImage(payload, { what, partId: idOf(partId, what) });
  }
  if (payload.length > maxMessageBytes(maxImageBytes)) throw tooLarge(what, maxImageBytes);
  const message = parse(payload, what);
  const capturedAt = timeOf(message['capturedAt'], what);
  return receiveImage(bytesOf(message['image'], what, maxImageBytes), {
    what,
    partId: idOf(message['partId'] ?? partId, what),
    ...(capturedAt === undefined ? {} : { capturedAt }),
  });
}

function parse(payload: Buffer, what: string): Record<string, unknown> {
  try {
    return JSON.parse(payload.toString('utf8')) as Record<string, unknown>;
  } catch (error) {
    throw new CaptureError('IMAGE_INVALID', `${what} begins like JSON and is none`, { cause: error });
  }
}

function bytesOf(image: unknown, what: string, maxImageBytes: number): Buffer {
  if (typeof image !== 'string') {
    throw new CaptureError('IMAGE_INVALID', `${what} has no text in its field "image"`, {
      hint: 'Publish the encoded image itself, or JSON like {"image": "<base64>", "partId": "SN-1"}.',
    });
  }
  const base64 = image.replace(DATA_URL, '');
  if (base64.length > Math.ceil(maxImageBytes / 3) * 4) throw tooLarge(what, maxImageBytes);
  const bytes = Buffer.from(base64, 'base64');
  // What is not base64 is skipped without a word, so bytes are missing then. Only where some are, every
  // character is looked at: that takes longer than decoding them all.
  const expected = Math.floor((base64.replace(/={1,2}$/, '').length * 3) / 4);
  if (bytes.length === expected || BASE64.test(base64)) return bytes;
  throw new CaptureError('IMAGE_INVALID', `the image of ${what} is not base64`);
}

/** @throws CaptureError `PART_ID_INVALID`: a picture whose part was named must not become some other part */
function idOf(given: unknown, what: string): string | undefined {
  if (given === undefined || given === null) return undefined;
  const id = partIdFrom(typeof given === 'number' ? String(given) : given);
  if (id !== undefined) return id;
  throw new CaptureError(
    'PART_ID_INVALID',
    `${what} names its part by something that is not text of 1 to 128 printable ASCII characters`,
  );
}

/** ISO 8601 text, or milliseconds since 1970. */
function timeOf(given: unknown, what: string): Date | undefined {
  if (given === undefined || given === null) return undefined;
  const time = typeof given === 'string' || typeof given === 'number' ? new Date(given) : undefined;
  if (time !== undefined && !Number.isNaN(time.getTime())) return time;
  throw new CaptureError('IMAGE_INVALID', `${what} has a capturedAt that is no time`);
}

function tooLarge(what: string, maxImageBytes: number): CaptureError {
  return new CaptureError('IMAGE_INVALID', `the image of ${what} is larger than ${maxImageBytes} bytes`);
}
