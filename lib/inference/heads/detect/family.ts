/** What the reading of one family of detectors is made of. */
import type { InputRecipe } from '../../graph/input.ts';
import type { Outputs } from '../head.ts';
import type { Size } from './format.ts';
import type { Hits } from './hits.ts';

/** Left, top, right, bottom in pixels of the input. */
export type Corners = Float64Array;

/** Writes the box of an anchor that was hit. */
export type BoxReader = (anchor: number, corners: Corners) => void;

/** Collects the anchors whose best class has at least `threshold` (≥ 0). Runs once for each picture. */
type Find = (outputs: Outputs, threshold: number, hits: Hits) => BoxReader;

export interface Family {
  /** What these models were trained to see. */
  input: Partial<InputRecipe>;
  /** The outputs that are read. */
  outputs: readonly string[];
  /** False where the graph gives each object once. */
  hasOverlaps: boolean;
  /** Called once, when the size of the input is known. */
  bind(size: Size): Find;
}

/** A box around its centre. */
export function around(corners: Corners, x: number, y: number, width: number, height: number): void {
  corners[0] = x - width / 2;
  corners[1] = y - height / 2;
  corners[2] = x + width / 2;
  corners[3] = y + height / 2;
}

export const LETTERBOX: Partial<InputRecipe> = { fit: 'letterbox' };
