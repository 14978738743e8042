/**
 * Writes a plan into a graph as QuantizeLinear and DequantizeLinear (“QDQ”): the file stays valid for every
 * runtime, computes the same numbers in floats where one has no integer kernels, and says by itself
 * how it was rounded.
 */
import { constantsOf, freshNames, type OnnxDocument } from '../document.ts';
import { attributeOf, makeNode, type Node } from '../node.ts';
import { floatsOf, makeTensor, TYPE, type Tensor } from '../tensor.ts';
import type { Plan } from './plan.ts';
import { roundBias, roundWeights, type Affine } from './rounding.ts';

/** A rounded tensor on file: bytes, and the constants that say what they mean. */
interface Scale {
  scale: string;
  zeroPoint: string;
}

class Rewriting {
  readonly #document: OnnxDocument;
  readonly #plan: Plan;
  readonly #affines: ReadonlyMap<string, Affine>;
  readonly #largestWeight: number;
  readonly #fresh: (name: string) => string;
  readonly #constants: ReadonlyMap<string, Tensor>;
  readonly #scales = new Map<string, Scale>();
  readonly #boundary = new Map<string, string>();
  #nodes: Node[] = [];

  constructor(
    document: OnnxDocument,
    plan: Plan,
    affines: ReadonlyMap<string, Affine>,
    largestWeight: number,
  ) {
    this.#document = document;
    this.#plan = plan;
    this.#affines = affines;
    this.#largestWeight = largestWeight;
    this.#fresh = freshNames(document.graph);
    this.#constants = constantsOf(document.graph);
  }

  run(): void {
    const { graph } = this.#document;
    const takesOver = new Map([...this.#plan.absorbed].map(([bound, node]) => [node, bound]));
    for (const node of graph.nodes) {
      if (this.#plan.absorbed.has(node)) continue;
      const outputs = takesOver.get(node)?.outputs ?? node.outputs;
      const rounded = this.#plan.cores.has(node) ? this.#roundCore(node) : node;
      this.#place({ ...rounded, outputs });
    }
    const used = new Set(this.#nodes.flatMap(({ inputs }) => inputs));
    for (const { name } of graph.outputs) used.add(name);
    graph.nodes = this.#nodes;
    graph.initializers = graph.initializers.filter(({ name }) => used.has(name));
    // declared of values of which some have gone
    graph.values = [];
  }

  /** A node, and behind it the rounding of what it makes; readers keep the name and read it rounded. */
  #place(node: Node): void {
    const { integer } = this.#plan;
    const outputs = node.outputs.map((name) => (integer.has(name) ? this.#fresh(`${name}/float`) : name));
    this.#nodes.push({ ...node, outputs });
    for (const [index, name] of node.outputs.entries()) {
      const owner = integer.get(name);
      if (owner !== undefined) this.#roundTrip(outputs[index] as string, name, owner);
    }
  }

  #roundTrip(from: string, to: string, owner: string): void {
    const { scale, zeroPoint } = this.#scaleOf(owner);
    const bytes = this.#fresh(`${to}/bytes`);
    this.#nodes.push(
      makeNode({ operator: 'QuantizeLinear', inputs: [from, scale, zeroPoint], outputs: [bytes] }),
      makeNode({ operator: 'DequantizeLinear', inputs: [bytes, scale, zeroPoint], outputs: [to] }),
    );
  }

  #scaleOf(owner: string): Scale {
    const known = this.#scales.get(owner);
    if (known !== undefined) return known;
    const { scale, zeroPoint } = this.#affines.get(owner) as Affine;
    const names = {
      scale: this.#constant(makeTensor(this.#fresh(`${owner}/scale`), [], Float32Array.of(scale))),
      zeroPoint: this.#constant(makeTensor(this.#fresh(`${owner}/zero_point`), [], Uint8Array.of(zeroPoint))),
    };
    this.#scales.set(owner, names);
    return names;
  }

  #constant(tensor: Tensor): string {
    this.#document.graph.initializers.push(tensor);
    return tensor.name;
  }

  /** The float input of a core, rounded for cores only. */
  #roundedInput(name: string): string {
    if (this.#plan.integer.has(name)) return name;
    const known = this.#boundary.get(name);
    if (known !== undefined) return known;
    const rounded = this.#fresh(`${name}/rounded`);
    this.#roundTrip(name, rounded, name);
    this.#boundary.set(name, rounded);
    return rounded;
  }

  #roundCore(node: Node): Node {
    const [input, weightsName, biasName = ''] = node.inputs as [string, string, string | undefined];
    const tensor = this.#constants.get(weightsName) as Tensor;
    const weights = floatsOf(tensor) as Float32Array;
    const biasTensor = biasName === '' ? undefined : this.#constants.get(biasName);
    const bias = biasTensor === undefined ? undefined : floatsOf(biasTensor);
    const axis = channelAxis(node);
    const inputScale = (this.#affines.get(this.#plan.integer.get(input) ?? input) as Affine).scale;
    const largest = this.#largestWeight;
    const { values, scales } = roundWeights(weights, tensor.dims, axis, { inputScale, bias, largest });
    const inputs = [this.#roundedInput(input)];
    inputs.push(this.#stored(weightsName, makeTensor('', tensor.dims, values), scales, axis));
    if (bias !== undefined) {
      const biasScales = scales.map((scale) => scale * inputScale);
      inputs.push(
        this.#stored(biasName, makeTensor('', [bias.length], roundBias(bias, biasScales)), biasScales, 0),
      );
    }
    return { ...node, inputs };
  }

  /** A constant as integers and the node that makes floats of it; symmetric, so without zero points. */
  #stored(name: string, integers: Tensor, scales: Float32Array, axis: number): string {
    const stored = this.#constant({ ...integers, name: this.#fresh(`${name}/integers`) });
    const scale = this.#constant(makeTensor(this.#fresh(`${name}/scales`), [scales.length], scales));
    const output = this.#fresh(`${name}/rounded`);
    const zeros = new (integers.type === TYPE.int8 ? Int8Array : Int32Array)(scales.length);
    const zeroPoint = this.#constant(makeTensor(this.#fresh(`${name}/zero_points`), [scales.length], zeros));
    this.#nodes.push(
      makeNode({
        operator: 'DequantizeLinear',
        inputs: [stored, scale, zeroPoint],
        outputs: [output],
        attributes: { axis },
      }),
    );
    return output;
  }
}

/** The axis of the weights that counts what a core makes. */
function channelAxis(node: Node): number {
  if (node.operator === 'Conv') return 0;
  return node.operator === 'Gemm' && (attributeOf(node, 'transB')?.integer ?? 0) !== 0 ? 0 : 1;
}

/** Changes `document`; `affines` has one entry for each owner of a scale in `plan`. */
export function rewrite(
  document: OnnxDocument,
  plan: Plan,
  affines: ReadonlyMap<string, Affine>,
  largestWeight: number,
): void {
  new Rewriting(document, plan, affines, largestWeight).run();
}
