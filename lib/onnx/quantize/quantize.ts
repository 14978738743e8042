/**
 * Static int8 quantisation of a vision model: weights int8 with a scale for each channel, activations
 * uint8 with a scale for each tensor, calibrated on pictures, written as QDQ.
 *
 * Takes the model's floats as truth and needs no labels. Blocks for seconds to minutes: meant for a command
 * line, not for a flow.
 */
import { writeDocument } from '../document.ts';
import type { Node } from '../node.ts';
import { calibrate, pictureInputOf, type CalibrationOptions, type LoadPicture } from './calibrate.ts';
import { liftOpset } from './lift.ts';
import { planQuantization, type Plan, type PlanOptions } from './plan.ts';
import { rewrite } from './rewrite.ts';
import { affineOf } from './rounding.ts';
import { simplify } from './simplify.ts';

export interface QuantizeOptions extends PlanOptions, CalibrationOptions {
  /**
   * Weights of 7 bits. Processors without VNNI (before Intel's Ice Lake and AMD's Zen 4) add pairs of products in
   * 16 bits, which 8 bits can overflow.
   */
  reduceRange?: boolean;
}

export interface QuantizeResult {
  bytes: Buffer;
  /** Nodes that compute in integers, by operator. */
  quantized: Readonly<Record<string, number>>;
  /** Nodes that stay float, by operator. */
  float: Readonly<Record<string, number>>;
  /** Tensors that were calibrated. */
  calibrated: number;
}

function countBy(operators: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const operator of operators) counts[operator] = (counts[operator] ?? 0) + 1;
  return counts;
}

/** What normalises the picture makes bytes, but of floats. */
function isBetweenBytes({ inputs, outputs }: Node, integer: Plan['integer']): boolean {
  return inputs.some((name) => integer.has(name)) && outputs.some((name) => integer.has(name));
}

/**
 * @param bytes a model that takes one picture as uint8 of a fixed size (see `foldInput`), float32 within
 * @param pictures some dozens, of good and bad parts, as the line sees them
 * @throws OnnxError `ONNX_INVALID`, `ONNX_TOO_LARGE`, `QUANTIZE_NOTHING`, `QUANTIZE_OPSET_UNSUPPORTED`,
 *   `QUANTIZE_INPUT_UNSUPPORTED`, `QUANTIZE_NODE_UNKNOWN`, `CALIBRATION_FAILED`
 */
export async function quantize(
  bytes: Uint8Array,
  pictures: readonly LoadPicture[],
  options: QuantizeOptions = {},
): Promise<QuantizeResult> {
  const document = await simplify(bytes);
  pictureInputOf(document);
  liftOpset(document);
  const plan = planQuantization(document.graph, options);
  const owners = [...new Set([...plan.integer.values(), ...plan.boundary])];
  const ranges = await calibrate(document, owners, pictures, options);
  const affines = new Map([...ranges].map(([name, { low, high }]) => [name, affineOf(low, high)]));
  const { cores, absorbed, integer } = plan;
  const takingOver = new Set(absorbed.values());
  const isInteger = document.graph.nodes.map(
    (node) => cores.has(node) || absorbed.has(node) || takingOver.has(node) || isBetweenBytes(node, integer),
  );
  const operatorsThat = (integer: boolean): string[] =>
    document.graph.nodes.flatMap(({ operator }, index) => (isInteger[index] === integer ? [operator] : []));
  const [quantized, float] = [countBy(operatorsThat(true)), countBy(operatorsThat(false))];
  rewrite(document, plan, affines, options.reduceRange === true ? 63 : 127);
  return { bytes: writeDocument(document), quantized, float, calibrated: owners.length };
}
