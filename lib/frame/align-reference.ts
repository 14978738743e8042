/**
 * The small grey picture that parts are laid on: drawn from good parts, kept as text in a model's
 * recipe, read back by whoever prepares pictures.
 */
import { Aligner, type AlignLimits } from './align.ts';
import { checkedAlign, invalidAlign, MOST_SIDE, type AlignRecipe } from './align-recipe.ts';
import { decodeRgb, type RgbImage } from './decode.ts';
import { encode } from './encode.ts';
import { grayOf, type Gray } from './gray-pyramid.ts';
import { AT_REST, type Similarity, type Size } from './similarity.ts';
import { warpRgb, warpSource } from './warp.ts';

/** More parts make the mean no sharper. */
const MOST_PARTS = 30;
/** Standard deviation in grey levels: less shows nothing to lay a part on. */
const LEAST_CONTRAST = 3;

function checkContrast(gray: Gray): void {
  const mean = gray.data.reduce((sum, level) => sum + level, 0) / gray.data.length;
  const variance = gray.data.reduce((sum, level) => sum + (level - mean) ** 2, 0) / gray.data.length;
  if (variance < LEAST_CONTRAST ** 2)
    throw invalidAlign('the reference picture shows nothing to lay a part on');
}

/** A reference, and what finds parts on it in pictures of the size that came last. */
export class AlignReference {
  /** The picture itself: what is to be seen where a frame shows nothing. */
  readonly gray: Gray;
  readonly #limits: AlignLimits;
  #last: { size: Size; aligner: Aligner } | undefined;

  private constructor(gray: Gray, limits: AlignLimits) {
    this.gray = gray;
    this.#limits = limits;
  }

  /** @throws AlignError `ALIGN_INVALID` */
  static async read(recipe: AlignRecipe): Promise<AlignReference> {
    const { reference, ...limits } = checkedAlign(recipe);
    let image: RgbImage;
    try {
      image = await decodeRgb(Buffer.from(reference, 'base64'), 'png');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw invalidAlign(`the reference picture cannot be decoded: ${reason}`);
    }
    const gray = grayOf(image);
    checkContrast(gray);
    return new AlignReference(gray, limits);
  }

  alignerFor({ width, height }: Size): Aligner {
    if (this.#last?.size.width !== width || this.#last.size.height !== height) {
      const size = { width, height };
      this.#last = { size, aligner: new Aligner(this.gray, size, this.#limits) };
    }
    return this.#last.aligner;
  }
}

/** As a reference shows a picture of that size: the longer side has {@link MOST_SIDE} pixels, or its own if fewer. */
function referenceSize({ width, height }: Size): Size {
  const scale = Math.min(1, MOST_SIDE / Math.max(width, height));
  return { width: Math.round(width * scale), height: Math.round(height * scale) };
}

/**
 * Draws a reference from good parts of one size: that part which lies nearest to where they lie in the
 * middle, then the mean of all that are laid on it, because what one part shows alone no other fits.
 *
 * @throws AlignError `ALIGN_INVALID` where there is none, or nothing to see
 */
export async function drawReference(parts: readonly RgbImage[], limits: AlignLimits): Promise<string> {
  const [first] = parts;
  if (first === undefined) throw invalidAlign('there is no part to draw a reference from');
  const size = referenceSize(first);
  const target = { ...size, fit: 'stretch' } as const;
  const list = parts
    .slice(0, MOST_PARTS)
    .filter(({ width, height }) => width === first.width && height === first.height)
    .map((part) => ({ source: warpSource(part, target), at: undefined as Similarity | undefined }));
  const seen = (source: RgbImage, at: Similarity): Gray => grayOf(warpRgb(source, first, at, target));
  const measure = (reference: Gray): void => {
    const aligner = new Aligner(reference, first, limits);
    for (const part of list) {
      const found = aligner.measure(part.source);
      part.at = found.lost ? undefined : found;
    }
  };
  const opening = warpSource(first, target);
  measure(seen(opening, AT_REST));
  const middle = middleOne(
    list.flatMap(({ at }) => at ?? []),
    first,
  );
  const start = list.find(({ at }) => at !== undefined && at === middle)?.source ?? opening;
  const gray = seen(start, AT_REST);
  measure(gray);
  const sum = new Float32Array(gray.data.length);
  let laid = 0;
  for (const { source, at } of list) {
    if (at === undefined) continue;
    seen(source, at).data.forEach((level, pixel) => (sum[pixel] = (sum[pixel] as number) + level));
    laid += 1;
  }
  const mean = laid === 0 ? gray : { ...size, data: sum.map((level) => level / laid) };
  checkContrast(mean);
  const pixels = { data: Buffer.from(Uint8Array.from(mean.data, Math.round)), ...size, channels: 1 } as const;
  const upright = { rotate: 0, flip: 'none' } as const;
  const png = await encode(pixels, [0, 0, size.width, size.height], upright, { format: 'png' });
  return png.data.toString('base64');
}

/** The one nearest to the medians of place and angle; a degree counts as what it moves at half the width. */
function middleOne(places: readonly Similarity[], { width }: Size): Similarity | undefined {
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
  const [x, y, angle] = [
    median(places.map((place) => place.x)),
    median(places.map((place) => place.y)),
    median(places.map((place) => place.angle)),
  ];
  const distance = (place: Similarity): number =>
    Math.hypot(place.x - x, place.y - y, ((place.angle - angle) * Math.PI * width) / 360);
  return [...places].sort((one, other) => distance(one) - distance(other))[0];
}
