/** What a network wants to be fed, so that a backbone can be fed plain pixels instead. */
import { inputOf } from '../../inference/bundle/manifest.ts';
import { resolveInput, type InputRecipe } from '../../inference/graph/input.ts';
import type { ModelSource } from '../../inference/model/model.ts';
import { inputsOf, type Graph } from '../../onnx/document.ts';
import { TYPE } from '../../onnx/tensor.ts';
import { tensorTypeOf } from '../../onnx/value.ts';
import { AnomalyError } from '../errors.ts';
import type { Size } from './features.ts';
import type { Normalisation } from './normalisation.ts';

const FEEDS: Readonly<Record<Normalisation, Pick<InputRecipe, 'scale' | 'mean' | 'std'>>> = {
  imagenet: { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  symmetric: { scale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  unit: { scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1] },
  none: { scale: 1, mean: [0, 0, 0], std: [1, 1, 1] },
};

/** Side of the picture that is tried where the graph leaves it open: a multiple of every usual stride. */
const OPEN_SIDE = 96;

export function unsupported(message: string, hint?: string, cause?: unknown): AnomalyError {
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
    if (normalise === undefined || normalise === 'none') return FEEDS.none;
    throw unsupported(
      `${name} takes bytes, so its normalisation is inside`,
      'Leave the normalisation empty.',
    );
  }
  if (normalise !== undefined) return FEEDS[normalise];
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

export interface Fed {
  recipe: InputRecipe;
  /** Dimensions of a uint8 N×H×W×3 input; open where the graph leaves them open. */
  dims: (number | string)[];
  /** The only size it takes. */
  fixed: Size | undefined;
}

/** @throws AnomalyError `BACKBONE_UNSUPPORTED`; InferenceError where the bundle contradicts its graph */
export function feeding(source: ModelSource, graph: Graph, normalise: Normalisation | undefined): Fed {
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
