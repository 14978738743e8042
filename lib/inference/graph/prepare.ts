/**
 * From a decoded picture to the pixels a model sees. One way for everybody: the inference host, teaching
 * and the commands prepare with this file, so the same picture and the same recipe give the same bytes,
 * and a part is scored as it was taught.
 */
import { resizeRgb, type ResizedImage, type RgbWindow } from '../../frame/resize.ts';
import type { InputRecipe } from './input.ts';

/** RGB rows of the recipe's size, and the way from their pixels back to those of the picture. */
export type PreparedPicture = ResizedImage;

/** What of a recipe decides on the pixels; the rest of it makes a tensor of them. */
export type PictureRecipe = Pick<InputRecipe, 'width' | 'height' | 'fit'>;

/**
 * `data` may be the picture's own rows, where those need nothing done, or `reuse`, where that has the
 * right length; else it is a new buffer.
 */
export function preparePicture(
  picture: RgbWindow,
  recipe: PictureRecipe,
  reuse?: Buffer,
): Promise<PreparedPicture> {
  return Promise.resolve(resizeRgb(picture, recipe, reuse));
}
