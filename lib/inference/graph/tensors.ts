/** Between ONNX Runtime's tensors and ours: what a graph is fed, and any numbers it gives as float32. */
import type { Tensor } from 'onnxruntime-node';
import type { OutputTensor } from '../heads/head.ts';
import type { InputData } from './input.ts';

export function inputTensor(type: typeof Tensor, input: InputData, dims: readonly number[]): Tensor {
  return input instanceof Float32Array ? new type('float32', input, dims) : new type('uint8', input, dims);
}

/** IEEE 754 binary16: a sign, five bits of exponent with a bias of 15, ten of fraction. */
export function halfToFloat(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Whatever is numeric, as float32; integers above 2²⁴ lose their last digits. */
export function outputTensor({ type, data, dims }: Pick<Tensor, 'type' | 'data' | 'dims'>): OutputTensor {
  if (data instanceof Float32Array) return { dims, data };
  // where Node has no Float16Array (before 24), the bits come as they are
  const isBits = type === 'float16' && data instanceof Uint16Array;
  return { dims, data: Float32Array.from(data as ArrayLike<unknown>, isBits ? halfBits : Number) };
}

function halfBits(bits: unknown): number {
  return halfToFloat(Number(bits));
}
