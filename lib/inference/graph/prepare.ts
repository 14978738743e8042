/**
 * From a decoded picture to the pixels a model sees. One way for everybody: the inference host, teaching
 * and the commands prepare with this file, so the same picture and the same recipe give the same bytes,
 * and a part is scored as it was taught.
 */
import type { Alignment } from '../../frame/align.ts';
import type { AlignRecipe } from '../../frame/align-recipe.ts';
import { AlignReference } from '../../frame/align-reference.ts';
import { resizeRgb, type ResizedImage, type RgbWindow } from '../../frame/resize.ts';
import { warpRgb, warpSource } from '../../frame/warp.ts';
import type { InputRecipe } from './input.ts';

/**
 * RGB rows of the recipe's size, and the way from their pixels back to those of the picture, or, of one
 * that was aligned, to where those would lie with the part in its place.
 */
export interface PreparedPicture extends ResizedImage {
  /** Where the part lay, of a recipe that aligns. */
  alignment?: Alignment;
}

/** What of a recipe decides on the pixels; the rest of it makes a tensor of them. */
export type PictureRecipe = Pick<InputRecipe, 'width' | 'height' | 'fit' | 'align'>;

/** By the object in the recipe: reading a reference and preparing its transforms takes some milliseconds. */
const references = new WeakMap<AlignRecipe, Promise<AlignReference>>();

/**
 * What pictures are aligned with; undefined where they are not.
 *
 * @throws AlignError `ALIGN_INVALID`
 */
export async function referenceOf({ align }: PictureRecipe): Promise<AlignReference | undefined> {
  if (align === undefined) return undefined;
  const known = references.get(align) ?? AlignReference.read(align);
  references.set(align, known);
  return known;
}

/**
 * `data` may be the picture's own rows, where those need nothing done, or `reuse`, where that has the
 * right length; else it is a new buffer.
 *
 * @throws AlignError `ALIGN_INVALID`
 */
export async function preparePicture(
  picture: RgbWindow,
  recipe: PictureRecipe,
  reuse?: Buffer,
): Promise<PreparedPicture> {
  const reference = await referenceOf(recipe);
  if (reference === undefined) return resizeRgb(picture, recipe, reuse);
  const source = warpSource(picture, recipe);
  const alignment = reference.alignerFor(picture).measure(source);
  const prepared = alignment.lost
    ? resizeRgb(picture, recipe, reuse)
    : warpRgb(source, picture, alignment, recipe, { beyond: reference.gray, output: reuse });
  return { ...prepared, alignment };
}
