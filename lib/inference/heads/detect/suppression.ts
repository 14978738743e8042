/**
 * Greedy suppression within each class: best first, and nothing that overlaps a kept one by more than
 * the limit. Over typed arrays that are used again; a candidate is compared only with what is kept of
 * its class, and both their numbers are bounded.
 */
import type { Corners } from './family.ts';
import { notFinite } from './refusals.ts';

/**
 * Candidates that go into the suppression, best first. With these all of one class and 100 kept it
 * takes 1 to 2 ms; a detector that finds more in a picture at its threshold finds nothing.
 */
export const MAX_CANDIDATES = 3000;

const END = -1;

/** Boxes in pixels of the input, best first. */
export class Candidates {
  count = 0;
  /** Four for each: left, top, right, bottom. */
  readonly corners = new Float64Array(MAX_CANDIDATES * 4);
  /** What the caller knows it by. */
  readonly anchors = new Int32Array(MAX_CANDIDATES);
  readonly classes = new Int32Array(MAX_CANDIDATES);
  readonly #areas = new Float64Array(MAX_CANDIDATES);
  /** The last kept of each class, and for each kept the one before it. */
  #last = new Int32Array(0);
  readonly #before = new Int32Array(MAX_CANDIDATES);

  clear(): void {
    this.count = 0;
  }

  /** @throws InferenceError `SCORE_NOT_FINITE` */
  add(anchor: number, index: number, box: Corners): void {
    const [x1, y1, x2, y2] = box as unknown as [number, number, number, number];
    if (!Number.isFinite(x1 + y1 + x2 + y2)) throw notFinite();
    this.corners.set(box, this.count * 4);
    this.#areas[this.count] = (x2 - x1) * (y2 - y1);
    this.anchors[this.count] = anchor;
    this.classes[this.count] = index;
    this.count += 1;
  }

  /** Calls back for each that is kept, best first, until `maxObjects` are. */
  keep(iou: number, maxObjects: number, visit: (candidate: number) => void): void {
    let classes = 0;
    for (let i = 0; i < this.count; i += 1) classes = Math.max(classes, (this.classes[i] as number) + 1);
    if (this.#last.length < classes) this.#last = new Int32Array(classes);
    this.#last.fill(END, 0, classes);
    for (let i = 0, kept = 0; i < this.count && kept < maxObjects; i += 1) {
      if (this.#isCovered(i, iou)) continue;
      const index = this.classes[i] as number;
      this.#before[i] = this.#last[index] as number;
      this.#last[index] = i;
      kept += 1;
      visit(i);
    }
  }

  /** Calls back for the best, overlapping or not. */
  first(maxObjects: number, visit: (candidate: number) => void): void {
    for (let i = 0; i < Math.min(this.count, maxObjects); i += 1) visit(i);
  }

  #isCovered(candidate: number, iou: number): boolean {
    const { corners } = this;
    const areas = this.#areas;
    const x1 = corners[candidate * 4] as number;
    const y1 = corners[candidate * 4 + 1] as number;
    const x2 = corners[candidate * 4 + 2] as number;
    const y2 = corners[candidate * 4 + 3] as number;
    const area = areas[candidate] as number;
    let other = this.#last[this.classes[candidate] as number] as number;
    while (other !== END) {
      const at = other * 4;
      const width = Math.min(x2, corners[at + 2] as number) - Math.max(x1, corners[at] as number);
      if (width > 0) {
        const height = Math.min(y2, corners[at + 3] as number) - Math.max(y1, corners[at + 1] as number);
        if (height > 0) {
          const shared = width * height;
          if (shared / (area + (areas[other] as number) - shared) > iou) return true;
        }
      }
      other = this.#before[other] as number;
    }
    return false;
  }
}
