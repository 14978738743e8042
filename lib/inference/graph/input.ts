/**
 * From RGB pixels to the tensor a graph wants to be fed. What the graph says about itself (names,
 * types, fixed dimensions) is believed; the rest is asked for. A recipe that contradicts the graph
 * is refused at load: a wrong normalisation gives plausible nonsense, not an error.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../canonical.ts';
import { checkedAlign, type AlignRecipe } from '../../frame/align-recipe.ts';
import type { Fit } from '../../frame/resize.ts';
import { InferenceError } from '../errors.ts';
import type { ValueDescription } from '../host/protocol.ts';

/** Value fed = (pixel · scale − mean) / std, for each channel in the order of `colour`. */
export interface InputRecipe {
  width: number;
  height: number;
  layout: 'nchw' | 'nhwc';
  type: 'float32' | 'uint8';
  colour: 'rgb' | 'bgr' | 'gray';
  scale: number;
  mean: readonly [number, number, number];
  std: readonly [number, number, number];
  /** `letterbox` keeps the aspect, top left, padded with grey 114. */
  fit: Fit;
  /** Brings a part that lies a little otherwise to where it lay when the model was taught. */
  align?: AlignRecipe;
}

/** Largest input side; a 8192 × 8192 float tensor is 805 MB already. */
const MAX_SIDE = 8192;

function unsupported(message: string, hint?: string): InferenceError {
  return new InferenceError('MODEL_INPUT_UNSUPPORTED', message, hint === undefined ? {} : { hint });
}

function isChannels(dimension: number | string | undefined): boolean {
  return dimension === 1 || dimension === 3;
}

function layoutOf(value: ValueDescription, wanted: InputRecipe['layout'] | undefined): InputRecipe['layout'] {
  const [, second, , last] = value.shape;
  if (wanted !== undefined) return wanted;
  if (isChannels(second) && !isChannels(last)) return 'nchw';
  if (isChannels(last) && !isChannels(second)) return 'nhwc';
  return value.type === 'uint8' ? 'nhwc' : 'nchw';
}

function side(name: string, graph: number | string | undefined, wanted: number | undefined): number {
  if (typeof graph === 'number') {
    if (wanted !== undefined && wanted !== graph) {
      throw unsupported(`the graph wants a ${name} of ${graph}, the configuration says ${wanted}`);
    }
    return checkSide(name, graph);
  }
  if (wanted === undefined) {
    throw unsupported(`the graph leaves the ${name} open`, 'Give the input width and height.');
  }
  return checkSide(name, wanted);
}

function checkSide(name: string, length: number): number {
  if (Number.isInteger(length) && length >= 1 && length <= MAX_SIDE) return length;
  throw unsupported(`an input ${name} of ${length} is not between 1 and ${MAX_SIDE}`);
}

/**
 * The recipe for a graph with these inputs.
 *
 * @param defaults what the head knows about its family of models (YOLOX: BGR, 0…255, letterbox)
 * @throws InferenceError `MODEL_INPUT_UNSUPPORTED`; AlignError `ALIGN_INVALID`
 */
export function resolveInput(
  inputs: readonly ValueDescription[],
  wanted: Partial<InputRecipe>,
  defaults: Partial<InputRecipe> = {},
): InputRecipe {
  const [value] = inputs;
  if (value === undefined || inputs.length !== 1) {
    throw unsupported(`the graph has ${inputs.length} inputs; one image is what it gets`);
  }
  if (value.shape.length !== 4) {
    throw unsupported(`input '${value.name}' has ${value.shape.length} dimensions; an image batch has 4`);
  }
  if (value.type !== 'float32' && value.type !== 'uint8') {
    throw unsupported(`input '${value.name}' is of type ${value.type}; float32 and uint8 can be fed`);
  }
  if (wanted.type !== undefined && wanted.type !== value.type) {
    throw unsupported(
      `input '${value.name}' is of type ${value.type}, the configuration says ${wanted.type}`,
    );
  }
  const [batch, ...rest] = value.shape;
  if (typeof batch === 'number' && batch !== 1) {
    throw unsupported(`the graph wants ${batch} images at once; one is what it gets`);
  }
  const layout = layoutOf(value, wanted.layout);
  const [channels, height, width] = layout === 'nchw' ? rest : [rest[2], rest[0], rest[1]];
  if (typeof channels === 'number' && !isChannels(channels)) {
    throw unsupported(`input '${value.name}' wants ${channels} channels; 1 and 3 can be fed`);
  }
  // a graph that takes bytes normalises by itself: what its family wants of floats is inside already
  const family: Partial<InputRecipe> =
    value.type === 'float32' ? defaults : defaults.fit === undefined ? {} : { fit: defaults.fit };
  const colour = wanted.colour ?? (channels === 1 ? 'gray' : (family.colour ?? 'rgb'));
  if (typeof channels === 'number' && (channels === 1) !== (colour === 'gray')) {
    throw unsupported(`the graph wants ${channels} channels, the configuration says ${colour}`);
  }
  const std = wanted.std ?? family.std ?? [1, 1, 1];
  if (std.some((deviation) => !(deviation > 0))) throw unsupported('a standard deviation must be above 0');
  return {
    width: side('width', width, wanted.width),
    height: side('height', height, wanted.height),
    layout,
    type: value.type,
    colour,
    scale: wanted.scale ?? family.scale ?? (value.type === 'uint8' ? 1 : 1 / 255),
    mean: wanted.mean ?? family.mean ?? [0, 0, 0],
    std,
    fit: wanted.fit ?? family.fit ?? 'stretch',
    ...(wanted.align === undefined ? {} : { align: checkedAlign(wanted.align) }),
  };
}

/** `sha256:` and the hex SHA-256 of a recipe: two with the same feed the same numbers for the same frame. */
export function recipeDigest(recipe: InputRecipe): string {
  return `sha256:${createHash('sha256').update(canonicalJson(recipe)).digest('hex')}`;
}

export function inputDimensions(recipe: InputRecipe): number[] {
  const { width, height, layout } = recipe;
  const channels = recipe.colour === 'gray' ? 1 : 3;
  return layout === 'nchw' ? [1, channels, height, width] : [1, height, width, channels];
}

export type InputData = Float32Array | Uint8Array;

export function inputBuffer(recipe: InputRecipe): InputData {
  const length = inputDimensions(recipe).reduce((product, dimension) => product * dimension, 1);
  return recipe.type === 'float32' ? new Float32Array(length) : new Uint8Array(length);
}

/** Value fed for each of the 256 pixel values, for each channel: one look-up instead of two operations. */
export type InputTables = readonly Float32Array[];

export function inputTables({ scale, mean, std }: InputRecipe): InputTables {
  return [0, 1, 2].map((channel) =>
    Float32Array.from(
      { length: 256 },
      (_, pixel) => (pixel * scale - (mean[channel] as number)) / (std[channel] as number),
    ),
  );
}

/** Luma of ITU-R BT.601, in integers of 1/65536, as every JPEG codec does it. */
function luma(red: number, green: number, blue: number): number {
  return (19595 * red + 38470 * green + 7471 * blue + 32768) >>> 16;
}

/** True when the pixels can be fed as they lie in memory. */
function isPlain(recipe: InputRecipe): boolean {
  const { type, layout, colour, scale, mean, std } = recipe;
  const isIdentity = scale === 1 && mean.every((m) => m === 0) && std.every((s) => s === 1);
  return type === 'uint8' && layout === 'nhwc' && colour === 'rgb' && isIdentity;
}

/** Fills `output` (of {@link inputBuffer}) from RGB rows of the recipe's size. */
export function fillInput(rgb: Buffer, recipe: InputRecipe, tables: InputTables, output: InputData): void {
  if (isPlain(recipe)) {
    output.set(rgb);
    return;
  }
  const [first, second, third] = tables as [Float32Array, Float32Array, Float32Array];
  const pixels = recipe.width * recipe.height;
  if (recipe.colour === 'gray') {
    for (let pixel = 0, i = 0; pixel < pixels; pixel += 1, i += 3) {
      output[pixel] = first[luma(rgb[i] as number, rgb[i + 1] as number, rgb[i + 2] as number)] as number;
    }
    return;
  }
  const [a, c] = recipe.colour === 'rgb' ? [0, 2] : [2, 0];
  const isPlanar = recipe.layout === 'nchw';
  const step = isPlanar ? 1 : 3;
  const plane = isPlanar ? pixels : 1;
  for (let pixel = 0, i = 0, out = 0; pixel < pixels; pixel += 1, i += 3, out += step) {
    output[out] = first[rgb[i + a] as number] as number;
    output[out + plane] = second[rgb[i + 1] as number] as number;
    output[out + 2 * plane] = third[rgb[i + c] as number] as number;
  }
}

/** What of a recipe is left to do outside a graph that it is folded into. */
const FOLDED = {
  layout: 'nhwc',
  type: 'uint8',
  colour: 'rgb',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
} as const;

/** Feeds one graph: the pixels as they lie where it takes them so, else through the tables into one buffer. */
export class InputFeed {
  readonly dimensions: readonly number[];
  readonly #recipe: InputRecipe;
  readonly #way: { tables: InputTables; output: InputData } | undefined;

  /** @param folded the graph normalises by itself and takes RGB bytes */
  constructor(recipe: InputRecipe, folded: boolean) {
    this.#recipe = folded ? { ...recipe, ...FOLDED } : recipe;
    this.dimensions = inputDimensions(this.#recipe);
    if (!isPlain(this.#recipe))
      this.#way = { tables: inputTables(this.#recipe), output: inputBuffer(this.#recipe) };
  }

  /** The input for RGB rows of the recipe's size; good until the next call, or as long as the rows. */
  fill(rgb: Buffer): InputData {
    if (this.#way === undefined) return rgb;
    fillInput(rgb, this.#recipe, this.#way.tables, this.#way.output);
    return this.#way.output;
  }

  /** The input for a black picture. */
  black(): InputData {
    const { width, height } = this.#recipe;
    return this.fill(Buffer.alloc(width * height * 3));
  }
}
