/** The part of a network that is a backbone: from plain pixels to its maps of features, mixed into one. */
import { foldInput } from '../../inference/graph/fold.ts';
import { freshNames, inputsOf, readDocument, type Graph, type OnnxDocument } from '../../onnx/document.ts';
import { makeNode, type Node } from '../../onnx/node.ts';
import { makeTensor, TYPE } from '../../onnx/tensor.ts';
import { makeValue } from '../../onnx/value.ts';
import type { Fed } from './feeding.ts';
import { settleOpset } from './opset.ts';

/** The graph of what `wanted` needs, and nothing else. */
function cutBehind(graph: Graph, wanted: readonly string[]): Graph {
  const needed = new Set(wanted);
  const nodes = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const name of node.inputs) needed.add(name);
    return true;
  });
  return {
    ...graph,
    nodes: nodes.toReversed(),
    initializers: graph.initializers.filter(({ name }) => needed.has(name)),
    outputs: wanted.map((name) => makeValue(name, TYPE.float, undefined)),
    values: [],
  };
}

/** The graph with values renamed; whatever has one of the new names already makes room. */
function renamed(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const fresh = freshNames(graph);
  const wanted = [...names.values(), 'feat'];
  const taken = new Map(wanted.filter((name) => !names.has(name)).map((name) => [name, fresh(name)]));
  const nameOf = (name: string): string => names.get(name) ?? taken.get(name) ?? name;
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(nameOf),
      outputs: node.outputs.map(nameOf),
    })),
    initializers: graph.initializers.map((tensor) => ({ ...tensor, name: nameOf(tensor.name) })),
  };
}

/** The network between `image` and its maps, which become `feat`, or `feat_8` and `feat_16`. */
export function cutOut(bytes: Buffer, { recipe, dims }: Fed, maps: readonly string[]): OnnxDocument {
  const document = readDocument(foldInput(bytes, recipe) ?? bytes);
  const [input] = inputsOf(document.graph);
  settleOpset(document);
  const names = maps.length === 1 ? ['feat'] : ['feat_8', 'feat_16'];
  const newNames = new Map(maps.map((name, index) => [name, names[index] ?? '']));
  const graph = renamed(cutBehind(document.graph, maps), newNames.set(input?.name ?? '', 'image'));
  graph.inputs = [makeValue('image', TYPE.uint8, dims)];
  graph.outputs = names.map((name) => makeValue(name, TYPE.float, undefined));
  return { ...document, irVersion: Math.max(document.irVersion, 7), graph };
}

/** Lays the coarse map over the fine one: `feat` of both their channels at stride 8. */
export function mixed(document: OnnxDocument): OnnxDocument {
  const { graph } = document;
  if (graph.outputs.length === 1) return document;
  const mean = (of: string): Node =>
    makeNode({
      operator: 'AveragePool',
      inputs: [of],
      outputs: [`${of}_mean`],
      attributes: { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], count_include_pad: 1 },
    });
  const nodes = [
    mean('feat_8'),
    mean('feat_16'),
    makeNode({
      operator: 'Resize',
      inputs: ['feat_16_mean', '', 'feat_16_scale'],
      outputs: ['feat_16_large'],
      attributes: { mode: 'linear', coordinate_transformation_mode: 'half_pixel' },
    }),
    makeNode({
      operator: 'Concat',
      inputs: ['feat_8_mean', 'feat_16_large'],
      outputs: ['feat'],
      attributes: { axis: 1 },
    }),
  ];
  const scale = makeTensor('feat_16_scale', [4], Float32Array.of(1, 1, 2, 2));
  return {
    ...document,
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...nodes],
      initializers: [...graph.initializers, scale],
      outputs: [makeValue('feat', TYPE.float, undefined)],
    },
  };
}
