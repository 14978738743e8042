/**
 * Head of graphs that score by themselves: one score (higher is worse) and a map of the same per patch or
 * pixel, 1×1×H×W, 1×H×W or H×W. A vector called `embedding` is handed through, for watching drift; whatever
 * else such a graph gives is not fetched.
 *
 * By name are found our own `score` and `map`, and `pred_score` and `anomaly_map` of anomalib 2; by shape a
 * map of floats with one channel, such as the `output` of anomalib 1, and one float beside it. A graph without
 * a score is scored by the highest value of its map.
 */
import { labelComponents } from '../../frame/components.ts';
import type { Box } from '../../inspection/inspection.ts';
import { InferenceError } from '../errors.ts';
import type { ValueDescription } from '../host/protocol.ts';
import type { AnomalyMapOptions, GraphOutputs, HeadPlan, OutputTensor, Outputs } from './head.ts';
import { plainText } from './labels.ts';
import { gridOf, viewOf, type MaskGrid, type MaskView } from './mask-grid.ts';
import { checkOutput, chooseOutput, isFloat, unsupportedOutput } from './outputs.ts';
import { declaredValues } from './regress.ts';

const SCORES = ['score', 'pred_score', 'pred_scores', 'anomaly_score', 'image_score'];
const EMBEDDINGS = ['embedding'];
const MAPS = ['map', 'anomaly_map', 'anomaly_maps', 'score_map', 'heatmap'];
/** Boxes in a prediction, round the largest areas. */
export const MAX_BOXES = 32;

export interface MapBox {
  /** Pixels of the frame. */
  box: Box;
  /** Highest value of the map inside. */
  score: number;
}

/** True where the shape is that of a map with one channel, as far as it is known. */
function isMap({ shape }: ValueDescription): boolean {
  if (shape.length === 4) return shape[1] === 1 || shape[3] === 1;
  if (shape.length === 3) return shape[0] === 1 || typeof shape[0] === 'string';
  return shape.length === 2 && shape.every((length) => typeof length === 'number' && length > 1);
}

function named({ outputs }: GraphOutputs, names: readonly string[]): ValueDescription | undefined {
  return outputs.find((output) => isFloat(output) && names.includes(output.name.toLowerCase()));
}

/** The two outputs as they are named by those who export such graphs; undefined where no map is. */
export function namedAnomalyOutputs(
  graph: GraphOutputs,
): { map: ValueDescription; score: ValueDescription | undefined } | undefined {
  const map = named(graph, MAPS);
  return map === undefined ? undefined : { map, score: named(graph, SCORES) };
}

function outputsOf(
  options: AnomalyMapOptions,
  graph: GraphOutputs,
): { map: ValueDescription; score: ValueDescription | undefined } {
  const known = namedAnomalyOutputs(graph);
  const byShape = (output: ValueDescription): boolean =>
    isFloat(output) && isMap(output) && declaredValues(output) !== 1;
  const map =
    options.map === undefined
      ? (known?.map ?? graph.outputs.find(byShape))
      : chooseOutput(graph, options.map, () => true);
  if (map === undefined) {
    throw unsupportedOutput(
      'the graph has no output with a map of one channel',
      'Choose a model that gives an anomaly map, name its outputs, or choose another task.',
    );
  }
  const rest = graph.outputs.filter((output) => output !== map && isFloat(output));
  const score =
    options.score === undefined
      ? (named({ ...graph, outputs: rest }, SCORES) ?? rest.find((output) => declaredValues(output) === 1))
      : chooseOutput(graph, options.score, () => true);
  return { map: checkOutput(map), score: score === undefined ? undefined : checkOutput(score) };
}

function notFinite(what: string): InferenceError {
  return new InferenceError('SCORE_NOT_FINITE', what, {
    hint: 'The model or its input is broken; nothing may be accepted on this score.',
  });
}

/** The part of a map that shows the frame, row by row; the data itself where that is all of it. */
function cut(
  { data, width, height, rowStep, pixelStep }: MaskView,
  { columns, rows }: MaskGrid,
): Float32Array {
  if (columns === width && rows === height && pixelStep === 1) return data;
  const part = new Float32Array(columns * rows);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      part[row * columns + column] = data[row * rowStep + column * pixelStep] as number;
    }
  }
  return part;
}

/** Boxes in whole pixels of the frame round the areas of the map above `level`, the largest area first. */
function boxesOf(map: Float32Array, grid: MaskGrid, level: number): MapBox[] {
  const { columns, rows, pixelWidth, pixelHeight } = grid;
  const above = Uint8Array.from(map, (value) => (value > level ? 1 : 0));
  const areas = labelComponents(above, columns, rows);
  const highest = new Float32Array(areas.count).fill(-Infinity);
  for (let pixel = 0; pixel < map.length; pixel += 1) {
    const area = (areas.labels[pixel] as number) - 1;
    if (area >= 0 && (map[pixel] as number) > (highest[area] as number)) highest[area] = map[pixel] as number;
  }
  const largest = Array.from(areas.pixels.keys())
    .sort((one, other) => (areas.pixels[other] as number) - (areas.pixels[one] as number) || one - other)
    .slice(0, MAX_BOXES);
  return largest.map((area) => {
    const x = Math.floor((areas.left[area] as number) * pixelWidth);
    const y = Math.floor((areas.top[area] as number) * pixelHeight);
    const right = Math.min(Math.ceil((areas.right[area] as number) * pixelWidth), columns * pixelWidth);
    const bottom = Math.min(Math.ceil((areas.bottom[area] as number) * pixelHeight), rows * pixelHeight);
    return { box: [x, y, Math.max(1, right - x), Math.max(1, bottom - y)], score: highest[area] as number };
  });
}

/**
 * `boxes` is there where a `level` is given. `tensors.map` is rows × columns and covers the frame;
 * `tensors.embedding` is there where the graph has one.
 *
 * @throws InferenceError `MODEL_OUTPUT_UNSUPPORTED`; from `read` also `SCORE_NOT_FINITE`, `RUN_FAILED`
 */
export function planAnomalyMap(options: AnomalyMapOptions, graph: GraphOutputs): HeadPlan {
  const { map, score } = outputsOf(options, graph);
  const embedding = named(graph, EMBEDDINGS);
  const { level } = options;
  return {
    input: {},
    bind: (input) => ({
      outputs: [score, map, embedding].flatMap((output) => (output === undefined ? [] : [output.name])),
      read: (outputs, placement) => {
        const tensor = outputs[map.name] as OutputTensor;
        const flat =
          tensor.dims.length < 2 ? { dims: [1, ...tensor.dims, 1].slice(-2), data: tensor.data } : tensor;
        const view = viewOf(flat, input);
        if (view?.channels !== 1) {
          throw unsupportedOutput(`output '${plainText(map.name)}' is ${tensor.dims.join('×')}, not a map`);
        }
        const grid = gridOf(view, input, placement);
        const data = cut(view, grid);
        const value =
          score === undefined ? highestOf(data) : only(outputs[score.name] as OutputTensor, score.name);
        if (!Number.isFinite(value)) throw notFinite(`the model scored ${value}`);
        if (!data.every(Number.isFinite)) throw notFinite('a place of the map is not a finite number');
        return {
          prediction: {
            task: 'anomaly-map',
            score: value,
            ...(level === undefined ? {} : { boxes: boxesOf(data, grid, level) }),
          },
          tensors: {
            map: { dims: [grid.rows, grid.columns], data },
            ...(embedding === undefined ? {} : { embedding: vectorOf(outputs, embedding.name) }),
          },
        };
      },
    }),
  };
}

function vectorOf(outputs: Outputs, name: string): { dims: number[]; data: Float32Array } {
  const { data } = outputs[name] as OutputTensor;
  if (!data.every(Number.isFinite)) throw notFinite('a number of the embedding is not finite');
  return { dims: [data.length], data };
}

function highestOf(data: Float32Array): number {
  let highest = -Infinity;
  for (const value of data) {
    if (!(value <= highest)) highest = value;
  }
  return highest;
}

function only({ data }: OutputTensor, name: string): number {
  const [value] = data;
  if (data.length === 1 && value !== undefined) return value;
  throw new InferenceError('RUN_FAILED', `'${plainText(name)}' has ${data.length} values instead of one`);
}
