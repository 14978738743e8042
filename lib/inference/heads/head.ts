/**
 * A head turns the outputs of a graph into what people and flows understand. It is chosen and
 * checked against the graph at load, and runs in the inference host, so that only its small plain
 * result travels.
 */
import type { InputRecipe } from '../input.ts';
import type { ValueDescription } from '../protocol.ts';

export interface ClassifyOptions {
  task: 'classify';
  /** Name of class 0, 1, …; untrusted text. */
  labels?: readonly string[];
  topK?: number;
  /** The output with the class scores; the only or first one when absent. */
  output?: string;
  /** `auto` applies softmax unless the scores are a distribution already. */
  scores?: 'auto' | 'softmax' | 'as-is';
}

export interface DetectOptions {
  task: 'detect';
  /** Layout of the raw output; `auto` tells them apart by its dimensions. */
  format?: 'auto' | 'yolox' | 'yolov8';
  labels?: readonly string[];
  /** Lowest score that counts, 0..1. */
  confidence?: number;
  /** Overlap above which the weaker of two boxes of one class goes, 0..1. */
  iou?: number;
  maxObjects?: number;
  output?: string;
}

export interface RawOptions {
  task: 'raw';
  /** All outputs when absent. */
  outputs?: readonly string[];
}

/** The graph scores by itself: outputs `score` (one value) and `map`. */
interface AnomalyOptions {
  task: 'anomaly';
}

export type HeadOptions = ClassifyOptions | DetectOptions | RawOptions | AnomalyOptions;

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

export interface HeadResult {
  /** Plain JSON. */
  prediction: Record<string, unknown>;
  tensors: Record<string, { dims: number[]; data: Float32Array }>;
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
