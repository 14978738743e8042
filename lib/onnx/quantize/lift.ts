/**
 * Carries a graph to opset 13, the first in which DequantizeLinear knows a scale for each channel.
 * What changed its form on the way (github.com/onnx/onnx, docs/Changelog.md) is rewritten; what
 * cannot be without knowing more than the file says is refused by name.
 */
import { constantsOf, freshNames, opsetOf, type OnnxDocument } from '../document.ts';
import { OnnxError } from '../errors.ts';
import { attributeOf, isStandard, makeAttribute, withoutAttributes, type Node } from '../node.ts';
import { makeIntegers, makeTensor, type Tensor } from '../tensor.ts';
import { tensorTypeOf } from '../value.ts';

const OPSET = 13;

function words(list: string): readonly string[] {
  return list.split(/\s+/).filter((word) => word !== '');
}

/** Mean the same in every opset from this one to 13, in the form they were given. */
const UNCHANGED_SINCE: Readonly<Record<number, readonly string[]>> = {
  7: words(`Abs Add And ArgMax ArgMin AveragePool Cast Ceil Concat Constant Conv ConvTranspose DepthToSpace
    Div Elu Equal Exp Flatten Floor Gather Gemm GlobalAveragePool GlobalMaxPool Greater HardSigmoid Identity
    InstanceNormalization LeakyRelu Less Log LRN MatMul Max MaxPool Mean Min Mul Neg Not Or Pow PRelu
    Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSumSquare Relu Reshape Selu Shape Sigmoid Sin Size Softplus Softsign SpaceToDepth Sqrt Sub Sum Tanh
    Tile Transpose Cos Xor`),
  8: ['Expand'],
  9: words('BatchNormalization ConstantOfShape Erf Sign Where Atan Asin Acos'),
  10: words('Mod Slice TopK'),
  11: words('Clip CumSum GatherElements GatherND NonMaxSuppression Pad Range Resize Round ScatterElements'),
  12: words('Einsum Celu GreaterOrEqual LessOrEqual'),
};

const UNCHANGED = new Map(
  Object.entries(UNCHANGED_SINCE).flatMap(([since, operators]) =>
    operators.map((operator): [string, number] => [operator, Number(since)]),
  ),
);

/** Attributes that became inputs: which, in the order of the inputs behind the first. */
const BECAME_INPUTS: Readonly<Record<string, { since: number; names: readonly string[] }>> = {
  Clip: { since: 11, names: ['min', 'max'] },
  Pad: { since: 11, names: ['pads', 'value'] },
  Slice: { since: 10, names: ['starts', 'ends', 'axes'] },
  Squeeze: { since: 13, names: ['axes'] },
  Unsqueeze: { since: 13, names: ['axes'] },
  ReduceSum: { since: 13, names: ['axes'] },
  Split: { since: 13, names: ['split'] },
};

/** Until opset 12 they worked on everything from `axis` on; the same where that is the last axis. */
const OVER_LAST_AXES = new Set(['Softmax', 'LogSoftmax', 'Hardmax']);

function unsupported(node: Node, from: number): OnnxError {
  return new OnnxError(
    'QUANTIZE_OPSET_UNSUPPORTED',
    `${node.operator} '${node.name === '' ? (node.outputs[0] ?? '') : node.name}' of opset ${from} cannot be carried over to opset ${OPSET}`,
    { hint: `Export the model with opset ${OPSET} or newer: torch.onnx.export(…, opset_version=17).` },
  );
}

class Lift {
  readonly #from: number;
  readonly #fresh: (name: string) => string;
  readonly #ranks: ReadonlyMap<string, number>;
  readonly constants: Tensor[] = [];

  constructor(document: OnnxDocument) {
    const { graph } = document;
    this.#from = opsetOf(document);
    this.#fresh = freshNames(graph);
    const declared = [...graph.values, ...graph.inputs, ...graph.outputs].flatMap(
      (value): [string, number][] => {
        const dims = tensorTypeOf(value)?.dims;
        return dims === undefined ? [] : [[value.name, dims.length]];
      },
    );
    const constants = [...constantsOf(graph)].map(([name, { dims }]): [string, number] => [
      name,
      dims.length,
    ]);
    this.#ranks = new Map([...declared, ...constants]);
  }

  node(node: Node): Node {
    const { operator } = node;
    if (!isStandard(node)) return node;
    const since = UNCHANGED.get(operator);
    if (since !== undefined && since <= this.#from) return node;
    const moved = BECAME_INPUTS[operator];
    if (moved !== undefined && this.#from < moved.since) return this.#attributesToInputs(node, moved.names);
    if (OVER_LAST_AXES.has(operator)) return this.#overLastAxis(node);
    throw unsupported(node, this.#from);
  }

  #attributesToInputs(node: Node, names: readonly string[]): Node {
    const inputs = [node.inputs[0] ?? ''];
    for (const name of names) {
      const attribute = attributeOf(node, name);
      const base = `${node.outputs[0] ?? node.operator}/${name}`;
      if (attribute === undefined) inputs.push('');
      else if (attribute.float !== undefined) {
        inputs.push(this.#constant(makeTensor(this.#fresh(base), [], Float32Array.of(attribute.float))));
      } else {
        // “to the end” is the largest integer of 64 bits, which any larger than a dimension says as well
        const integers = attribute.integers.map((value) => Math.min(value, Number.MAX_SAFE_INTEGER));
        inputs.push(this.#constant(makeIntegers(this.#fresh(base), integers)));
      }
    }
    while (inputs.at(-1) === '') inputs.pop();
    return { ...withoutAttributes(node, ...names), inputs };
  }

  #constant(tensor: Tensor): string {
    this.constants.push(tensor);
    return tensor.name;
  }

  #overLastAxis(node: Node): Node {
    const axis = attributeOf(node, 'axis')?.integer ?? 1;
    const rank = this.#ranks.get(node.inputs[0] ?? '') ?? this.#ranks.get(node.outputs[0] ?? '');
    if (axis !== -1 && (rank === undefined || axis !== rank - 1)) throw unsupported(node, this.#from);
    const rest = withoutAttributes(node, 'axis');
    return { ...rest, attributes: [...rest.attributes, makeAttribute('axis', -1)] };
  }
}

/**
 * Changes `document` to opset 13 where it is older.
 *
 * @throws OnnxError `QUANTIZE_OPSET_UNSUPPORTED`
 */
export function liftOpset(document: OnnxDocument): void {
  if (opsetOf(document) >= OPSET) return;
  const lift = new Lift(document);
  const { graph } = document;
  graph.nodes = graph.nodes.map((node) => lift.node(node));
  graph.initializers.push(...lift.constants);
  document.opsets = document.opsets.map((opset) =>
    opset.domain === '' || opset.domain === 'ai.onnx' ? { ...opset, version: OPSET } : opset,
  );
}
