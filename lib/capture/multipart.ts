/**
 * Takes a `multipart/x-mixed-replace` stream apart, as cameras really send it: with and without
 * Content-Length, boundaries with or without quotes and dashes, lines ended by CRLF or LF, chunks
 * split anywhere. Promises that memory stays bounded whatever arrives, and that the parts do not
 * depend on how the stream was cut into chunks.
 */
import { joinPicture } from '../frame/picture-memory.ts';
import { imageEnd } from '../frame/probe.ts';
import { CaptureError } from './errors.ts';
import { MAX_IMAGE_BYTES } from './source.ts';

export interface StreamPart {
  /** Names in lower case. */
  headers: ReadonlyMap<string, string>;
  body: Buffer;
}

const MAX_HEADER_BYTES = 16 * 1024;
/** What a socket brings at once; bounds the cost of a chunk full of tiny parts. */
const SLICE_BYTES = 64 * 1024;
const DASH = 0x2d;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const JPEG_END = Buffer.from([0xff, 0xd9]);

/** The boundary of a Content-Type header; undefined when it is not a multipart stream. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  if (contentType === undefined || !/^multipart\/x-mixed-replace\s*;/i.test(contentType)) return undefined;
  const match = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(contentType);
  // Some cameras declare the boundary with the dashes that belong to the delimiter, some without.
  return (match?.[1] ?? match?.[2])?.replace(/^-+/, '');
}

export class MultipartParser {
  readonly #delimiter: Buffer;
  readonly #maxPartBytes: number;
  #buffer = Buffer.alloc(256 * 1024);
  #length = 0;
  /** Up to here the buffer holds no delimiter. */
  #searched = 0;
  /** Bytes dropped since the last part. */
  #skipped = 0;
  #headers: Map<string, string> | undefined;
  #state: 'delimiter' | 'headers' | 'body' | 'ended' = 'delimiter';

  /**
   * @param boundary as {@link boundaryOf} gives it, without leading dashes
   * @param options.maxPartBytes a part above it is an error, not memory
   */
  constructor(boundary: string, options: { maxPartBytes?: number } = {}) {
    this.#delimiter = Buffer.from(`--${boundary}`, 'latin1');
    this.#maxPartBytes = options.maxPartBytes ?? MAX_IMAGE_BYTES;
  }

  /** True when the closing delimiter was seen; everything behind it is ignored. */
  get ended(): boolean {
    return this.#state === 'ended';
  }

  /**
   * @returns the parts that this chunk completed, in order
   * @throws CaptureError `IMAGE_INVALID` when the stream is no multipart stream or a part is too large
   */
  push(chunk: Buffer): StreamPart[] {
    const parts: StreamPart[] = [];
    for (let offset = 0; offset < chunk.length; offset += SLICE_BYTES) {
      this.#append(chunk.subarray(offset, offset + SLICE_BYTES));
      while (this.#step(parts));
    }
    return parts;
  }

  #append(chunk: Buffer): void {
    if (this.#state === 'ended') return;
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    chunk.copy(this.#buffer, this.#length);
    this.#length = needed;
  }

  /** Drops the first bytes of the buffer. */
  #consume(count: number): void {
    this.#buffer.copyWithin(0, count, this.#length);
    this.#length -= count;
    this.#searched = 0;
  }

  #bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** One step of the machine; false when it needs more bytes. */
  #step(parts: StreamPart[]): boolean {
    switch (this.#state) {
      case 'delimiter':
        return this.#readDelimiter();
      case 'headers':
        return this.#readHeaders();
      case 'body':
        return this.#readBody(parts);
      case 'ended':
        this.#length = 0;
        return false;
    }
  }

  /** Skips what stands before the next delimiter line, and that line. */
  #readDelimiter(): boolean {
    const found = this.#findDelimiter();
    if (found === undefined) {
      // Only a delimiter that is still incomplete can matter in what was searched.
      const useless = Math.max(0, this.#length - MAX_HEADER_BYTES);
      if (useless > 0) this.#discard(useless);
      return false;
    }
    if (found.closing) {
      this.#state = 'ended';
      this.#length = 0;
      return false;
    }
    this.#skipped = 0;
    this.#consume(found.next);
    this.#state = 'headers';
    return true;
  }

  #discard(count: number): void {
    this.#skipped += count;
    const searched = this.#searched - count;
    this.#consume(count);
    this.#searched = Math.max(0, searched);
    if (this.#skipped > this.#maxPartBytes) {
      throw new CaptureError('IMAGE_INVALID', `no part boundary within ${this.#maxPartBytes} bytes`, {
        hint: 'The address may not be an MJPEG stream of this kind; try the snapshot source.',
      });
    }
  }

  /** Looks for a delimiter at the start of a line, together with its whole line. */
  #findDelimiter(): { start: number; next: number; closing: boolean } | undefined {
    const bytes = this.#bytes();
    const { length } = this.#delimiter;
    let from = this.#searched;
    for (;;) {
      const at = bytes.indexOf(this.#delimiter, from);
      if (at === -1) {
        this.#searched = Math.max(from, this.#length - length + 1);
        return undefined;
      }
      this.#searched = at;
      let start = at;
      while (start > 0 && bytes[start - 1] === DASH) start -= 1;
      if (start > 0 && bytes[start - 1] !== LINE_FEED) {
        from = at + 1;
        continue;
      }
      const behind = at + length;
      if (behind + 2 > this.#length) return undefined;
      if (bytes[behind] === DASH && bytes[behind + 1] === DASH) {
        return { start: lineBreakBefore(bytes, start), next: behind + 2, closing: true };
      }
      const lineEnd = bytes.indexOf(LINE_FEED, behind);
      const line = bytes.toString('latin1', behind, lineEnd === -1 ? this.#length : lineEnd);
      if (!/^[ \t]*\r?$/.test(line) || line.length > MAX_HEADER_BYTES) {
        from = at + 1;
        continue;
      }
      if (lineEnd === -1) return undefined;
      return { start: lineBreakBefore(bytes, start), next: lineEnd + 1, closing: false };
    }
  }

  #readHeaders(): boolean {
    const bytes = this.#bytes();
    const headers = new Map<string, string>();
    let offset = 0;
    for (;;) {
      const lineEnd = bytes.indexOf(LINE_FEED, offset);
      if (lineEnd === -1 || lineEnd > MAX_HEADER_BYTES) {
        if (this.#length > MAX_HEADER_BYTES) {
          throw new CaptureError(
            'IMAGE_INVALID',
            `the headers of a part are larger than ${MAX_HEADER_BYTES} bytes`,
          );
        }
        return false;
      }
      const line = bytes.toString('latin1', offset, lineEnd).replace(/\r$/, '');
      offset = lineEnd + 1;
      if (line === '') break;
      const colon = line.indexOf(':');
      if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    }
    this.#consume(offset);
    this.#headers = headers;
    this.#state = 'body';
    return true;
  }

  #readBody(parts: StreamPart[]): boolean {
    const announced = this.#headers?.get('content-length');
    const body =
      announced !== undefined && /^\d{1,12}$/.test(announced)
        ? this.#bodyOfLength(Number(announced))
        : this.#bodyUpToDelimiter();
    if (body === undefined) return false;
    parts.push({ headers: this.#headers ?? new Map(), body });
    this.#headers = undefined;
    this.#state = 'delimiter';
    return true;
  }

  #bodyOfLength(length: number): Buffer | undefined {
    if (length > this.#maxPartBytes) throw this.#tooLarge();
    if (this.#length < length) return undefined;
    const body = joinPicture([this.#buffer.subarray(0, length)], length);
    this.#consume(length);
    return body;
  }

  /**
   * A JPEG without Content-Length is complete at its own end marker. Waiting for the next delimiter
   * would hold it back until the next part, which may be minutes away on a triggered camera.
   */
  #bodyUpToDelimiter(): Buffer | undefined {
    const bytes = this.#bytes();
    const searchedBefore = this.#searched;
    const found = this.#findDelimiter();
    const candidate = found === undefined ? bytes : bytes.subarray(0, found.start);
    const mayHaveEnded =
      found !== undefined || bytes.indexOf(JPEG_END, Math.max(0, searchedBefore - JPEG_END.length)) !== -1;
    const end = mayHaveEnded ? imageEnd(candidate) : undefined;
    if (found === undefined && end === undefined) {
      if (this.#length > this.#maxPartBytes) throw this.#tooLarge();
      return undefined;
    }
    const length = end ?? candidate.length;
    if (length > this.#maxPartBytes) throw this.#tooLarge();
    const body = joinPicture([bytes.subarray(0, length)], length);
    this.#consume(length);
    return body;
  }

  #tooLarge(): CaptureError {
    return new CaptureError(
      'IMAGE_INVALID',
      `a part of the stream is larger than ${this.#maxPartBytes} bytes`,
    );
  }
}

/** Start of the line break (CRLF or LF) that ends just before `offset`. */
function lineBreakBefore(bytes: Buffer, offset: number): number {
  let start = offset;
  if (start > 0 && bytes[start - 1] === LINE_FEED) start -= 1;
  if (start > 0 && bytes[start - 1] === CARRIAGE_RETURN) start -= 1;
  return start;
}
