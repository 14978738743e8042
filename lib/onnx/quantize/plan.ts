/**
 * Which nodes of a graph compute in integers, and which tensors between them are therefore rounded
 * to bytes.
 *
 * ONNX Runtime's integer kernels stand behind the pattern DequantizeLinear → operator → QuantizeLinear
 * (“QDQ”), and only pay where they follow each other without a way back to floats. So the *cores*,
 * where the work is, are chosen first; what lies between two of them is *linked*; what follows the
 * last one stays float, as rounding a detector's boxes and scores to one scale of 256 steps ruins them.
 */
import { constantsOf, type Graph } from '../document.ts';
import { OnnxError } from '../errors.ts';
import { attributeOf, isStandard, type Node } from '../node.ts';
import { floatsOf, TYPE, type Tensor } from '../tensor.ts';

export interface PlanOptions {
  /** Nodes to leave float, by name or by a value they make; `*` stands for any letters. */
  exclude?: readonly string[];
  /** Leaves the first core float: its input is the picture. */
  keepFirst?: boolean;
  /** Leaves the cores float that no other core follows: their outputs are the answer. */
  keepLast?: boolean;
}

/** Whose scale a rounded tensor has: its own, or that of the tensor it is a rearrangement of. */
type ScaleOwner = string;

export interface Plan {
  /** Nodes whose weights become int8. */
  cores: ReadonlySet<Node>;
  /** Tensors made as bytes by the node that makes them; the value says whose scale they share. */
  integer: ReadonlyMap<string, ScaleOwner>;
  /** Float tensors that a core rounds for itself. */
  boundary: ReadonlySet<string>;
  /** Relu and Clip that rounding to bytes does as well: node to drop → node that takes over its output. */
  absorbed: ReadonlyMap<Node, Node>;
}

/** Only rearrange or pick numbers, so that their output has the scale of the first input. */
const REARRANGE = new Set(
  'DepthToSpace Expand Flatten Gather MaxPool Reshape Resize Slice Split Squeeze Transpose Unsqueeze'.split(
    ' ',
  ),
);
/** Have integer kernels of their own. */
const INTEGER_KERNELS = new Set('Add AveragePool Concat GlobalAveragePool LeakyRelu Mul Sigmoid'.split(' '));
const PIXEL_OPERATORS = new Set('Add Cast Div Gather Mul Sub Transpose'.split(' '));

class Planning {
  readonly #graph: Graph;
  readonly #constants: ReadonlyMap<string, Tensor>;
  readonly #users = new Map<string, Node[]>();
  readonly #outputs: ReadonlySet<string>;
  #excluded: ReadonlySet<Node> = new Set();
  readonly cores = new Set<Node>();
  readonly #leading = new Set<string>();
  readonly integer = new Map<string, ScaleOwner>();
  readonly boundary = new Set<string>();
  readonly absorbed = new Map<Node, Node>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#constants = constantsOf(graph);
    this.#outputs = new Set(graph.outputs.map(({ name }) => name));
    for (const node of graph.nodes) {
      for (const name of new Set(node.inputs)) {
        const users = this.#users.get(name);
        if (users === undefined) this.#users.set(name, [node]);
        else users.push(node);
      }
    }
  }

  run({ exclude = [], keepFirst = false, keepLast = false }: PlanOptions): Plan {
    this.#excluded = this.#named(exclude);
    for (const node of this.#graph.nodes) {
      if (!this.#excluded.has(node) && this.#isCore(node)) this.cores.add(node);
    }
    if (keepFirst) for (const node of [...this.cores].slice(0, 1)) this.cores.delete(node);
    this.#findLeading();
    if (keepLast) {
      for (const node of [...this.cores]) if (!this.#leads(node)) this.cores.delete(node);
      this.#findLeading();
    }
    this.#roundPixels();
    for (const node of this.#graph.nodes) this.#visit(node);
    for (const { inputs } of this.cores) {
      const [input] = inputs as [string];
      if (!this.integer.has(input)) this.boundary.add(input);
    }
    return this;
  }

  #named(patterns: readonly string[]): Set<Node> {
    const found = new Set<Node>();
    for (const pattern of patterns) {
      const escaped = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*');
      const expression = new RegExp(`^${escaped}$`, 'u');
      const nodes = this.#graph.nodes.filter(({ name, outputs }) =>
        [name, ...outputs].some((candidate) => expression.test(candidate)),
      );
      if (nodes.length === 0) {
        throw new OnnxError(
          'QUANTIZE_NODE_UNKNOWN',
          `no node is named '${pattern}' or makes a value of that name`,
          {
            hint: 'Look the names up with jidoka inspect --nodes. Nodes that are merged into others have gone.',
          },
        );
      }
      for (const node of nodes) found.add(node);
    }
    return found;
  }

  #floatConstant(name: string | undefined): Tensor | undefined {
    const tensor = name === undefined ? undefined : this.#constants.get(name);
    return tensor?.type === TYPE.float ? tensor : undefined;
  }

  /** Conv, MatMul and Gemm with constant float32 weights, as their integer kernels want them. */
  #isCore(node: Node): boolean {
    if (!isStandard(node)) return false;
    const { operator, inputs } = node;
    const [data = '', weights, bias] = inputs;
    const tensor = this.#floatConstant(weights);
    if (tensor === undefined || this.#constants.has(data)) return false;
    if (bias !== undefined && bias !== '' && this.#floatConstant(bias) === undefined) return false;
    if (operator === 'Conv') return tensor.dims.length >= 3;
    if (operator === 'MatMul') return tensor.dims.length === 2;
    if (operator !== 'Gemm') return false;
    const factor = (name: string): number => attributeOf(node, name)?.float ?? 1;
    const isPlain =
      (attributeOf(node, 'transA')?.integer ?? 0) === 0 && factor('alpha') === 1 && factor('beta') === 1;
    const columns = tensor.dims[(attributeOf(node, 'transB')?.integer ?? 0) === 0 ? 1 : 0];
    const biasDims = this.#floatConstant(bias)?.dims ?? [columns];
    return isPlain && biasDims.length === 1 && biasDims[0] === columns;
  }

  #isLink(node: Node): boolean {
    if (!isStandard(node) || this.#excluded.has(node)) return false;
    if (node.operator === 'Resize') return attributeOf(node, 'mode')?.text !== 'cubic';
    if (node.operator === 'MaxPool') return node.outputs.length === 1;
    return REARRANGE.has(node.operator) || INTEGER_KERNELS.has(node.operator) || isBound(node);
  }

  #leads({ outputs }: Node): boolean {
    return outputs.some((output) => this.#leading.has(output));
  }

  /** Values that reach a core through links; nodes stand in the order they run. */
  #findLeading(): void {
    this.#leading.clear();
    for (const node of this.#graph.nodes.toReversed()) {
      if (this.cores.has(node)) this.#leading.add(node.inputs[0] as string);
      else if (this.#isLink(node) && this.#leads(node)) {
        for (const input of dataInputs(node)) if (!this.#constants.has(input)) this.#leading.add(input);
      }
    }
  }

  /**
   * The normalised picture: from the bytes of the input through what only moves or scales them. Rounded
   * there, all that follows to the first core (the slices of a focus layer) works on bytes.
   */
  #roundPixels(): void {
    const floats = new Set<string>();
    const reached = new Set(this.#graph.inputs.map(({ name }) => name));
    for (const node of this.#graph.nodes) {
      const dynamic = node.inputs.filter((name) => name !== '' && !this.#constants.has(name));
      if (!PIXEL_OPERATORS.has(node.operator) || !dynamic.every((name) => reached.has(name))) continue;
      if (dynamic.length !== 1) continue;
      const [output = ''] = node.outputs;
      reached.add(output);
      if (node.operator === 'Cast' || floats.has(dynamic[0] as string)) floats.add(output);
    }
    for (const name of floats) {
      const users = this.#users.get(name) ?? [];
      const isLast = users.some((user) => !reached.has(user.outputs[0] ?? ''));
      if (isLast && this.#leading.has(name)) this.integer.set(name, name);
    }
  }

  #visit(node: Node): void {
    const [output = ''] = node.outputs;
    if (this.integer.has(output)) return;
    if (this.cores.has(node)) {
      // a product without a core behind it may give its 32 bit sums as floats; a convolution may not
      if (node.operator === 'Conv' || this.#leads(node)) this.#round(node, output);
      return;
    }
    if (!this.#isLink(node) || !this.#leads(node)) return;
    const inputs = dataInputs(node);
    if (!inputs.every((name) => this.integer.has(name))) return;
    if (REARRANGE.has(node.operator)) {
      const owner = this.integer.get(inputs[0] as string) as string;
      for (const name of node.outputs) this.integer.set(name, owner);
    } else this.#round(node, output);
  }

  /** Rounds what `node` makes; of a Relu or Clip behind it only the result, since bytes end where it does. */
  #round(node: Node, output: string): void {
    const users = this.#users.get(output) ?? [];
    const [user] = users;
    const canAbsorb = users.length === 1 && !this.#outputs.has(output) && user !== undefined && isBound(user);
    if (canAbsorb && !this.#excluded.has(user) && this.#includesZero(user) && node.operator !== 'Concat') {
      this.absorbed.set(user, node);
      const [bounded = ''] = user.outputs;
      this.integer.set(bounded, bounded);
    } else this.integer.set(output, output);
  }

  /** Bytes can always say 0, so a range that does not include it would be widened. */
  #includesZero({ operator, inputs }: Node): boolean {
    if (operator === 'Relu') return true;
    const bound = (name: string | undefined, otherwise: number): number => {
      if (name === undefined || name === '') return otherwise;
      const tensor = this.#floatConstant(name);
      return tensor === undefined ? NaN : (floatsOf(tensor)?.[0] ?? NaN);
    };
    return bound(inputs[1], -Infinity) <= 0 && bound(inputs[2], Infinity) >= 0;
  }
}

function isBound(node: Node): boolean {
  return isStandard(node) && (node.operator === 'Relu' || node.operator === 'Clip');
}

/** The inputs that are numbers of the picture, not shapes, bounds or positions. */
function dataInputs({ operator, inputs }: Node): readonly string[] {
  return operator === 'Concat' || operator === 'Add' || operator === 'Mul' ? inputs : inputs.slice(0, 1);
}

/**
 * @param graph in the order it runs, of opset 13 or newer
 * @throws OnnxError `QUANTIZE_NODE_UNKNOWN`, `QUANTIZE_NOTHING`
 */
export function planQuantization(graph: Graph, options: PlanOptions = {}): Plan {
  const plan = new Planning(graph).run(options);
  if (plan.cores.size > 0) return plan;
  throw new OnnxError(
    'QUANTIZE_NOTHING',
    'the graph has no convolution or product with constant float32 weights',
    {
      hint: 'It may be quantised already, or be of half precision; or every such node was excluded.',
    },
  );
}
