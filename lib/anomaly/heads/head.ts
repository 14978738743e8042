/**
 * What every scoring head is made of: it measures for each patch of a picture how far it is from what
 * good parts show there, and all of them end alike. `score` is the mean of the highest patches, steadier
 * than the single highest one (PatchCore, Roth et al., CVPR 2022, eq. 6); `map` has the distances of all
 * patches; `embedding` is the mean feature vector, by which drift is seen. Patches outside the region of
 * interest neither teach nor score, and are 0 in the map.
 */
import * as ort from 'onnxruntime-node';
import { openSession, type Features, type Grid } from '../backbone.ts';
import { standaloneModel, type GraphConstant, type GraphNode, type GraphPart } from '../onnx-graph.ts';

/** Patches whose distances are averaged into the score. */
export const HIGHEST_PATCHES = 6;

/** What the features of a model are like. */
export interface HeadShape {
  /** Numbers for each patch. */
  channels: number;
  grid: Grid;
  /** One byte for each patch, row by row; 0 where nobody looks. All are looked at when absent. */
  mask?: Uint8Array;
}

/** Good parts as the backbone sees them. */
export interface FeatureSet extends HeadShape {
  parts: readonly Features[];
}

/** Nodes from `head_patches` float32 channels×n (the n patches looked at) to `output` float32 n. */
export interface Distances {
  nodes: readonly GraphNode[];
  constants: readonly GraphConstant[];
  /** Name of the distances, ≥ 0, in the order of {@link activePatches}. */
  output: string;
}

/** Indices of the patches that are looked at, ascending. */
export function activePatches({ grid, mask }: HeadShape): number[] {
  const patches = Array.from({ length: grid.columns * grid.rows }, (_, patch) => patch);
  return mask === undefined ? patches : patches.filter((patch) => mask[patch] !== 0);
}

export function integers(name: string, ...values: number[]): GraphConstant {
  return { name, shape: [values.length], data: BigInt64Array.from(values, BigInt) };
}

export function zeros(name: string, length: number): GraphConstant {
  return { name, shape: [length], data: new Float32Array(length) };
}

/** Where each patch of the grid is among those looked at; behind the last for one that is not. */
function placesOf({ grid }: HeadShape, active: readonly number[]): number[] {
  const places = new Array<number>(grid.columns * grid.rows).fill(active.length);
  active.forEach((patch, place) => (places[patch] = place));
  return places;
}

/**
 * The whole head: `feat` float32 1×channels×rows×columns to `score` float32 1, `map` float32 rows×columns
 * and `embedding` float32 1×channels. With `standalone` the graph takes `feat` as its own input.
 */
export function headOf(shape: HeadShape, distances: Distances, { standalone = false } = {}): GraphPart {
  const { channels, grid } = shape;
  const { columns, rows } = grid;
  const active = activePatches(shape);
  const isWhole = active.length === columns * rows;
  const highest = Math.min(HIGHEST_PATCHES, active.length);
  const nodes: GraphNode[] = [
    {
      operator: 'Reshape',
      inputs: ['feat', 'head_all_shape'],
      outputs: [isWhole ? 'head_patches' : 'head_all'],
    },
    ...(isWhole
      ? []
      : [
          {
            operator: 'Gather',
            inputs: ['head_all', 'head_active'],
            outputs: ['head_patches'],
            attributes: { axis: 1 },
          },
        ]),
    ...distances.nodes,
    ...(isWhole
      ? [{ operator: 'Reshape', inputs: [distances.output, 'head_map_shape'], outputs: ['map'] }]
      : [
          {
            operator: 'Concat',
            inputs: [distances.output, 'head_nothing'],
            outputs: ['head_with_nothing'],
            attributes: { axis: 0 },
          },
          { operator: 'Gather', inputs: ['head_with_nothing', 'head_places'], outputs: ['map'] },
        ]),
    {
      operator: 'TopK',
      inputs: [distances.output, 'head_highest_count'],
      outputs: ['head_highest', 'head_highest_index'],
      attributes: { axis: 0, largest: 1, sorted: 1 },
    },
    // Means are products with a constant: unlike ReduceMean they are written alike in every opset.
    { operator: 'MatMul', inputs: ['head_highest', 'head_highest_share'], outputs: ['score'] },
    { operator: 'MatMul', inputs: ['head_patches', 'head_patch_share'], outputs: ['head_mean'] },
    { operator: 'Reshape', inputs: ['head_mean', 'head_mean_shape'], outputs: ['embedding'] },
  ];
  const share = (name: string, count: number): GraphConstant => {
    return { name, shape: [count, 1], data: new Float32Array(count).fill(1 / count) };
  };
  return {
    nodes,
    constants: [
      ...distances.constants,
      integers('head_all_shape', channels, columns * rows),
      ...(isWhole
        ? [integers('head_map_shape', rows, columns)]
        : [
            integers('head_active', ...active),
            zeros('head_nothing', 1),
            { ...integers('head_places', ...placesOf(shape, active)), shape: [rows, columns] },
          ]),
      integers('head_highest_count', highest),
      share('head_highest_share', highest),
      share('head_patch_share', active.length),
      integers('head_mean_shape', 1, channels),
    ],
    ...(standalone ? { inputs: [{ name: 'feat', shape: [1, channels, rows, columns] }] } : {}),
    outputs: [
      { name: 'score', shape: [1] },
      { name: 'map', shape: [rows, columns] },
      { name: 'embedding', shape: [1, channels] },
    ],
  };
}

export interface HeadScore {
  score: number;
  /** Row by row. */
  map: Float32Array;
}

/** Scores features as the finished model will, by the same nodes. */
export async function scoreFeatures(
  shape: HeadShape,
  distances: Distances,
  parts: readonly Features[],
): Promise<HeadScore[]> {
  const { channels, grid } = shape;
  const session = await openSession(standaloneModel(headOf(shape, distances, { standalone: true })));
  try {
    const scores: HeadScore[] = [];
    for (const part of parts) {
      const feat = new ort.Tensor('float32', part, [1, channels, grid.rows, grid.columns]);
      const { score, map } = await session.run({ feat }, ['score', 'map']);
      scores.push({ score: Number(score?.data[0]), map: map?.data as Float32Array });
    }
    return scores;
  } finally {
    await session.release();
  }
}
