/**
 * Nearest neighbour at the same place: how far each patch of a picture is from the nearest patch that
 * good parts had there or at one of the eight places around. For parts that lie in a fixture, where a
 * look that is good in one place is a defect in another.
 */
import { coreset } from '../coreset.ts';
import type { Features } from '../backbone.ts';
import { activePatches, integers, type Distances, type FeatureSet, type HeadShape } from './head.ts';
import { toHalves } from './half.ts';
import { copyPatch } from './patches.ts';

/** Size of the bank in the file. It is half precision there, and twice as large once loaded. */
const MAX_BYTES = 20e6;
/** Places of the coarse grid by which parts are told apart where not all of them fit. */
const COARSE = 4;

export interface PositionModel {
  /** Of each part the features of every patch looked at, patch by patch. */
  rows: Float32Array[];
  /** Index of each in the list of parts. */
  parts: number[];
}

/** Parts that fit. */
function partsWithin({ channels }: HeadShape, patches: number): number {
  return Math.max(1, Math.floor(MAX_BYTES / (2 * patches * channels)));
}

/** A part and its index in the list of parts. */
export interface NumberedPart {
  features: Features;
  part: number;
}

/** All parts, or where they are too many those that differ most from each other. */
export async function fitPositions(set: FeatureSet): Promise<PositionModel> {
  const parts = set.parts.map((features, part) => ({ features, part }));
  return extendPositions(set, { rows: [], parts: [] }, parts);
}

/** The model and further parts, as far as they fit. */
export async function extendPositions(
  shape: HeadShape,
  model: PositionModel,
  added: readonly NumberedPart[],
): Promise<PositionModel> {
  const active = activePatches(shape);
  const limit = partsWithin(shape, active.length);
  const indices = [...model.parts, ...added.map(({ part }) => part)];
  const remembered = [
    ...model.rows.map((rows) => () => rows),
    ...added.map(
      ({ features }) =>
        () =>
          patchRows(shape, active, features),
    ),
  ];
  let kept = [...indices.keys()];
  if (indices.length > limit) {
    const looks = remembered.map((rows) => coarseLook(shape, active, rows()));
    const dimensions = looks[0]?.length ?? 0;
    const all = new Float32Array(looks.length * dimensions);
    looks.forEach((look, index) => all.set(look, index * dimensions));
    kept = (await coreset(all, { dimensions, size: limit })).chosen;
  }
  return {
    rows: kept.map((index) => (remembered[index] as () => Float32Array)()),
    parts: kept.map((index) => indices[index] as number),
  };
}

function patchRows({ channels }: HeadShape, active: readonly number[], features: Features): Float32Array {
  const rows = new Float32Array(active.length * channels);
  active.forEach((patch, place) => {
    copyPatch(features, patch, rows.subarray(place * channels, (place + 1) * channels));
  });
  return rows;
}

/** Mean features on a grid of {@link COARSE} by {@link COARSE}: a local look is not lost in the mean of the part. */
function coarseLook(
  { channels, grid }: HeadShape,
  active: readonly number[],
  rows: Float32Array,
): Float32Array {
  const look = new Float32Array(COARSE * COARSE * channels);
  const counts = new Uint32Array(COARSE * COARSE);
  const cellOf = (patch: number): number => {
    const column = patch % grid.columns;
    const row = (patch - column) / grid.columns;
    return Math.floor((row * COARSE) / grid.rows) * COARSE + Math.floor((column * COARSE) / grid.columns);
  };
  for (const patch of active) {
    const cell = cellOf(patch);
    counts[cell] = (counts[cell] as number) + 1;
  }
  active.forEach((patch, place) => {
    const cell = cellOf(patch);
    for (let channel = 0; channel < channels; channel += 1) {
      const at = cell * channels + channel;
      look[at] =
        (look[at] as number) + (rows[place * channels + channel] as number) / (counts[cell] as number);
    }
  });
  return look;
}

/** The nine places round a place and itself, as steps in columns and rows; the opposite of step i is 8 − i. */
const STEPS = [-1, 0, 1].flatMap((down) => [-1, 0, 1].map((right) => ({ right, down })));
/** More than any squared distance. */
const NO_NEIGHBOUR = 1e30;

/** For each place and step the place there; undefined outside the grid and where nobody looks. */
function neighboursOf({ grid }: HeadShape, active: readonly number[]): (number | undefined)[] {
  const placeOf = new Map(active.map((patch, place) => [patch, place]));
  return active.flatMap((patch) => {
    const column = patch % grid.columns;
    return STEPS.map(({ right, down }) =>
      column + right < 0 || column + right >= grid.columns
        ? undefined
        : placeOf.get(patch + right + down * grid.columns),
    );
  });
}

export function positionDistances(shape: HeadShape, { rows }: PositionModel): Distances {
  const { channels } = shape;
  const active = activePatches(shape);
  const [places, parts, steps] = [active.length, rows.length, STEPS.length];
  const bank = new Float32Array(places * parts * channels);
  for (let place = 0; place < places; place += 1) {
    rows.forEach((part, index) => {
      const at = (place * parts + index) * channels;
      bank.set(part.subarray(place * channels, (place + 1) * channels), at);
    });
  }
  const neighbours = neighboursOf(shape, active);
  // What the bank of a place says of the patches round it is read by those: step i from here is 8 − i from there.
  const answers = neighbours.map((place, index) =>
    place === undefined ? places * steps : place * steps + (steps - 1 - (index % steps)),
  );
  return {
    nodes: [
      { operator: 'Cast', inputs: ['position_half'], outputs: ['position_bank'], attributes: { to: 1 } },
      { operator: 'Mul', inputs: ['position_bank', 'position_bank'], outputs: ['position_powers'] },
      { operator: 'MatMul', inputs: ['position_powers', 'position_ones'], outputs: ['position_squares'] },
      {
        operator: 'Gather',
        inputs: ['head_patches', 'position_round'],
        outputs: ['position_columns'],
        attributes: { axis: 1 },
      },
      {
        operator: 'Transpose',
        inputs: ['position_columns'],
        outputs: ['position_patches'],
        attributes: { perm: [1, 0, 2] },
      },
      { operator: 'MatMul', inputs: ['position_bank', 'position_patches'], outputs: ['position_products'] },
      { operator: 'Mul', inputs: ['position_products', 'position_minus_two'], outputs: ['position_twice'] },
      { operator: 'Add', inputs: ['position_twice', 'position_squares'], outputs: ['position_partial'] },
      {
        operator: 'ReduceMin',
        inputs: ['position_partial'],
        outputs: ['position_here'],
        attributes: { axes: [1], keepdims: 0 },
      },
      { operator: 'Reshape', inputs: ['position_here', 'position_flat'], outputs: ['position_list'] },
      {
        operator: 'Concat',
        inputs: ['position_list', 'position_none'],
        outputs: ['position_answers'],
        attributes: { axis: 0 },
      },
      { operator: 'Gather', inputs: ['position_answers', 'position_readers'], outputs: ['position_all'] },
      {
        operator: 'ReduceMin',
        inputs: ['position_all'],
        outputs: ['position_nearest'],
        attributes: { axes: [1], keepdims: 0 },
      },
      { operator: 'Mul', inputs: ['head_patches', 'head_patches'], outputs: ['position_patch_powers'] },
      {
        operator: 'MatMul',
        inputs: ['position_row_of_ones', 'position_patch_powers'],
        outputs: ['position_patch_squares'],
      },
      {
        operator: 'Add',
        inputs: ['position_nearest', 'position_patch_squares'],
        outputs: ['position_signed'],
      },
      { operator: 'Relu', inputs: ['position_signed'], outputs: ['position_distance_squared'] },
      { operator: 'Sqrt', inputs: ['position_distance_squared'], outputs: ['position_distance'] },
    ],
    constants: [
      { name: 'position_half', shape: [places, parts, channels], data: toHalves(bank) },
      { name: 'position_ones', shape: [channels, 1], data: new Float32Array(channels).fill(1) },
      { name: 'position_row_of_ones', shape: [channels], data: new Float32Array(channels).fill(1) },
      { name: 'position_minus_two', shape: [1], data: Float32Array.of(-2) },
      { name: 'position_none', shape: [1], data: Float32Array.of(NO_NEIGHBOUR) },
      // Where there is no neighbour any patch does: nobody reads the answer.
      {
        ...integers('position_round', ...neighbours.map((place) => place ?? 0)),
        shape: [places, steps],
      },
      { ...integers('position_readers', ...answers), shape: [places, steps] },
      integers('position_flat', places * steps),
    ],
    output: 'position_distance',
  };
}
