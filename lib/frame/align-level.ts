/**
 * One size of a reference picture, and the steps that bring a motion nearer to the one that lays a
 * picture on it: Gauss–Newton on the squared differences, inverse compositional (Baker and Matthews,
 * "Lucas-Kanade 20 years on: a unifying framework", IJCV 2004), with gain and offset of the light solved
 * for in the same step. What does not move with the part (belt, rail, a defect) differs much and is
 * therefore weighted down (Geman and McClure's weights).
 */
import type { Gray } from './gray-pyramid.ts';
import { after, degrees, inverseOf, radians, turnOf, type Similarity } from './similarity.ts';

/** How far each is believed to be from rest: one standard deviation; lengths in units, angles in radians. */
export interface Spread {
  x: number;
  y: number;
  angle: number;
  /** Of the natural logarithm of the scale. */
  growth: number;
}

/** What a step solves for: the motion, gain and offset. */
const UNKNOWNS = 6;
const COLUMNS = UNKNOWNS + 1;
/** Places looked at: of a larger level those with the steepest grey, which are the ones that tell. */
const MOST_PLACES = 2000;
/** Differences of more than so many typical ones hardly count. */
const CUT = 2.5;
/** Neighbours see the same noise and the same flaws: so many pixels say as much as one alone would. */
const PIXELS_PER_WITNESS = 32;
/** Below this, in grey levels, a difference is rounding. */
const SMALLEST_DIFFERENCE = 0.5;
/** In pixels of the level: a step that short changes nothing. */
const SHORTEST_STEP = 0.05;

/** Indices of the pixels to look at, row by row; the border has no gradient. */
function placesOf({ data, width, height }: Gray): Uint32Array {
  const inside: number[] = [];
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < width - 1; x += 1) inside.push(y * width + x);
  }
  if (inside.length <= MOST_PLACES) return Uint32Array.from(inside);
  const steepness = (at: number): number =>
    Math.hypot(
      (data[at + 1] as number) - (data[at - 1] as number),
      (data[at + width] as number) - (data[at - width] as number),
    );
  const steep = inside.map((at) => [at, steepness(at)] as const).sort((one, other) => other[1] - one[1]);
  return Uint32Array.from(steep.slice(0, MOST_PLACES), ([at]) => at).sort();
}

export class AlignLevel {
  /** Grey of the reference where it is looked at, its gradient for a unit, and where that is against the middle. */
  readonly #grey: Float64Array;
  readonly #gradientX: Float64Array;
  readonly #gradientY: Float64Array;
  readonly #placeX: Float64Array;
  readonly #placeY: Float64Array;
  /** Pixels of this level for a unit. */
  readonly #perUnitX: number;
  readonly #perUnitY: number;
  /** Grey of the picture at the places; NaN beyond its edge. */
  readonly #seen: Float64Array;
  readonly #normal = new Float64Array(UNKNOWNS * COLUMNS);

  /** `aspect` is the height of the frame by its width: the level's own is rounded to whole pixels. */
  constructor(reference: Gray, aspect: number) {
    const { data, width, height } = reference;
    this.#perUnitX = width / (2 * Math.min(1, 1 / aspect));
    this.#perUnitY = height / (2 * Math.min(1, aspect));
    const places = placesOf(reference);
    this.#seen = new Float64Array(places.length);
    const at = (value: (place: number) => number): Float64Array => Float64Array.from(places, value);
    const slope = (place: number, step: number): number =>
      ((data[place + step] as number) - (data[place - step] as number)) / 2;
    this.#grey = at((place) => data[place] as number);
    this.#gradientX = at((place) => slope(place, 1) * this.#perUnitX);
    this.#gradientY = at((place) => slope(place, width) * this.#perUnitY);
    this.#placeX = at((place) => ((place % width) + 0.5 - width / 2) / this.#perUnitX);
    this.#placeY = at((place) => (Math.floor(place / width) + 0.5 - height / 2) / this.#perUnitY);
  }

  /**
   * Improves a motion, its lengths in units of half the longer side of the frame, by at most `steps` steps. Undefined where the pictures overlap by less than half,
   * or show nothing to hold on to.
   */
  refine(picture: Gray, start: Similarity, spread: Spread, steps: number): Similarity | undefined {
    if (!this.#look(picture, start)) return undefined;
    const light = this.#light();
    let typical = this.#typicalDifference(light);
    let motion = start;
    for (let step = 0; step < steps; step += 1) {
      typical = this.#gather(motion, spread, light, typical);
      const [x, y, angle, growth, gain, offset] = this.#solved();
      if (![x, y, angle, growth].every(Number.isFinite)) return undefined;
      light.gain += gain;
      light.offset += offset;
      motion = after(motion, inverseOf({ x, y, angle: degrees(angle), scale: Math.exp(growth) }));
      if (!this.#look(picture, motion)) return undefined;
      const length = Math.hypot(x, y) + Math.abs(angle) + Math.abs(growth);
      if (length * this.#perUnitX < SHORTEST_STEP) break;
    }
    return motion;
  }

  /** Correlation of the grey of both where it is steepest, with the picture moved back: 1 for the same picture. */
  likeness(picture: Gray, motion: Similarity): number {
    if (!this.#look(picture, motion)) return 0;
    const { correlation } = this.#light();
    return Math.max(0, correlation);
  }

  /** Fills `#seen`; false where the picture lies on less than half of the reference. */
  #look({ data, width, height }: Gray, motion: Similarity): boolean {
    const { cosine, sine } = turnOf(motion);
    const seen = this.#seen;
    const acrossAt = this.#placeX;
    const downAt = this.#placeY;
    const perUnitX = this.#perUnitX;
    const perUnitY = this.#perUnitY;
    let inside = 0;
    for (let place = 0; place < seen.length; place += 1) {
      const dx = acrossAt[place] as number;
      const dy = downAt[place] as number;
      const x = (cosine * dx - sine * dy + motion.x) * perUnitX + width / 2 - 0.5;
      const y = (sine * dx + cosine * dy + motion.y) * perUnitY + height / 2 - 0.5;
      if (!(x >= 0 && y >= 0 && x <= width - 1 && y <= height - 1)) {
        seen[place] = NaN;
        continue;
      }
      const left = Math.min(Math.floor(x), width - 2);
      const top = Math.min(Math.floor(y), height - 2);
      const at = top * width + left;
      const right = x - left;
      const down = y - top;
      const above = (data[at] as number) * (1 - right) + (data[at + 1] as number) * right;
      const below = (data[at + width] as number) * (1 - right) + (data[at + width + 1] as number) * right;
      seen[place] = above * (1 - down) + below * down;
      inside += 1;
    }
    return 2 * inside > seen.length;
  }

  /** Gain and offset that bring the grey of the picture to that of the reference, and how well they do. */
  #light(): { gain: number; offset: number; correlation: number } {
    let count = 0;
    let seenSum = 0;
    let greySum = 0;
    let seenSquares = 0;
    let greySquares = 0;
    let products = 0;
    for (let place = 0; place < this.#seen.length; place += 1) {
      const seen = this.#seen[place] as number;
      if (Number.isNaN(seen)) continue;
      const grey = this.#grey[place] as number;
      count += 1;
      seenSum += seen;
      greySum += grey;
      seenSquares += seen * seen;
      greySquares += grey * grey;
      products += seen * grey;
    }
    const seenVariance = seenSquares - (seenSum * seenSum) / count;
    const greyVariance = greySquares - (greySum * greySum) / count;
    const both = products - (seenSum * greySum) / count;
    const spread = Math.sqrt(seenVariance * greyVariance);
    // a gain below a fifth is no light but another picture: the steps may find a better one
    const gain = seenVariance > 0 ? Math.max(0.2, both / seenVariance) : 1;
    return { gain, offset: (greySum - gain * seenSum) / count, correlation: spread > 0 ? both / spread : 0 };
  }

  #typicalDifference({ gain, offset }: { gain: number; offset: number }): number {
    let sum = 0;
    let count = 0;
    for (let place = 0; place < this.#seen.length; place += 1) {
      const difference = gain * (this.#seen[place] as number) + offset - (this.#grey[place] as number);
      if (Number.isNaN(difference)) continue;
      sum += Math.abs(difference);
      count += 1;
    }
    return asDeviation(sum, count);
  }

  /** Sums up the normal equations of one step; gives the typical difference as weighted. */
  #gather(
    motion: Similarity,
    spread: Spread,
    { gain, offset }: { gain: number; offset: number },
    typical: number,
  ): number {
    const cut = 1 / (CUT * typical) ** 2;
    const seenAt = this.#seen;
    const greyAt = this.#grey;
    const gradientX = this.#gradientX;
    const gradientY = this.#gradientY;
    const acrossAt = this.#placeX;
    const downAt = this.#placeY;
    // one variable for each sum: in an array they take three times as long
    let [xx, xy, xa, xg, xs, xo, xd] = [0, 0, 0, 0, 0, 0, 0];
    let [yy, ya, yg, ys, yo, yd] = [0, 0, 0, 0, 0, 0];
    let [aa, ag, as, ao, ad] = [0, 0, 0, 0, 0];
    let [gg, gs, go, gd] = [0, 0, 0, 0];
    let [ss, so, sd] = [0, 0, 0];
    let [oo, od, absolute] = [0, 0, 0];
    for (let place = 0; place < seenAt.length; place += 1) {
      const seen = seenAt[place] as number;
      if (seen !== seen) continue;
      const x = gradientX[place] as number;
      const y = gradientY[place] as number;
      const placeX = acrossAt[place] as number;
      const placeY = downAt[place] as number;
      const difference = gain * seen + offset - (greyAt[place] as number);
      const far = 1 + difference * difference * cut;
      const weight = 1 / (far * far);
      const angle = placeX * y - placeY * x;
      const growth = placeX * x + placeY * y;
      const ofX = weight * x;
      const ofY = weight * y;
      const ofAngle = weight * angle;
      const ofGrowth = weight * growth;
      const ofSeen = weight * seen;
      xx += ofX * x;
      xy += ofX * y;
      xa += ofX * angle;
      xg += ofX * growth;
      xs -= ofX * seen;
      xo -= ofX;
      xd += ofX * difference;
      yy += ofY * y;
      ya += ofY * angle;
      yg += ofY * growth;
      ys -= ofY * seen;
      yo -= ofY;
      yd += ofY * difference;
      aa += ofAngle * angle;
      ag += ofAngle * growth;
      as -= ofAngle * seen;
      ao -= ofAngle;
      ad += ofAngle * difference;
      gg += ofGrowth * growth;
      gs -= ofGrowth * seen;
      go -= ofGrowth;
      gd += ofGrowth * difference;
      ss += ofSeen * seen;
      so += ofSeen;
      sd -= ofSeen * difference;
      oo += weight;
      od -= weight * difference;
      absolute += weight * Math.abs(difference);
    }
    const deviation = asDeviation(absolute, oo);
    const variance = PIXELS_PER_WITNESS * deviation ** 2;
    const [bx, by, ba, bg] = [
      variance / spread.x ** 2,
      variance / spread.y ** 2,
      variance / spread.angle ** 2,
      variance / spread.growth ** 2,
    ];
    const rows = [
      [xx + bx, xy, xa, xg, xs, xo, xd + bx * motion.x],
      [0, yy + by, ya, yg, ys, yo, yd + by * motion.y],
      [0, 0, aa + ba, ag, as, ao, ad + ba * radians(motion.angle)],
      [0, 0, 0, gg + bg, gs, go, gd + bg * Math.log(motion.scale)],
      [0, 0, 0, 0, ss, so, sd],
      [0, 0, 0, 0, 0, oo, od],
    ];
    rows.forEach((row, i) => this.#normal.set(row, i * COLUMNS));
    return deviation;
  }

  /** Solves the symmetric equations by elimination; NaN where they do not determine the change. */
  #solved(): [x: number, y: number, angle: number, growth: number, gain: number, offset: number] {
    const a = this.#normal;
    const at = (i: number, j: number): number => a[i * COLUMNS + j] as number;
    for (let pivot = 0; pivot < UNKNOWNS; pivot += 1) {
      for (let i = pivot + 1; i < UNKNOWNS; i += 1) {
        // the lower half is the upper one mirrored
        const factor = at(pivot, i) / at(pivot, pivot);
        for (let j = i; j < COLUMNS; j += 1) a[i * COLUMNS + j] = at(i, j) - factor * at(pivot, j);
      }
    }
    const solution: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];
    for (let i = UNKNOWNS - 1; i >= 0; i -= 1) {
      let rest = at(i, UNKNOWNS);
      for (let j = i + 1; j < UNKNOWNS; j += 1) rest -= at(i, j) * (solution[j] as number);
      solution[i] = at(i, i) > 0 ? rest / at(i, i) : NaN;
    }
    return solution;
  }
}

/** The standard deviation of normal numbers is 1.25 times their mean absolute value. */
function asDeviation(sum: number, count: number): number {
  return Math.max(SMALLEST_DIFFERENCE, (1.25 * sum) / count);
}
