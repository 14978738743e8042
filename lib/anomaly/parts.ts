/**
 * The parts a model was taught from, on disk: for each the picture as the network sees it (PNG, lossless) and
 * what is known about it. Teaching again, the nearest good part and the acceptance test need nothing else.
 *
 * A part is named by what it is: the SHA-256 over its label and its pixels. It is never changed; a
 * picture that does not hash to its name is refused. What the power cut off is swept.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv, type JSONSchemaType } from 'ajv';
import { decodeRgb, type RgbImage } from '../frame/decode.ts';
import { encode } from '../frame/encode.ts';
import type { Luminance } from '../frame/luminance.ts';
import { DRAFT, makeFolder, writeDurably } from './durable.ts';
import { AnomalyError } from './errors.ts';
import { modelFolder } from './model.ts';

export type PartLabel = 'good' | 'defect';

/** Of the frame as it came, before it was scaled. */
export type PartMeasures = Pick<Luminance, 'sharpness' | 'fineness' | 'clippedDark' | 'clippedBright'>;

export interface StoredPart {
  /** 64 hexadecimal digits. */
  id: string;
  label: PartLabel;
  /** Of the inspected part, where it was one. */
  partId?: string;
  /** Camera or file; untrusted text. */
  source: string;
  /** Of the frame as it came. */
  frameSha256: string;
  /** Pixels of the frame as it came. */
  width: number;
  height: number;
  measures: PartMeasures;
  /** ISO 8601 in UTC. */
  addedAt: string;
}

/** What is known of a part before it is kept; id and time are its own. */
export type NewPart = Omit<StoredPart, 'id' | 'addedAt'>;

/** Parts of one model; 10 000 of 224×224 pixels are about 700 MB. */
const MAX_PARTS = 10_000;
const MAX_JSON_BYTES = 16_384;

export const PART_ID = '^[0-9a-f]{64}$';
const isPartId = (text: string): boolean => new RegExp(PART_ID).test(text);

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['id', 'label', 'source', 'frameSha256', 'width', 'height', 'measures', 'addedAt'],
  properties: {
    id: { type: 'string', pattern: PART_ID },
    label: { type: 'string', enum: ['good', 'defect'] },
    partId: { type: 'string', maxLength: 256, nullable: true },
    source: { type: 'string', maxLength: 4096 },
    frameSha256: { type: 'string', pattern: PART_ID },
    width: { type: 'integer', minimum: 1 },
    height: { type: 'integer', minimum: 1 },
    measures: {
      type: 'object',
      additionalProperties: false,
      required: ['sharpness', 'fineness', 'clippedDark', 'clippedBright'],
      properties: {
        sharpness: { type: 'number', minimum: 0 },
        fineness: { type: 'number', minimum: 0 },
        clippedDark: { type: 'number', minimum: 0, maximum: 1 },
        clippedBright: { type: 'number', minimum: 0, maximum: 1 },
      },
    },
    addedAt: { type: 'string', maxLength: 64 },
  },
} as unknown as JSONSchemaType<StoredPart>;

const validate = new Ajv().compile(schema);

/** Name of a part: what it shows and what it was said to be. */
export function partIdOf(label: PartLabel, { data, width, height }: RgbImage): string {
  return createHash('sha256').update(`${label} ${width}x${height}\n`).update(data).digest('hex');
}

export class PartStore {
  readonly folder: string;
  #count: number | undefined;

  /** @param folder of all models; throws `MODEL_NAME_INVALID` */
  constructor(folder: string, name: string) {
    this.folder = join(modelFolder(folder, name), 'parts');
  }

  /**
   * Keeps a picture as the network sees it. One that is there already stays as it is, and what is known about it.
   *
   * @throws AnomalyError `PARTS_FULL`, `MODELS_UNWRITABLE`
   */
  async add(image: RgbImage, about: NewPart): Promise<StoredPart> {
    const id = partIdOf(about.label, image);
    const known = await this.about(id).catch(() => undefined);
    if (known !== undefined) return known;
    await makeFolder(this.folder);
    this.#count ??= (await this.ids()).length;
    if (this.#count >= MAX_PARTS) {
      throw new AnomalyError('PARTS_FULL', `a model remembers at most ${MAX_PARTS} parts`, {
        hint: 'Teach it anew under another name, from fewer parts.',
      });
    }
    const { width, height } = image;
    const upright = { rotate: 0, flip: 'none' } as const;
    const { data } = await encode({ ...image, channels: 3 }, [0, 0, width, height], upright, {
      format: 'png',
    });
    const part: StoredPart = {
      ...about,
      id,
      source: about.source.slice(0, 4096),
      addedAt: new Date().toISOString(),
    };
    // A part is there when its description is.
    await writeDurably(this.#pictureFile(id), data);
    await writeDurably(this.#file(id), `${JSON.stringify(part)}\n`);
    this.#count += 1;
    return part;
  }

  /** Ids of all that are there, in no order. */
  async ids(): Promise<string[]> {
    return (await this.#entries())
      .filter((entry) => entry.endsWith('.json'))
      .map((entry) => entry.slice(0, -'.json'.length))
      .filter(isPartId);
  }

  /** Throws `PART_MISSING`, `PART_INVALID`. */
  async about(id: string): Promise<StoredPart> {
    const text = await this.#read(id, this.#file(id));
    let part: unknown;
    try {
      part = text.length > MAX_JSON_BYTES ? undefined : JSON.parse(text.toString('utf8'));
    } catch {
      part = undefined;
    }
    if (!validate(part) || part.id !== id) {
      throw new AnomalyError('PART_INVALID', `the description of part ${id.slice(0, 12)} cannot be used`, {
        hint: 'Restore the folder from a backup, or teach the model again.',
      });
    }
    return part;
  }

  /** The PNG; unchecked, for showing. Throws `PART_MISSING`. */
  picture(id: string): Promise<Buffer> {
    return this.#read(id, this.#pictureFile(id));
  }

  /** JPEG of at most `width` pixels width, for a list of parts. Throws `PART_MISSING`. */
  async thumbnail(id: string, width = 160): Promise<Buffer> {
    const { default: sharp } = await import('sharp');
    return sharp(await this.picture(id))
      .resize({ width, withoutEnlargement: true })
      .jpeg({ quality: 80 })
      .toBuffer();
  }

  /**
   * A part and its pixels, the very ones that were kept.
   *
   * @throws AnomalyError `PART_MISSING`, `PART_INVALID`, `PART_DIGEST_MISMATCH`
   */
  async read(id: string): Promise<{ part: StoredPart; image: RgbImage }> {
    const [part, png] = await Promise.all([this.about(id), this.picture(id)]);
    const image = await decodeRgb(png, 'png').catch(() => undefined);
    if (image === undefined || partIdOf(part.label, image) !== id) {
      throw new AnomalyError('PART_DIGEST_MISMATCH', `the picture of part ${id.slice(0, 12)} was changed`, {
        hint: 'Restore the folder from a backup, or take the part out of the model.',
      });
    }
    return { part, image };
  }

  /**
   * Removes what is left of writing that was cut off, and every part that nobody needs. Only while
   * nobody else writes.
   */
  async sweep(needed: ReadonlySet<string>): Promise<void> {
    const entries = await this.#entries();
    const whole = new Set(entries);
    let kept = 0;
    for (const entry of entries) {
      const id = entry.replace(/\.(json|png)$/, '');
      const isOurs = entry.startsWith(DRAFT) || isPartId(id);
      const isWhole = whole.has(`${id}.json`) && whole.has(`${id}.png`);
      if (isOurs && !(isWhole && needed.has(id))) await rm(join(this.folder, entry), { force: true });
      else kept += 1;
    }
    this.#count = undefined;
    if (kept === 0) await rm(this.folder, { recursive: true, force: true });
  }

  async #entries(): Promise<string[]> {
    return readdir(this.folder).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    });
  }

  #file(id: string): string {
    return join(this.folder, `${id}.json`);
  }

  #pictureFile(id: string): string {
    return join(this.folder, `${id}.png`);
  }

  /** An id comes from a request or a file, and must never be a path. */
  async #read(id: string, file: string): Promise<Buffer> {
    if (!isPartId(id)) throw new AnomalyError('PART_MISSING', 'this is not the id of a part');
    return readFile(file).catch((cause: unknown) => {
      throw new AnomalyError('PART_MISSING', `there is no part ${id.slice(0, 12)}`, {
        hint: 'Restore the folder from a backup, or teach the model again.',
        cause,
      });
    });
  }
}
