/** The names of what is done to pixels before a network sees them; what each does is in `feeding.ts`. */

export const NORMALISATIONS = ['imagenet', 'symmetric', 'unit', 'none'] as const;

/**
 * What a network wants to be fed, of pixels x in 0…255: `imagenet` (x/255 − mean)/std of torchvision and timm,
 * `symmetric` x/127.5 − 1 of MobileNet and Inception, `unit` x/255, `none` x itself.
 */
export type Normalisation = (typeof NORMALISATIONS)[number];
