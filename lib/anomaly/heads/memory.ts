/** What the heads of a method remember of good parts, how that grows and shrinks, and the nodes it becomes. */
import { deserialize, serialize } from 'node:v8';
import { AnomalyError } from '../errors.ts';
import type { Features } from '../backbone.ts';
import type { Distances, FeatureSet, HeadShape, Method } from './head.ts';
import { addPart, copyGaussians, gaussianDistances, noParts, type GaussianModel } from './padim.ts';
import {
  bankDistances,
  extendBanks,
  fitBanks,
  forgetInBanks,
  type Bank,
  type BankOptions,
} from './patch-nn.ts';
import { extendPositions, fitPositions, positionDistances, type PositionModel } from './position-nn.ts';
import { sumDistances } from './z-sum.ts';

/** Methods that measure by themselves. */
export type BaseMethod = Exclude<Method, 'z-sum'>;

/** Of the methods that are needed. */
export interface HeadMemory {
  banks?: Bank[];
  positions?: PositionModel;
  gaussians?: GaussianModel;
  /** Of z-sum: in which units bank and Gaussians are added. */
  spreads?: [bank: number, gaussians: number];
}

/** Everything that extending a model needs; parts are named by their index in `scores`. */
export interface TeachingMemory {
  method: Method;
  shape: HeadShape;
  options: BankOptions;
  scores: number[];
  heads: HeadMemory;
}

const FORMAT = 1;

export function writeMemory(memory: TeachingMemory): Buffer {
  return serialize({ format: FORMAT, ...memory });
}

/** @throws AnomalyError `MODEL_INVALID` where the bytes are not what {@link writeMemory} wrote */
export function readMemory(bytes: Uint8Array): TeachingMemory {
  const { format, ...memory } = parsed(bytes);
  if (format === FORMAT) return memory as TeachingMemory;
  throw unreadable(`its format is ${String(format)}`);
}

function parsed(bytes: Uint8Array): { format?: unknown } {
  try {
    const value: unknown = deserialize(bytes);
    return typeof value === 'object' && value !== null ? value : {};
  } catch (cause) {
    throw unreadable('it is cut off or changed', cause);
  }
}

function unreadable(why: string, cause?: unknown): AnomalyError {
  return new AnomalyError('MODEL_INVALID', `what the model remembers cannot be read: ${why}`, {
    hint: 'Restore the folder from a backup, or teach the model again.',
    cause,
  });
}

export function basesOf(method: Method): BaseMethod[] {
  return method === 'z-sum' ? ['patch-nn', 'padim'] : [method];
}

/** Deterministic by seed and order of the parts. */
export async function fitHeads(
  set: FeatureSet,
  bases: readonly BaseMethod[],
  options: BankOptions,
): Promise<HeadMemory> {
  const heads: HeadMemory = {};
  if (bases.includes('patch-nn')) heads.banks = await fitBanks(set, options);
  if (bases.includes('position-nn')) heads.positions = await fitPositions(set);
  if (bases.includes('padim')) heads.gaussians = fitGaussians(set, options.seed);
  return heads;
}

export function fitGaussians(set: FeatureSet, seed: number): GaussianModel {
  const gaussians = noParts(set, seed);
  for (const features of set.parts) addPart(set, gaussians, features);
  return gaussians;
}

/** @throws TypeError where what the method needs is not remembered */
export function distancesOf(
  shape: HeadShape,
  method: Method,
  heads: HeadMemory,
  options: BankOptions,
): Distances {
  const { banks, positions, gaussians, spreads } = heads;
  if (method === 'patch-nn' && banks !== undefined) return bankDistances(shape, banks, options);
  if (method === 'position-nn' && positions !== undefined) return positionDistances(shape, positions);
  if (method === 'padim' && gaussians !== undefined) return gaussianDistances(shape, gaussians);
  if (method === 'z-sum' && banks !== undefined && gaussians !== undefined && spreads !== undefined) {
    return sumDistances(bankDistances(shape, banks, options), gaussianDistances(shape, gaussians), spreads);
  }
  throw new TypeError(`nothing is remembered of ${method}`);
}

/** Patches of good parts that are remembered; of `padim` alone there are none, but sums over all. */
export function rememberedPatches({ banks = [], positions }: HeadMemory, active: number): number {
  const inBanks = banks.reduce((sum, bank) => sum + bank.parts.length, 0);
  return inBanks + (positions === undefined ? 0 : positions.parts.length * active);
}

export interface Change {
  add: readonly Features[];
  /** New index of a part that was there before; undefined where it is forgotten. */
  placeOf: (part: number) => number | undefined;
  forgotten: readonly number[];
  /** Parts that stay. */
  stays: readonly number[];
  featuresOf: (part: number) => Promise<Features>;
}

/** Parts from which a bank is filled up again; more cost time and hardly differ. */
const REFILL_PARTS = 100;

/** What is remembered after the change; the memory before stays as it was. */
export async function changedHeads(
  shape: HeadShape,
  heads: HeadMemory,
  change: Change,
  options: BankOptions,
): Promise<HeadMemory> {
  const { add, placeOf, forgotten, stays, featuresOf } = change;
  const first = stays.length;
  const changed: HeadMemory = heads.spreads === undefined ? {} : { spreads: heads.spreads };
  const kept = async (): Promise<{ features: Features; part: number }[]> => {
    const step = Math.max(1, Math.ceil(stays.length / REFILL_PARTS));
    const some = stays.filter((_, index) => index % step === 0);
    return Promise.all(
      some.map(async (part) => ({ features: await featuresOf(part), part: placeOf(part) ?? 0 })),
    );
  };
  if (heads.banks !== undefined) {
    const left =
      forgotten.length === 0 ? heads.banks : await forgetInBanks(shape, heads.banks, placeOf, kept, options);
    changed.banks = add.length === 0 ? left : await extendBanks(shape, left, add, first, options);
  }
  if (heads.positions !== undefined) {
    const { rows, parts } = heads.positions;
    const left = [...parts.keys()].filter((index) => placeOf(parts[index] as number) !== undefined);
    const rest: PositionModel = {
      rows: left.map((index) => rows[index] as Float32Array),
      parts: left.map((index) => placeOf(parts[index] as number) ?? 0),
    };
    // Room that a forgotten part leaves is for parts that did not fit before.
    const others = left.length === parts.length ? [] : await unseen(rest, kept);
    const filled = await extendPositions(shape, rest, others);
    changed.positions = await extendPositions(
      shape,
      filled,
      add.map((features, index) => ({ features, part: first + index })),
    );
  }
  if (heads.gaussians !== undefined) {
    const gaussians = copyGaussians(heads.gaussians);
    for (const part of forgotten) addPart(shape, gaussians, await featuresOf(part), -1);
    for (const features of add) addPart(shape, gaussians, features);
    changed.gaussians = gaussians;
  }
  return changed;
}

async function unseen(
  { parts }: PositionModel,
  kept: () => Promise<{ features: Features; part: number }[]>,
): Promise<{ features: Features; part: number }[]> {
  const known = new Set(parts);
  return (await kept()).filter(({ part }) => !known.has(part));
}
