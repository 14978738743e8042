/**
 * Takes pictures one by one: decodes them, prepares each as the model will see it, keeps it in the
 * `PartStore`, and says what is wrong with it. Runs in the teaching process.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { decodeRgb, type RgbImage } from '../frame/decode.ts';
import { measurePixels } from '../frame/luminance.ts';
import { preparePicture, type PictureRecipe } from '../inference/graph/prepare.ts';
import { findingsAmong, signatureOf, type Finding, type FindingKind, type PartLook } from './findings.ts';
import { formatOf } from './folder-frames.ts';
import { partIdOf, type PartLabel, type PartStore, type StoredPart } from './parts.ts';
import type { ToTeacher } from './teach-protocol.ts';

export type Offered = Omit<Extract<ToTeacher, { type: 'frame' }>, 'type'>;

/** A part and its picture as the model sees it. */
export interface Collected {
  id: string;
  label: PartLabel;
  image: RgbImage;
  /** False for a picture that was taken before. */
  isNew: boolean;
}

/** A picture on disk as it is offered; undefined where it cannot be read. */
export async function offeredFrom(path: string): Promise<Offered | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  const format = formatOf(path);
  if (bytes === undefined || format === undefined) return undefined;
  return { bytes, format, width: 0, height: 0, source: path };
}

/** Undefined where it cannot be. An encoded picture says its own size. */
export async function decoded({ bytes, format, width, height }: Offered): Promise<RgbImage | undefined> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return decodeRgb(buffer, format, width, height).catch(() => undefined);
}

export function unreadableFinding(source: string): Finding {
  return { kind: 'unreadable', part: source, source, leftOut: true };
}

export class Collector {
  readonly #store: PartStore | undefined;
  readonly #recipe: PictureRecipe;
  readonly #onFinding: (finding: Finding) => void;
  readonly #looks: PartLook[] = [];
  readonly #sources = new Map<string, string>();
  readonly #findings: Finding[] = [];

  /** @param store where pictures are kept; nothing is when absent */
  constructor(
    store: PartStore | undefined,
    recipe: PictureRecipe,
    onFinding: (finding: Finding) => void = () => undefined,
  ) {
    this.#store = store;
    this.#recipe = recipe;
    this.#onFinding = onFinding;
  }

  /** Different pictures so far. */
  get count(): number {
    return this.#looks.length;
  }

  /** Pictures that were left out so far. */
  get leftOut(): number {
    return this.#findings.length;
  }

  /**
   * The part; undefined where the picture cannot be read.
   *
   * @throws AnomalyError `PARTS_FULL`, `MODELS_UNWRITABLE`
   */
  async take(offered: Offered): Promise<Collected | undefined> {
    const { bytes, source, label = 'good', partId } = offered;
    const frame = await decoded(offered);
    if (frame === undefined) {
      this.unreadable(source);
      return undefined;
    }
    const image = await this.#prepared(frame);
    const id = partIdOf(label, image);
    if (this.#isKnown(id, source)) return { id, label, image, isNew: false };
    const { sharpness, fineness, clippedDark, clippedBright } = measurePixels({
      ...frame,
      channels: 3,
    }).luminance;
    const about = {
      label,
      ...(partId === undefined ? {} : { partId }),
      source,
      frameSha256: createHash('sha256').update(bytes).digest('hex'),
      width: frame.width,
      height: frame.height,
      measures: { sharpness, fineness, clippedDark, clippedBright },
    };
    await this.#store?.add(image, about);
    this.#note({ id, ...about }, image);
    return { id, label, image, isNew: true };
  }

  /**
   * A part that is kept already.
   *
   * @throws AnomalyError as `PartStore.read`
   */
  async takeStored(store: PartStore, id: string): Promise<Collected> {
    const { part, image } = await store.read(id);
    const isNew = !this.#isKnown(id, part.source);
    if (isNew) this.#note(part, image);
    return { id, label: part.label, image, isNew };
  }

  unreadable(source: string): void {
    this.#point(unreadableFinding(source));
  }

  /** What was said of a picture before. */
  recall(finding: Finding): void {
    this.#findings.push(finding);
  }

  /** Parts a model would be taught without, of those that {@link count} counts. */
  surplus(leaveOut: readonly FindingKind[]): Finding[] {
    const left = findingsAmong(this.#looks, new Set(leaveOut)).filter(({ leftOut }) => leftOut);
    return [...new Map(left.map((finding) => [finding.part, finding])).values()];
  }

  /** Everything there is to say, once all pictures were taken. */
  findings(leaveOut: readonly FindingKind[] = []): Finding[] {
    return [...this.#findings, ...findingsAmong(this.#looks, new Set(leaveOut))];
  }

  async #prepared(frame: RgbImage): Promise<RgbImage> {
    const { width, height } = this.#recipe;
    const { data } = await preparePicture(frame, this.#recipe);
    return { data, width, height };
  }

  #isKnown(id: string, source: string): boolean {
    const ofSource = this.#sources.get(id);
    if (ofSource === undefined) {
      this.#sources.set(id, source);
      return false;
    }
    this.#point({ kind: 'duplicate', part: id, source, of: id, ofSource, exact: true, leftOut: true });
    return true;
  }

  #point(finding: Finding): void {
    this.#findings.push(finding);
    this.#onFinding(finding);
  }

  #note(part: Pick<StoredPart, 'id' | 'source' | 'width' | 'height' | 'measures'>, image: RgbImage): void {
    const { id, source, width, height, measures } = part;
    this.#looks.push({ id, source, width, height, measures, signature: signatureOf(image) });
  }
}
