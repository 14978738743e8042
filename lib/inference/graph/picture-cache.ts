/**
 * The pixels of the frame the host looked at last, so that a detector and the classifier behind it
 * share one decode. One picture is kept, in buffers that are used again: a fresh 6 MB buffer costs
 * 1–2 ms of page faults for each frame.
 *
 * A frame's id finds its picture; that its bytes are the same is checked, because an id may be of
 * the flow's own making and the pixels of another part under it would be judged in its place
 * (comparing takes 0.03 ms for a JPEG of 0.4 MB, 0.5 ms for 6 MB of pixels).
 */
import { decodeRgb, type RgbImage } from '../../frame/decode.ts';
import type { FrameFormat } from '../../frame/frame.ts';
import { readPixels } from '../../frame/slots.ts';

/** Where the pixels of a frame are. */
export interface PictureSource {
  /** Id of the frame. */
  frame: string;
  format: FrameFormat;
  width: number;
  height: number;
  /** Encoded, or raw rows; not looked at where `file` is given. */
  bytes: Buffer;
  /** Raw rows in shared memory. One frame's file does not change while the frame is looked at. */
  file?: { path: string; length: number };
}

interface Kept {
  source: PictureSource;
  image: RgbImage;
}

function isSame(kept: PictureSource, wanted: PictureSource): boolean {
  const { frame, format, width, height, file } = wanted;
  if (kept.frame !== frame || kept.format !== format || kept.width !== width || kept.height !== height)
    return false;
  if (file !== undefined) return kept.file?.path === file.path && kept.file.length === file.length;
  return kept.file === undefined && kept.bytes.equals(wanted.bytes);
}

/** The larger of two, for the next picture. */
function larger(buffer: Buffer, kept: Buffer | undefined): Buffer {
  return kept !== undefined && kept.length >= buffer.length ? kept : buffer;
}

export class PictureCache {
  #kept: Kept | undefined;
  #decoded: Buffer | undefined;
  #shared: Buffer | undefined;

  /**
   * The picture of a frame; good until another frame is asked for.
   *
   * @throws DecodeError `IMAGE_INVALID`, `IMAGE_TOO_LARGE`; SlotError `FRAME_MEMORY`
   */
  async picture(source: PictureSource): Promise<RgbImage> {
    if (this.#kept !== undefined && isSame(this.#kept.source, source)) return this.#kept.image;
    // its pixels are about to be overwritten
    this.#kept = undefined;
    const bytes = source.file === undefined ? source.bytes : this.#read(source.file);
    const { format, width, height } = source;
    const image = await decodeRgb(bytes, format, width, height, this.#decoded);
    if (image.data !== bytes) this.#decoded = larger(image.data, this.#decoded);
    this.#kept = { source, image };
    return image;
  }

  #read(file: { path: string; length: number }): Buffer {
    const bytes = readPixels(file, this.#shared);
    this.#shared = larger(bytes, this.#shared);
    return bytes;
  }
}
