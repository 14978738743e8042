/**
 * Puts what is done to pixels before a graph into the graph, so that every graph takes the same: RGB
 * bytes as they lie in memory. Costs nothing on a CPU (ratio 0.98–1.02 against a typed loop), moves a
 * quarter of the bytes to a GPU, and travels with the file.
 */
import type { InputRecipe } from './input.ts';
import { freshNames, inputsOf, readDocument, writeDocument, type Graph } from '../../onnx/document.ts';
import { hasSubgraph, makeConstant, makeNode, type Node } from '../../onnx/node.ts';
import { makeIntegers, makeTensor, TYPE } from '../../onnx/tensor.ts';
import { makeValue } from '../../onnx/value.ts';

/** (pixel · scale − mean) / std as pixel · factor + offset, for each channel in the order of the recipe. */
function affineOf({ scale, mean, std }: InputRecipe): { factors: number[]; offsets: number[] } {
  return {
    factors: std.map((deviation) => scale / deviation),
    offsets: mean.map((centre, channel) => -centre / (std[channel] as number)),
  };
}

/** One number where all channels share it, else one for each channel, shaped to meet its axis. */
function perChannel(values: readonly number[], layout: InputRecipe['layout']): [number[], Float32Array] {
  const isShared = values.every((value) => value === values[0]);
  if (isShared) return [[], Float32Array.of(values[0] as number)];
  return [layout === 'nchw' ? [1, 3, 1, 1] : [1, 1, 1, 3], Float32Array.from(values)];
}

/** The nodes from `input`, uint8 RGB rows, to `output`, what the graph was made for. */
function frontOf(
  input: string,
  output: string,
  recipe: InputRecipe,
  fresh: (name: string) => string,
): Node[] {
  const { layout, colour } = recipe;
  const { factors, offsets } = affineOf(recipe);
  const nodes: Node[] = [];
  let current = input;
  const add = (
    operator: string,
    others: string[],
    attributes: Record<string, number | readonly number[]>,
  ): void => {
    const result = fresh(`${input}/${operator.toLowerCase()}`);
    nodes.push(makeNode({ operator, inputs: [current, ...others], outputs: [result], attributes }));
    current = result;
  };
  const constant = (values: readonly number[]): string => {
    const [dims, numbers] = perChannel(values, layout);
    const name = fresh(`${input}/constant`);
    nodes.push(makeConstant(makeTensor(name, dims, numbers)));
    return name;
  };
  // bytes first: a quarter of the memory to move, and planes are picked in three copies
  if (layout === 'nchw') add('Transpose', [], { perm: [0, 3, 1, 2] });
  if (colour === 'bgr') {
    const order = fresh(`${input}/order`);
    nodes.push(makeConstant(makeIntegers(order, [2, 1, 0])));
    add('Gather', [order], { axis: layout === 'nchw' ? 1 : 3 });
  }
  add('Cast', [], { to: TYPE.float });
  if (factors.some((factor) => factor !== 1)) add('Mul', [constant(factors)], {});
  if (offsets.some((offset) => offset !== 0)) add('Add', [constant(offsets)], {});
  const last = nodes.pop() as Node;
  return [...nodes, { ...last, outputs: [output] }];
}

/** True where the one input can be given another type without anybody noticing. */
function canFold({ nodes, outputs }: Graph, input: string): boolean {
  return !outputs.some(({ name }) => name === input) && !nodes.some(hasSubgraph);
}

/**
 * The model with an input of the same name that takes uint8 `[1, height, width, 3]`, RGB; layout, channel
 * order and normalisation of `recipe` are nodes in front, of operators every opset from 7 on has. Fixes the
 * size of an input that left it open. Agrees with {@link fillInput} of the recipe within float rounding.
 *
 * @param bytes an ONNX file that passed `scanModel`
 * @returns undefined where there is nothing to fold (bytes already) or it cannot be (gray: the luma of a
 *   JPEG is integer arithmetic; an input that is also an output; graphs within nodes)
 * @throws OnnxError `ONNX_INVALID`, `ONNX_TOO_LARGE`
 */
export function foldInput(bytes: Uint8Array, recipe: InputRecipe): Buffer | undefined {
  if (recipe.type === 'uint8' || recipe.colour === 'gray') return undefined;
  const document = readDocument(bytes);
  const { graph } = document;
  const [input, ...others] = inputsOf(graph);
  if (input === undefined || others.length > 0 || !canFold(graph, input.name)) return undefined;
  const fresh = freshNames(graph);
  const normalised = fresh(`${input.name}/normalised`);
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => (name === input.name ? normalised : name)),
  }));
  graph.nodes = [...frontOf(input.name, normalised, recipe, fresh), ...nodes];
  const picture = makeValue(input.name, TYPE.uint8, [1, recipe.height, recipe.width, 3]);
  graph.inputs = graph.inputs.map((value) => (value === input ? picture : value));
  // what the file declares of values between was said of the open size
  graph.values = [];
  return writeDocument(document);
}
