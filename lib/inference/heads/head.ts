/**
 * A head turns the outputs of a graph into what people and flows understand. It is chosen and
 * checked against the graph at load, and runs in the inference host, so that only its small plain
 * result travels.
 */
import type { InputRecipe } from '../graph/input.ts';
import type { ValueDescription } from '../host/protocol.ts';

/** Names of class 0, 1, …; untrusted text. */
interface Labelled {
  labels?: readonly string[];
}

/** How the numbers of a graph become probabilities; `softmax` and `sigmoid` say that they are logits. */
export type Scores = 'auto' | 'softmax' | 'sigmoid' | 'as-is';

export interface ClassifyOptions extends Labelled {
  task: 'classify';
  topK?: number;
  /** The output with the class scores; the only or first one when absent. */
  output?: string;
  /** `auto` applies softmax unless the first scores are a distribution already; of one value see `classify.ts`. */
  scores?: Scores;
}

/** Families of detectors by how their raw output is laid out. */
export type DetectFormat = 'yolox' | 'yolov8' | 'yolov5' | 'nanodet' | 'ssd' | 'end-to-end';

export interface DetectOptions extends Labelled {
  task: 'detect';
  /** Layout of the raw output; `auto` tells them apart by its dimensions. */
  format?: 'auto' | DetectFormat;
  /** Lowest score that counts, 0..1. */
  confidence?: number;
  /** Overlap above which the weaker of two boxes of one class goes, 0..1. */
  iou?: number;
  maxObjects?: number;
  output?: string;
}

export interface SegmentOptions extends Labelled {
  task: 'segment';
  /** Probability from which a pixel of a one-channel mask counts, 0..1. */
  threshold?: number;
  /** Smaller connected areas are left out; pixels of the frame. */
  minArea?: number;
  /** `auto`: where the first mask lies in 0…1 throughout they are probabilities, else logits. */
  scores?: Scores;
  /** For instance masks: as in detection. */
  confidence?: number;
  iou?: number;
  output?: string;
}

export interface RegressOptions {
  task: 'regress';
  /** Names of the values in order; untrusted text. */
  names?: readonly string[];
  /** Units in the same order, e.g. `mm`; untrusted text. */
  units?: readonly string[];
  output?: string;
}

export interface EmbedOptions {
  task: 'embed';
  output?: string;
  /** Scales the vector to length 1. Default true. */
  normalise?: boolean;
}

/** The graph scores by itself: one value and a map of the same per patch or pixel. */
export interface AnomalyMapOptions {
  task: 'anomaly-map';
  /** Output with the map; found by name and shape when absent. */
  map?: string;
  /** Output with the one score; when absent and not found, the highest value of the map. */
  score?: string;
  /** Value of the map from which a place is boxed; no boxes when absent. */
  level?: number;
}

export interface RawOptions {
  task: 'raw';
  /** All outputs when absent. */
  outputs?: readonly string[];
}

/** The head is chosen by the shapes and names of the graph's outputs. */
interface AutoOptions extends Labelled {
  task: 'auto';
}

/** What to read from the outputs, once that is decided. */
export type ChosenHead =
  | ClassifyOptions
  | DetectOptions
  | SegmentOptions
  | RegressOptions
  | EmbedOptions
  | AnomalyMapOptions
  | RawOptions;

export type HeadOptions = ChosenHead | AutoOptions;

/** One output of a run: numbers in row-major order. */
export interface OutputTensor {
  dims: readonly number[];
  data: Float32Array;
}

export type Outputs = Readonly<Record<string, OutputTensor>>;

/** The way from pixels of the input back to pixels of the frame. */
export interface Placement {
  scaleX: number;
  scaleY: number;
  frameWidth: number;
  frameHeight: number;
}

/** One byte for each pixel, row by row; class index, or 0..255 for a probability. */
export interface GrayPicture {
  width: number;
  height: number;
  data: Uint8Array;
}

export interface HeadResult {
  /** Plain JSON. */
  prediction: Record<string, unknown>;
  tensors: Record<string, { dims: number[]; data: Float32Array }>;
  /** What is for looking at: leaves the host as a losslessly encoded picture. */
  pictures?: Record<string, GrayPicture>;
}

export interface Head {
  /** The outputs to compute; a graph may have others that nobody fetches. */
  outputs: readonly string[];
  read(outputs: Outputs, placement: Placement): HeadResult;
}

/** A head bound to a graph, and what its family of models expects of the input. */
export interface HeadPlan {
  input: Partial<InputRecipe>;
  /** Called once the input size is known. */
  bind(recipe: InputRecipe): Head;
}

export interface GraphOutputs {
  inputs: readonly ValueDescription[];
  outputs: readonly ValueDescription[];
}
