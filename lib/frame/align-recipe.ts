/** How pictures of a model are aligned, as its recipe says it, and whether that is sound. */
import { CodedError } from '../errors.ts';
import type { AlignLimits } from './align.ts';
import { isGray, probeImage } from './probe.ts';

export interface AlignRecipe extends AlignLimits {
  /** Base64 of a grey PNG, at most {@link MOST_SIDE} pixels each side, that shows the whole frame. */
  reference: string;
}

export class AlignError extends CodedError</** The recipe asks for an alignment that cannot be. */ 'ALIGN_INVALID'> {}

/** Longest side of a reference, pixels: as fine as its milliseconds allow. */
export const MOST_SIDE = 128;
const LEAST_SIDE = 24;
/** A grey PNG of 128 × 128 has 16 kB at most, in Base64 22. */
const MOST_CHARACTERS = 32_768;
const MOST_SHIFT = 0.25;
const MOST_ANGLE = 30;

export function invalidAlign(message: string): AlignError {
  return new AlignError('ALIGN_INVALID', message, {
    hint: 'Teach the model again with alignment, or leave alignment out of the recipe.',
  });
}

/**
 * The recipe and nothing else of it, its limits and the header of its picture checked.
 *
 * @throws AlignError `ALIGN_INVALID`
 */
export function checkedAlign(value: unknown): AlignRecipe {
  const { reference, maxShift, maxAngle } = (value ?? {}) as Partial<Record<keyof AlignRecipe, unknown>>;
  if (typeof maxShift !== 'number' || !(maxShift > 0 && maxShift <= MOST_SHIFT)) {
    throw invalidAlign(
      `a largest shift of ${String(maxShift)} is not above 0 and at most ${MOST_SHIFT} of a side`,
    );
  }
  if (typeof maxAngle !== 'number' || !(maxAngle >= 0 && maxAngle <= MOST_ANGLE)) {
    throw invalidAlign(`a largest angle of ${String(maxAngle)} is not between 0 and ${MOST_ANGLE} degrees`);
  }
  if (typeof reference !== 'string' || reference.length > MOST_CHARACTERS) {
    throw invalidAlign(`the reference picture is no text of at most ${MOST_CHARACTERS} characters`);
  }
  const bytes = Buffer.from(reference, 'base64');
  const header = probeImage(bytes);
  if (bytes.toString('base64') !== reference || header?.format !== 'png' || !isGray(bytes)) {
    throw invalidAlign('the reference picture is not the Base64 of a grey PNG');
  }
  const { width, height } = header;
  if (Math.min(width, height) < LEAST_SIDE || Math.max(width, height) > MOST_SIDE) {
    throw invalidAlign(
      `a reference picture of ${width} × ${height} has a side that is not between ${LEAST_SIDE} and ${MOST_SIDE}`,
    );
  }
  return { reference, maxShift, maxAngle };
}
