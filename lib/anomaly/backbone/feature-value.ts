/**
 * Which value of a graph is the map of features: an output where the file has one, else a value within,
 * behind which the graph is cut off.
 */
import type * as ort from 'onnxruntime-node';
import type { Graph } from '../../onnx/document.ts';
import { bytesField } from '../../protobuf.ts';
import type { Size } from './features.ts';

/** In the order in which they are wanted: fine enough for small defects, then coarser. */
const STRIDES = [8, 16] as const;

/** All values that nodes make, in the order they are made; outputs of the file first. */
export function valuesWithin({ nodes, outputs }: Graph): string[] {
  const declared = outputs.map(({ name }) => name);
  const made = nodes
    .filter(({ operator }) => operator !== 'Constant')
    .flatMap((node) => node.outputs)
    .filter((name) => name !== '' && !declared.includes(name));
  return [...declared, ...made];
}

/** The graph with these values as outputs, their types left to the runtime. */
export function observing(graph: Graph, names: readonly string[]): Graph {
  return { ...graph, outputs: names.map((name) => ({ name, encoded: [bytesField(1, name)] })) };
}

function strideOf(value: ort.Tensor | undefined, { width, height }: Size): number | undefined {
  const [batch, channels = 0, rows = 0, columns = 0] = value?.dims ?? [];
  if (value?.type !== 'float32' || value.dims.length !== 4 || batch !== 1 || channels < 8) return undefined;
  return STRIDES.find(
    (stride) => columns === Math.ceil(width / stride) && rows === Math.ceil(height / stride),
  );
}

/**
 * The name of the value to take; undefined where none is a map of stride 8 or 16.
 *
 * An output of the file comes first: who exported it meant it. Within, it is the last value of stride 8
 * before the first of stride 16, the end of a stage in networks of every kind; behind that a detector's
 * heads would follow, which have the stride as well and know only its classes.
 *
 * @param values what the graph answered for one picture of `size`, by name
 */
export function featureValue(
  graph: Graph,
  values: Readonly<Record<string, ort.Tensor | undefined>>,
  size: Size,
): string | undefined {
  const strides = new Map(valuesWithin(graph).map((name) => [name, strideOf(values[name], size)]));
  const declared = graph.outputs.map(({ name }) => name);
  for (const stride of STRIDES) {
    const output = declared.find((name) => strides.get(name) === stride);
    if (output !== undefined) return output;
  }
  const made = graph.nodes.flatMap(({ outputs }) => outputs);
  const coarse = made.findIndex((name) => strides.get(name) === 16);
  const before = coarse < 0 ? made : made.slice(0, coarse);
  return (
    before.findLast((name) => strides.get(name) === 8) ?? made.findLast((name) => strides.get(name) === 16)
  );
}
