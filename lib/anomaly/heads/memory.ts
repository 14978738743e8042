/** What the heads of a method remember of good parts, how that grows and shrinks, and the nodes it becomes. */
import { deserialize, serialize } from 'node:v8';
import { AnomalyError } from '../errors.ts';
import type { Features } from '../backbone.ts';
import type { Distances, FeatureSet, HeadShape } from './head.ts';
import type { Method } from '../method.ts';
import { addPart, copyGaussians, gaussianDistances, noParts, type GaussianModel } from './padim.ts';
import {
  bankDistances,
  extendBanks,
  fitBanks,
  forgetInBanks,
  type Bank,
  type BankOptions,
} from './patch-nn.ts';
import {
  extendPositions,
  fitPositions,
  positionDistances,
  type NumberedPart,
  type PositionModel,
} from './position-nn.ts';
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
  /** The last so many parts were learned from corrections. */
  learned: number;
  heads: HeadMemory;
}

const FORMAT = 2;

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

/** The heads and further parts, of which the first has the index `first`; the heads given stay as they were. */
export async function grownHeads(
  shape: HeadShape,
  heads: HeadMemory,
  { first, add }: { first: number; add: readonly Features[] },
  options: BankOptions,
): Promise<HeadMemory> {
  if (add.length === 0) return heads;
  const grown = { ...heads };
  if (heads.banks !== undefined) {
    grown.banks = await extendBanks(shape, heads.banks, add, first, options);
  }
  if (heads.positions !== undefined) {
    const numbered = add.map((features, index) => ({ features, part: first + index }));
    grown.positions = await extendPositions(shape, heads.positions, numbered);
  }
  if (heads.gaussians !== undefined) {
    grown.gaussians = copyGaussians(heads.gaussians);
    for (const features of add) addPart(shape, grown.gaussians, features);
  }
  return grown;
}

/**
 * The heads without what they held of some of the parts in `known`, filled up again from the others, which keep
 * their order; the heads given stay as they were.
 */
export async function shrunkHeads(
  shape: HeadShape,
  heads: HeadMemory,
  { known, remove }: { known: readonly Features[]; remove: ReadonlySet<number> },
  options: BankOptions,
): Promise<HeadMemory> {
  if (remove.size === 0) return heads;
  const stays = [...known.keys()].filter((part) => !remove.has(part));
  const kept = stays.map((part) => known[part] as Features);
  const places = new Map(stays.map((part, place) => [part, place]));
  const shrunk = { ...heads };
  if (heads.banks !== undefined) {
    const placeOf = (part: number): number | undefined => places.get(part);
    shrunk.banks = await forgetInBanks(shape, heads.banks, placeOf, kept, options);
  }
  if (heads.positions !== undefined) {
    const { rows, parts } = heads.positions;
    const left = [...parts.keys()].filter((index) => places.has(parts[index] as number));
    const rest: PositionModel = {
      rows: left.map((index) => rows[index] as Float32Array),
      parts: left.map((index) => places.get(parts[index] as number) ?? 0),
    };
    // Room that a forgotten part leaves is for parts that did not fit before.
    const others = left.length === parts.length ? [] : unseen(rest, kept);
    shrunk.positions = await extendPositions(shape, rest, others);
  }
  if (heads.gaussians !== undefined) {
    shrunk.gaussians = copyGaussians(heads.gaussians);
    for (const part of remove) addPart(shape, shrunk.gaussians, known[part] as Features, -1);
  }
  return shrunk;
}

function unseen({ parts }: PositionModel, kept: readonly Features[]): NumberedPart[] {
  const remembered = new Set(parts);
  return kept.map((features, part) => ({ features, part })).filter(({ part }) => !remembered.has(part));
}
