/**
 * How much memory the constants of a model make it ask for: a file of 80 bytes can ask for
 * gigabytes (ConstantOfShape, Range, Expand, Tile, Resize, …). An estimate from below: what depends on the
 * picture is not known before it runs, and arithmetic on shapes is not followed. The memory limit
 * and the watchdog of the host stand behind it.
 */
import { refusal } from './fields.ts';
import type { Constant, ModelGraph, Node } from './graph.ts';
import { bytesOfElements, elementsOf, FEW } from './tensor-data.ts';

/** 256 MiB: maps of 21 classes at 1024 × 1024, the largest of common segmentation, are 88 MB. */
const RESULT_LIMIT_BYTES = 256 * 1024 ** 2;
/** Of all such results together, which may all be alive at once. */
const TOTAL_LIMIT_BYTES = 1024 ** 3;

const FLOAT = 1;
const INT64 = 7;

type Known = ReadonlyMap<string, Constant>;

/** What a node looks like to the estimates below. */
interface Sight {
  node: Node;
  /** The numbers of its n-th input, where they are constant and few. */
  values: (input: number) => readonly number[] | undefined;
  constant: (input: number) => Constant | undefined;
  /** Elements of its n-th input as far as declared; 1 where nothing is known. */
  elements: (input: number) => number;
  /** The declared dimensions of its n-th input. */
  dims: (input: number) => readonly number[] | undefined;
}

/** The elements a node makes and their type, where constants say it. */
interface Growth {
  elements: number;
  type: number;
}

function floats(elements: number): Growth {
  return { elements, type: FLOAT };
}

function product(values: readonly number[]): number {
  return elementsOf(values.map((value) => Math.max(0, value)));
}

function ofShape({ values, constant }: Sight, shapeInput: number, type?: number): Growth | undefined {
  const shape = values(shapeInput);
  if (shape !== undefined) return { elements: product(shape), type: type ?? FLOAT };
  // a shape of more numbers than we keep is none of a picture
  return (constant(shapeInput)?.elements ?? 0) > FEW ? floats(Infinity) : undefined;
}

function range({ values, constant }: Sight): Growth | undefined {
  const [start, limit, delta] = [values(0)?.[0], values(1)?.[0], values(2)?.[0]];
  if (start === undefined || limit === undefined || delta === undefined) return undefined;
  const count = Math.ceil((limit - start) / delta);
  return { elements: Number.isNaN(count) ? 0 : Math.max(0, count), type: constant(0)?.type ?? INT64 };
}

/** `scales` and `sizes` are inputs 2 and 3 of Resize since opset 11, `scales` input 1 or an attribute before. */
function resize({ node, values, elements }: Sight): Growth | undefined {
  const sizes = values(3);
  if (sizes !== undefined && sizes.length > 0) return floats(product(sizes));
  const scales = [
    values(2),
    node.inputs.length === 2 ? values(1) : undefined,
    node.attributes.get('scales')?.values,
  ];
  const scale = scales.find((list) => list !== undefined && list.length > 0);
  return scale === undefined ? undefined : floats(elements(0) * product(scale));
}

/** `pads` holds all begins, then all ends. */
function pad({ node, values, dims }: Sight): Growth | undefined {
  const pads = values(1) ?? node.attributes.get('pads')?.values;
  if (pads === undefined) return undefined;
  const axes = pads.length >> 1;
  const declared = dims(0);
  const sides = Array.from({ length: axes }, (_, axis) => {
    const side = declared?.length === axes ? (declared[axis] ?? 1) : 1;
    return side + (pads[axis] ?? 0) + (pads[axis + axes] ?? 0);
  });
  return floats(product(sides));
}

/** Every window moved by `strides` puts at least that many numbers beside each other. */
function spread({ node, elements }: Sight): Growth | undefined {
  const strides = node.attributes.get('strides')?.values;
  const shape = node.attributes.get('output_shape')?.values;
  const padding = node.attributes.get('output_padding')?.values;
  if (shape !== undefined && shape.length > 0) return floats(product(shape));
  return floats(Math.max(elements(0) * product(strides ?? []), product(padding ?? [])));
}

function pooledRegions({ node }: Sight): Growth {
  const side = (name: string): number => node.attributes.get(name)?.values[0] ?? 1;
  return floats(
    Math.max(
      side('output_height') * side('output_width'),
      product(node.attributes.get('pooled_shape')?.values ?? []),
    ),
  );
}

const GROWTH: Readonly<Record<string, (sight: Sight) => Growth | undefined>> = {
  ConstantOfShape: (sight) => ofShape(sight, 0, sight.node.attributes.get('value')?.tensor?.type),
  Expand: (sight) => ofShape(sight, 1, sight.constant(0)?.type),
  AffineGrid: (sight) => ofShape(sight, 1),
  CenterCropPad: (sight) => ofShape(sight, 1),
  Col2Im: (sight) => ofShape(sight, 1),
  MaxUnpool: (sight) => (sight.node.inputs.length > 2 ? ofShape(sight, 2) : spread(sight)),
  OneHot: (sight) => {
    const depth = sight.values(1)?.[0];
    return depth === undefined ? undefined : floats(sight.elements(0) * depth);
  },
  Range: range,
  Tile: (sight) => {
    const repeats = sight.values(1);
    return repeats === undefined ? undefined : floats(sight.elements(0) * product(repeats));
  },
  Resize: resize,
  Upsample: resize,
  Pad: pad,
  ConvTranspose: spread,
  RoiAlign: pooledRegions,
  MaxRoiPool: pooledRegions,
};

/** Operators that hand constants on unchanged, in the order of their elements. */
const HANDS_ON = new Set(['Identity', 'Cast', 'Squeeze', 'Unsqueeze', 'Reshape', 'Flatten']);

function constantOf({ attributes }: Node): Constant | undefined {
  const tensor = (attributes.get('value') ?? attributes.get('sparse_value'))?.tensor;
  if (tensor !== undefined) return tensor;
  const [name, attribute] = [...attributes][0] ?? [];
  if (name === undefined || attribute === undefined) return undefined;
  const { values } = attribute;
  return {
    type: name.startsWith('value_float') ? FLOAT : INT64,
    elements: values.length,
    values: few(values),
  };
}

function few(values: readonly number[]): readonly number[] | undefined {
  return values.length <= FEW ? values : undefined;
}

/** What a node whose inputs are constant hands on as constant. */
function outcome({ node, constant }: Sight): Constant | undefined {
  if (node.operator === 'Constant') return constantOf(node);
  if (HANDS_ON.has(node.operator)) return constant(0);
  if (node.operator !== 'Concat') return undefined;
  const parts = node.inputs.map((_, input) => constant(input));
  if (parts.some((part) => part === undefined)) return undefined;
  const elements = parts.reduce((sum, part) => sum + (part?.elements ?? 0), 0);
  const isKnown = elements <= FEW && parts.every((part) => part?.values !== undefined);
  const values = isKnown ? parts.flatMap((part) => part?.values ?? []) : undefined;
  return { type: parts[0]?.type ?? INT64, elements, values };
}

function sightOf(node: Node, known: Known, shapes: ModelGraph['shapes']): Sight {
  const constant = (input: number): Constant | undefined => known.get(node.inputs[input] ?? '');
  const dims = (input: number): readonly number[] | undefined => shapes.get(node.inputs[input] ?? '');
  return {
    node,
    constant,
    dims,
    values: (input) => constant(input)?.values,
    elements: (input) => constant(input)?.elements ?? product(dims(input) ?? []),
  };
}

/**
 * Follows the constants through the nodes, which come in an order in which they can run.
 *
 * @throws InferenceError `MODEL_TENSOR_TOO_LARGE`
 */
export function checkGrowth(graph: ModelGraph, order: readonly Node[]): void {
  const known = new Map(graph.constants);
  let total = 0;
  for (const node of order) {
    const sight = sightOf(node, known, graph.shapes);
    const constant = outcome(sight);
    const output = node.outputs[0];
    if (constant !== undefined && output !== undefined) known.set(output, constant);
    const growth = GROWTH[node.operator]?.(sight);
    if (growth === undefined) continue;
    const bytes = bytesOfElements(growth.type, growth.elements);
    total += bytes;
    if (bytes <= RESULT_LIMIT_BYTES && total <= TOTAL_LIMIT_BYTES) continue;
    const isOne = bytes > RESULT_LIMIT_BYTES;
    throw refusal(
      'MODEL_TENSOR_TOO_LARGE',
      isOne
        ? `${node.label} makes ${bytes} bytes, the limit is ${RESULT_LIMIT_BYTES}`
        : `${node.label} and those before it make ${total} bytes of constants, the limit is ${TOTAL_LIMIT_BYTES}`,
      'Export the model for a smaller picture.',
    );
  }
}
