/**
 * What a graph is for, told by the names and shapes of its inputs and outputs. In this order:
 *
 * | what is seen | head |
 * | --- | --- |
 * | no input of 4 dimensions with 1 or 3 channels | `raw` |
 * | a map named `map`, `anomaly_map`, … | `anomaly-map` |
 * | 1×F×N or 1×N×F of floats and prototypes 1×32×H×W | `segment` (instances) |
 * | what `detectFormatOf` knows | `detect` with that format |
 * | a map of floats with one channel and one float beside it | `anomaly-map` |
 * | one row of floats, named like features, or as long as backbones make them and no label for each | `embed` |
 * | one row of floats, named like a measurement | `regress` |
 * | one row of 2 floats or more | `classify` |
 * | one float, named like a probability or with one or two labels | `classify` (yes or no) |
 * | one float, or several outputs of one | `regress` |
 * | feature maps: several sizes, or named like features, or of less than 1/8 of the input's side, or tokens 1×N×C | `embed` |
 * | 1×C×H×W, 1×H×W×C; 1×H×W | `segment` |
 * | anything else | `raw` |
 *
 * It is a suggestion: two graphs with the same shapes can mean different things, and a person decides.
 */
import type { ValueDescription } from '../host/protocol.ts';
import { namedAnomalyOutputs } from './anomaly-map.ts';
import { declaredClasses } from './classify.ts';
import { detectFormatOf } from './detect.ts';
import type { ChosenHead, GraphOutputs } from './head.ts';
import { instanceOutputs } from './instances.ts';
import { plainText } from './labels.ts';
import { isFloat, isNumeric, shapeText } from './outputs.ts';
import { declaredValues, MAX_VALUES } from './regress.ts';
import { isPicture } from './segment.ts';

export interface Suggestion {
  head: ChosenHead;
  /** Half a sentence for people, e.g. `one output of 1×1000: class scores`. */
  why: string;
}

const FEATURE_NAME = /embed|feat|pooler|hidden_state|^layer\d|latent|descriptor/i;
const MEASURE_NAME =
  /regress|measure|angle|width|height|length|diameter|distance|depth|count|value|pose|offset/i;
const CLASS_NAME = /logit|prob|class|softmax|sigmoid|label|score/i;
/** Lengths of the feature vectors of common backbones; rarely a number of classes. */
const FEATURE_LENGTHS = new Set([
  192, 256, 320, 384, 512, 576, 640, 768, 960, 1024, 1152, 1280, 1408, 1536, 2048,
]);

/** The side of the image, where it is fixed; undefined where the input is no image. */
function imageSide({ inputs }: GraphOutputs): { side: number | undefined } | undefined {
  const image = inputs.length === 1 ? inputs[0] : undefined;
  if (image?.shape.length !== 4) return undefined;
  const [, second, third, last] = image.shape;
  const isChannels = (length: number | string | undefined): boolean => length === 1 || length === 3;
  if (isChannels(second)) return { side: typeof third === 'number' ? third : undefined };
  if (isChannels(last)) return { side: typeof second === 'number' ? second : undefined };
  return typeof second === 'string' || typeof last === 'string' ? { side: undefined } : undefined;
}

function one(output: ValueDescription): string {
  return `output '${plainText(output.name)}' of ${shapeText(output)}`;
}

/** A row of numbers: class scores, features or measurements. */
function suggestRow(
  output: ValueDescription,
  classes: number | undefined,
  labels: readonly string[] | undefined,
): Suggestion | undefined {
  const { name } = output;
  const choice = { output: name };
  const isNamed = classes !== undefined && labels?.length === classes;
  if (FEATURE_NAME.test(name)) {
    return { head: { task: 'embed', ...choice }, why: `${one(output)}: features by its name` };
  }
  if (classes !== undefined && classes <= MAX_VALUES && MEASURE_NAME.test(name) && !isNamed) {
    return { head: { task: 'regress', ...choice }, why: `${one(output)}: measurements by its name` };
  }
  if (classes === 1) return suggestSingle(output, labels);
  if (classes !== undefined && FEATURE_LENGTHS.has(classes) && !isNamed && !CLASS_NAME.test(name)) {
    return {
      head: { task: 'embed', ...choice },
      why: `${one(output)}: as long as features of a backbone are`,
    };
  }
  return { head: { task: 'classify', ...choice }, why: `${one(output)}: class scores` };
}

function suggestSingle(output: ValueDescription, labels: readonly string[] | undefined): Suggestion {
  const choice = { output: output.name };
  const isNamed = labels?.length === 1 || labels?.length === 2;
  if (isNamed || /logit|prob|class|sigmoid/i.test(output.name)) {
    return { head: { task: 'classify', ...choice }, why: `${one(output)}: yes or no` };
  }
  return { head: { task: 'regress', ...choice }, why: `${one(output)}: one number` };
}

/** Lengths of the sides of a map, as far as they are numbers; of both layouts the likelier. */
function mapSide({ shape }: ValueDescription): number | undefined {
  const [, second, third, last] = shape;
  const isPlanar = typeof second !== 'number' || typeof last !== 'number' || second === 1 || third === last;
  const side = shape.length === 4 ? (isPlanar ? third : second) : second;
  return typeof side === 'number' ? side : undefined;
}

/** Channels of a map; undefined where they are open. */
function mapChannels(output: ValueDescription): number | undefined {
  const { shape } = output;
  if (shape.length === 3) return 1;
  const side = mapSide(output);
  const channels = shape[2] === side ? shape[1] : shape[3];
  return typeof channels === 'number' ? channels : undefined;
}

/** 1×N×C of a transformer, which no mask is: its height would be the input's. */
function isTokens({ shape }: ValueDescription, side: number | undefined): boolean {
  const [, places, length] = shape;
  const isLength = typeof length === 'number' && FEATURE_LENGTHS.has(length);
  return shape.length === 3 && isLength && places !== length && places !== side;
}

function suggestMap(maps: readonly ValueDescription[], side: number | undefined): Suggestion {
  const last = maps.at(-1) as ValueDescription;
  const sizes = new Set(maps.map((map) => String(mapSide(map) ?? map.shape[2])));
  const isNamed = FEATURE_NAME.test(last.name);
  const isSmall = side !== undefined && (mapSide(last) ?? side) * 8 < side && (mapChannels(last) ?? 0) >= 32;
  const isFeatures =
    isNamed || isTokens(last, side) || (last.shape.length === 4 && (isSmall || sizes.size > 1));
  if (isFloat(last) && isFeatures) {
    const what = maps.length > 1 ? `${maps.length} feature maps, the last is ${one(last)}` : one(last);
    return { head: { task: 'embed', output: last.name }, why: `${what}: features, to be averaged` };
  }
  const [first] = maps as [ValueDescription];
  const what = mapChannels(first) === 1 ? 'a mask' : 'class scores of every pixel';
  return { head: { task: 'segment', output: first.name }, why: `${one(first)}: ${what}` };
}

function suggestTask(graph: GraphOutputs, labels: readonly string[] | undefined): Suggestion {
  const image = imageSide(graph);
  const raw = (why: string): Suggestion => ({ head: { task: 'raw' }, why });
  if (image === undefined) return raw('the input is no picture: the outputs as they are');
  const anomaly = namedAnomalyOutputs(graph);
  if (anomaly !== undefined) {
    return { head: { task: 'anomaly-map' }, why: `${one(anomaly.map)}: an anomaly map by its name` };
  }
  const instances = instanceOutputs(graph, undefined);
  if (instances !== undefined) {
    return {
      head: { task: 'segment' },
      why: `${one(instances.objects)} with prototypes of masks: objects with their masks`,
    };
  }
  const format = detectFormatOf(graph, labels?.length);
  if (format !== undefined) {
    const shapes = graph.outputs.map(shapeText).slice(0, 4).join(', ');
    return { head: { task: 'detect', format }, why: `outputs of ${shapes}: a detector, read as ${format}` };
  }
  return suggestByShape(graph, labels, image.side) ?? raw('nothing that is known: the outputs as they are');
}

function suggestByShape(
  { outputs }: GraphOutputs,
  labels: readonly string[] | undefined,
  side: number | undefined,
): Suggestion | undefined {
  const numeric = outputs.filter(isNumeric);
  const floats = numeric.filter((output) => isFloat(output) && output.shape.length > 0);
  const maps = numeric.filter((output) => isPicture(output.shape) && declaredClasses(output) === 0);
  const singles = floats.filter((output) => declaredValues(output) === 1 && !maps.includes(output));
  const [single] = singles;
  if (single !== undefined && maps.length === 1 && mapChannels(maps[0] as ValueDescription) === 1) {
    return {
      head: { task: 'anomaly-map' },
      why: `${one(maps[0] as ValueDescription)} and one number beside it: an anomaly map with its score`,
    };
  }
  const row = floats.find((output) => {
    const classes = declaredClasses(output);
    return classes === undefined ? output.shape.length === 2 : classes > 1;
  });
  if (row !== undefined) return suggestRow(row, declaredClasses(row), labels);
  if (maps.length > 0) return suggestMap(maps, side);
  if (singles.length > 1) {
    return { head: { task: 'regress' }, why: `${singles.length} outputs of one value each: measurements` };
  }
  return single === undefined ? undefined : suggestRow(single, 1, labels);
}

/**
 * The head for a graph, for the person who has not chosen one. `labels` are the names of the classes where they
 * are known; a head that names classes gets them.
 */
export function suggestHead(graph: GraphOutputs, labels?: readonly string[]): Suggestion {
  const { head, why } = suggestTask(graph, labels);
  const isLabelled = head.task === 'classify' || head.task === 'detect' || head.task === 'segment';
  return { head: isLabelled && labels !== undefined ? { ...head, labels } : head, why };
}
