/**
 * One image of a part, on its way through a flow.
 *
 * Node-RED clones a message for every wire after the first. A class with its own
 * `Symbol.toStringTag` is passed by reference (0.012 ms against 1.3–2.3 s for the pixels of a 1080p
 * image as a typed array, Node-RED 5.0.7), so the bytes exist once however the flow branches.
 * Nobody outside can reach them: `toBuffer()` gives a copy, and only `lib` may look with `bytesOf`
 * and `holdingPixels`. Raw frames of a video camera lie in shared memory instead (`slots.ts`), and a
 * heatmap is made after the part has gone on (`later.ts`).
 */
import { createHash } from 'node:crypto';
import { ulid } from 'ulid';
import { LaterBytes } from './later.ts';
import { SharedPixels } from './slots.ts';

/** `rgb` and `gray` are raw rows of 8 bit per channel without padding; the rest is encoded. */
export type FrameFormat = 'jpeg' | 'png' | 'webp' | 'tiff' | 'rgb' | 'gray';

export interface FrameProperties {
  width: number;
  height: number;
  format: FrameFormat;
  /** Name of the camera or file the image came from; untrusted text. */
  source: string;
  id?: string;
  capturedAt?: Date;
}

/** Where the bytes of a frame are. */
export type FrameContent = Buffer | SharedPixels | LaterBytes;

/** Set by the class itself, so that no member of it, not even a static one, gives the bytes away. */
let contentOf: (frame: Frame) => FrameContent;

export class Frame {
  static {
    contentOf = (frame) => frame.#content;
  }

  readonly id: string;
  readonly width: number;
  readonly height: number;
  readonly format: FrameFormat;
  readonly source: string;
  readonly #capturedAtMs: number;
  readonly #content: FrameContent;
  #sha256: string | undefined;

  /** Takes the bytes over: the caller must not write to them afterwards. */
  constructor(content: FrameContent, properties: FrameProperties) {
    this.#content = content;
    this.id = properties.id ?? `f-${ulid()}`;
    this.width = properties.width;
    this.height = properties.height;
    this.format = properties.format;
    this.source = properties.source;
    this.#capturedAtMs = properties.capturedAt?.getTime() ?? Date.now();
    Object.freeze(this);
  }

  get [Symbol.toStringTag](): string {
    return 'Frame';
  }

  /** A new object each time, because a Date can be changed. */
  get capturedAt(): Date {
    return new Date(this.#capturedAtMs);
  }

  get byteLength(): number {
    return this.#content.length;
  }

  /** Hex SHA-256 of the bytes as captured, computed on first use. */
  get sha256(): string {
    const content = this.#content;
    if (content instanceof SharedPixels) return content.sha256;
    const bytes = content instanceof LaterBytes ? content.bytes : content;
    this.#sha256 ??= createHash('sha256').update(bytes).digest('hex');
    return this.#sha256;
  }

  /**
   * A copy of the bytes, for nodes that want a Buffer. Throws `FRAME_PENDING` for a picture that is still
   * being made.
   */
  toBuffer(): Buffer {
    const content = this.#content;
    if (content instanceof SharedPixels) return content.copy();
    return Buffer.from(content instanceof LaterBytes ? content.bytes : content);
  }

  /** A copy of the bytes once they are there: of a picture that is still being made too. */
  async read(): Promise<Buffer> {
    const content = this.#content;
    if (content instanceof SharedPixels) return await content.read();
    return Buffer.from(content instanceof LaterBytes ? await content.read() : content);
  }

  /** What the debug pane shows: everything but the pixels. */
  toJSON(): Record<string, unknown> {
    return {
      id: this.id,
      width: this.width,
      height: this.height,
      format: this.format,
      source: this.source,
      capturedAt: this.capturedAt.toISOString(),
      byteLength: this.byteLength,
    };
  }

  static isFrame(value: unknown): value is Frame {
    return typeof value === 'object' && value !== null && #content in value;
  }
}

/** The bytes of a frame, shared where they can be. For `lib` only, and for reading only. */
export async function bytesOf(frame: Frame): Promise<Buffer> {
  const content = contentOf(frame);
  return content instanceof SharedPixels || content instanceof LaterBytes ? await content.read() : content;
}

/**
 * Lets `use` read the bytes where they are, for as long as it takes: a file in shared memory, or
 * memory of this process. For `lib` only, and for reading only.
 */
export async function holdingPixels<Result>(
  frame: Frame,
  use: (pixels: { path: string; length: number } | Buffer) => Promise<Result>,
): Promise<Result> {
  const content = contentOf(frame);
  if (content instanceof LaterBytes) return await use(await content.read());
  if (!(content instanceof SharedPixels)) return await use(content);
  return await content.held(async (path) =>
    use(path === undefined ? await content.read() : { path, length: content.length }),
  );
}
