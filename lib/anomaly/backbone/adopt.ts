/**
 * Makes a backbone of any network with a map of features: a classifier, a detector, an exported feature
 * extractor, bare or as a bundle. The network is cut behind the map, its normalisation folded in, its
 * ends renamed; then both are run on the same picture, and what does not answer the same is refused.
 */
import * as ort from 'onnxruntime-node';
import { foldInput } from '../../inference/graph/fold.ts';
import {
  fillInput,
  inputBuffer,
  inputDimensions,
  inputTables,
  resolveInput,
  type InputRecipe,
} from '../../inference/graph/input.ts';
import { inputOf } from '../../inference/bundle/manifest.ts';
import type { ModelSource } from '../../inference/model/model.ts';
import { freshNames, inputsOf, readDocument, writeDocument, type Graph } from '../../onnx/document.ts';
import { TYPE } from '../../onnx/tensor.ts';
import { makeValue, tensorTypeOf } from '../../onnx/value.ts';
import { seededRandom } from '../../statistics/random.ts';
import { AnomalyError } from '../errors.ts';
import { featureValue, observing, valuesWithin } from './feature-value.ts';
import { openSession, sha256, type Backbone, type Size } from './features.ts';
import { settleOpset } from './opset.ts';

/**
 * What a network wants to be fed, of pixels x in 0…255: `imagenet` (x/255 − mean)/std of torchvision and timm,
 * `symmetric` x/127.5 − 1 of MobileNet and Inception, `unit` x/255, `none` x itself.
 */
export type Normalisation = 'imagenet' | 'symmetric' | 'unit' | 'none';

const NORMALISATIONS: Readonly<Record<Normalisation, Pick<InputRecipe, 'scale' | 'mean' | 'std'>>> = {
  imagenet: { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  symmetric: { scale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  unit: { scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] },
  none: { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] },
};

/** Side of the picture that is tried where the graph leaves it open: a multiple of every usual stride. */
const OPEN_SIDE = 96;
/** Share of the largest feature by which the two may differ: float sums in another order. */
const TOLERANCE = 1e-3;

function unsupported(message: string, hint?: string, cause?: unknown): AnomalyError {
  return new AnomalyError('BACKBONE_UNSUPPORTED', message, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** What only the owner of a bare file knows; a bundle says it. */
function wantedInput(
  { name, bundle }: ModelSource,
  normalise: Normalisation | undefined,
  type: string,
): Partial<InputRecipe> {
  if (bundle !== undefined) {
    if (normalise === undefined) return inputOf(bundle.manifest);
    throw unsupported(
      `the bundle ${name} says itself how it is fed`,
      'Leave the normalisation to the bundle.',
    );
  }
  if (type === 'uint8') {
    if (normalise === undefined || normalise === 'none') return NORMALISATIONS.none;
    throw unsupported(
      `${name} takes bytes, so its normalisation is inside`,
      'Leave the normalisation empty.',
    );
  }
  if (normalise !== undefined) return NORMALISATIONS[normalise];
  throw unsupported(
    `${name} does not say how its pictures are normalised`,
    'Say which it was trained with: imagenet (torchvision, timm), symmetric (MobileNet of TensorFlow), unit or none.',
  );
}

/** Type and dimensions of the one input, its open ones as names. */
function pictureInput(
  source: ModelSource,
  graph: Graph,
): { name: string; type: string; shape: (number | string)[] } {
  const [input, ...others] = inputsOf(graph);
  const declared = input === undefined ? undefined : tensorTypeOf(input);
  const type = declared?.type === TYPE.float ? 'float32' : declared?.type === TYPE.uint8 ? 'uint8' : '';
  if (input === undefined || others.length > 0 || declared?.dims?.length !== 4 || type === '') {
    throw unsupported(`${source.name} does not take one picture as float32 or uint8 of four dimensions`);
  }
  const shape = declared.dims.map((side) => (typeof side === 'number' && side < 1 ? '' : side));
  return { name: input.name, type, shape };
}

interface Fed {
  recipe: InputRecipe;
  /** Dimensions of a uint8 N×H×W×3 input; open where the graph leaves them open. */
  dims: (number | string)[];
  /** The only size it takes. */
  fixed: Size | undefined;
}

function feeding(source: ModelSource, graph: Graph, normalise: Normalisation | undefined): Fed {
  const input = pictureInput(source, graph);
  const wanted = wantedInput(source, normalise, input.type);
  const { width = OPEN_SIDE, height = OPEN_SIDE } = wanted;
  const layout = wanted.layout ?? (input.shape[1] === 3 ? 'nchw' : 'nhwc');
  const [rows, columns] = layout === 'nchw' ? input.shape.slice(2) : input.shape.slice(1, 3);
  // where the graph fixes a side, that is the side
  const sides = {
    width: typeof columns === 'number' ? undefined : width,
    height: typeof rows === 'number' ? undefined : height,
  };
  const recipe = resolveInput([input], { ...wanted, ...sides } as Partial<InputRecipe>, { colour: 'rgb' });
  if (recipe.colour === 'gray')
    throw unsupported(`${source.name} takes grey pictures; a backbone sees colour`);
  if (recipe.type === 'uint8' && (recipe.layout !== 'nhwc' || recipe.colour !== 'rgb')) {
    throw unsupported(`${source.name} takes bytes, but not as rows of RGB`);
  }
  const isFixed = typeof rows === 'number' || typeof columns === 'number';
  return {
    recipe,
    dims: isFixed
      ? [1, recipe.height, recipe.width, 3]
      : [typeof input.shape[0] === 'number' ? 1 : 'N', 'height', 'width', 3],
    fixed: isFixed ? { width: recipe.width, height: recipe.height } : undefined,
  };
}

/** The graph of what `wanted` needs, and nothing else. */
function cutBehind(graph: Graph, wanted: string): Graph {
  const needed = new Set([wanted]);
  const nodes = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const name of node.inputs) needed.add(name);
    return true;
  });
  return {
    ...graph,
    nodes: nodes.toReversed(),
    initializers: graph.initializers.filter(({ name }) => needed.has(name)),
  };
}

/** The graph with values renamed; whatever has one of the new names already makes room. */
function renamed(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const fresh = freshNames(graph);
  const taken = new Map(
    [...names.values()].filter((name) => !names.has(name)).map((name) => [name, fresh(name)]),
  );
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

/** The network between `image` and `feat`, in the form every backbone has. */
function cutOut(bytes: Buffer, { recipe, dims }: Fed, feature: string): Buffer {
  const document = readDocument(foldInput(bytes, recipe) ?? bytes);
  const [input] = inputsOf(document.graph);
  settleOpset(document);
  const cut = cutBehind(document.graph, feature);
  const graph = renamed(
    cut,
    new Map([
      [input?.name ?? '', 'image'],
      [feature, 'feat'],
    ]),
  );
  graph.inputs = [makeValue('image', TYPE.uint8, dims)];
  graph.outputs = [makeValue('feat', TYPE.float, undefined)];
  graph.values = [];
  return writeDocument({ ...document, irVersion: Math.max(document.irVersion, 7), graph });
}

/** Answers of the file as it came, every value of it or one. */
async function runOriginal(
  bytes: Buffer,
  pixels: Buffer,
  { recipe }: Fed,
  wanted?: string,
): Promise<{ graph: Graph; values: ort.InferenceSession.ReturnType }> {
  const document = readDocument(bytes);
  const { graph } = document;
  const names = wanted === undefined ? valuesWithin(graph) : [wanted];
  const session = await openSession(writeDocument({ ...document, graph: observing(graph, names) }));
  try {
    const data = inputBuffer(recipe);
    fillInput(pixels, recipe, inputTables(recipe), data);
    const image = new ort.Tensor(recipe.type, data, inputDimensions(recipe));
    return { graph, values: await session.run({ [session.inputNames[0] ?? '']: image }) };
  } finally {
    await session.release();
  }
}

/** Largest difference of two lists, as a share of the largest number. */
function relativeDifference(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Infinity;
  let [worst, largest] = [0, 1e-9];
  for (let index = 0; index < expected.length; index += 1) {
    const value = expected[index] ?? NaN;
    const difference = Math.abs((actual[index] ?? NaN) - value);
    // NaN counts as the worst
    if (!(difference <= worst)) worst = difference;
    largest = Math.max(largest, Math.abs(value));
  }
  return worst / largest;
}

async function adopt(source: ModelSource, normalise: Normalisation | undefined): Promise<Backbone> {
  const { bytes, name } = source;
  const fed = feeding(source, readDocument(bytes).graph, normalise);
  const size = { width: fed.recipe.width, height: fed.recipe.height };
  const random = seededRandom(1);
  const pixels = Buffer.from(
    Uint8Array.from({ length: size.width * size.height * 3 }, () => random.below(256)),
  );
  const { graph, values } = await runOriginal(bytes, pixels, fed);
  const feature = featureValue(graph, values, size);
  const expected = feature === undefined ? undefined : values[feature];
  if (feature === undefined || expected === undefined) {
    throw unsupported(
      `${name} makes no map of features with one patch for each 8 or 16 pixels`,
      'Use a convolutional network, such as a ResNet or MobileNet exported without its last layers.',
    );
  }
  const adopted = cutOut(bytes, fed, feature);
  const session = await openSession(adopted);
  try {
    const image = new ort.Tensor('uint8', pixels, [1, size.height, size.width, 3]);
    const { feat } = await session.run({ image }, ['feat']);
    const difference = relativeDifference(feat?.data as Float32Array, expected.data as Float32Array);
    if (!(difference <= TOLERANCE)) {
      throw unsupported(
        `${name} answers otherwise once it is cut: features differ by ${difference.toPrecision(2)}`,
      );
    }
  } finally {
    await session.release();
  }
  const [, channels = 0, , columns = 0] = expected.dims;
  const stride = Math.round(size.width / columns);
  return {
    bytes: adopted,
    digest: sha256(adopted),
    name,
    channels,
    stride,
    ...(fed.fixed === undefined ? {} : { size: fed.fixed }),
  };
}

/**
 * The backbone in a network that passed `scanModel`.
 *
 * @param normalise of a bare file that takes floats; a bundle and a graph that takes bytes say it themselves
 * @throws AnomalyError `BACKBONE_UNSUPPORTED`
 */
export async function adoptBackbone(source: ModelSource, normalise?: Normalisation): Promise<Backbone> {
  try {
    return await adopt(source, normalise);
  } catch (error) {
    if (error instanceof AnomalyError) throw error;
    throw unsupported(
      `${source.name} cannot serve as a backbone: ${(error as Error).message.replaceAll(/\s+/g, ' ')}`,
      undefined,
      error,
    );
  }
}
