/**
 * Which values of a graph are its maps of features: outputs where the file has such, else values within,
 * behind which the graph is cut off.
 */
import type * as ort from 'onnxruntime-node';
import type { Graph } from '../../onnx/document.ts';
import { bytesField } from '../../protobuf.ts';
import type { Size } from './features.ts';

/** Fine enough for small defects, what they are made of, and what is too coarse to say where they are. */
const STRIDES = [8, 16, 32] as const;

type Stride = (typeof STRIDES)[number];

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

function strideOf(value: ort.Tensor | undefined, { width, height }: Size): Stride | undefined {
  const [batch, channels = 0, rows = 0, columns = 0] = value?.dims ?? [];
  if (value?.type !== 'float32' || value.dims.length !== 4 || batch !== 1 || channels < 8) return undefined;
  return STRIDES.find(
    (stride) => columns === Math.ceil(width / stride) && rows === Math.ceil(height / stride),
  );
}

/**
 * The names of the maps to take: the one of stride 8, and of stride 16 behind it where there is one;
 * empty where there is neither.
 *
 * Outputs of the file come first: who exported them meant them. Within, it is the last value of a stride
 * before the first of the next, the end of a stage in networks of every kind; behind that a detector's
 * heads would follow, which have the stride as well and know only its classes.
 *
 * @param values what the graph answered for one picture of `size`, by name
 */
export function featureValues(
  graph: Graph,
  values: Readonly<Record<string, ort.Tensor | undefined>>,
  size: Size,
): string[] {
  const strides = new Map(valuesWithin(graph).map((name) => [name, strideOf(values[name], size)]));
  const declared = graph.outputs.map(({ name }) => name);
  const made = graph.nodes.flatMap(({ outputs }) => outputs);
  const isDeclared = declared.some((name) => [8, 16].includes(strides.get(name) ?? 0));
  const endOf = (stride: Stride, next: Stride): string | undefined => {
    if (isDeclared) return declared.find((name) => strides.get(name) === stride);
    const end = made.findIndex((name) => strides.get(name) === next);
    return (end < 0 ? made : made.slice(0, end)).findLast((name) => strides.get(name) === stride);
  };
  return [endOf(8, 16), endOf(16, 32)].filter((name) => name !== undefined);
}
