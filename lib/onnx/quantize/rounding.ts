/**
 * From numbers to bytes and back: scales, zero points and rounded weights (B. Jacob et al., “Quantization and
 * Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference”, CVPR 2018, section 2.1).
 */

/** value ≈ (byte − zeroPoint) · scale */
export interface Affine {
  scale: number;
  /** 0…255 */
  zeroPoint: number;
}

/** Below it a reciprocal leaves float32. */
const SMALLEST_SCALE = 1e-30;

/** For uint8 numbers between `low` and `high`; 0 is always met exactly, since padding is 0. */
export function affineOf(low: number, high: number): Affine {
  const from = Math.min(low, 0);
  const to = Math.max(high, 0);
  const scale = Math.fround((to - from) / 255);
  if (scale < SMALLEST_SCALE) return { scale: 1, zeroPoint: 0 };
  return { scale, zeroPoint: Math.min(255, Math.max(0, Math.round(-from / scale))) };
}

export interface RoundedWeights {
  values: Int8Array;
  /** One for each channel. */
  scales: Float32Array;
}

/** Half of int32, so that the sums added to a bias have as much room again. */
const LARGEST_BIAS = 2 ** 30;

/**
 * Symmetric int8 weights with a scale for each channel of `axis`. A channel of tiny weights and a large bias
 * gets a larger scale, as the bias is int32 of weight scale · input scale.
 *
 * @param largest 127, or 63 for processors whose 16 bit sums of two products would overflow
 */
export function roundWeights(
  weights: Float32Array,
  dims: readonly number[],
  axis: number,
  { inputScale, bias, largest }: { inputScale: number; bias: Float32Array | undefined; largest: number },
): RoundedWeights {
  const channels = dims[axis] as number;
  const inner = dims.slice(axis + 1).reduce((product, side) => product * side, 1);
  const scales = new Float32Array(channels);
  const channelOf = (index: number): number => Math.floor(index / inner) % channels;
  for (let i = 0; i < weights.length; i += 1) {
    const channel = channelOf(i);
    scales[channel] = Math.max(scales[channel] as number, Math.abs(weights[i] as number));
  }
  for (let channel = 0; channel < channels; channel += 1) {
    const needed = Math.abs(bias?.[channel] ?? 0) / (inputScale * LARGEST_BIAS);
    const scale = Math.max((scales[channel] as number) / largest, needed);
    scales[channel] = scale < SMALLEST_SCALE ? 1 : scale;
  }
  const values = new Int8Array(weights.length);
  for (let i = 0; i < weights.length; i += 1) {
    const rounded = Math.round((weights[i] as number) / (scales[channelOf(i)] as number));
    values[i] = Math.min(largest, Math.max(-largest, rounded));
  }
  return { values, scales };
}

export function roundBias(bias: Float32Array, scales: Float32Array): Int32Array {
  return Int32Array.from(bias, (value, channel) => Math.round(value / (scales[channel] as number)));
}
