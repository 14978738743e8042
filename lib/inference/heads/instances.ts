/**
 * Objects with a mask of their own: YOLOv8-seg, 11-seg and 12-seg 1×(4+C+M)×N, YOLOv5-seg 1×N×(5+C+M) and
 * YOLO26-seg 1×N×(6+M), each with M prototypes 1×M×H×W. The mask of an object is where
 * sigmoid(coefficients · prototypes) ≥ 0.5, which is where the product is ≥ 0, inside the object's box
 * (Bolya et al. 2019, "YOLACT", section 3.3; Ultralytics `process_mask`). It has the prototypes' resolution,
 * a quarter of the input's.
 */
import { labelComponents } from '../../frame/components.ts';
import { traceOutlines, type Ring } from '../../frame/outline.ts';
import type { Box } from '../../inspection/inspection.ts';
import type { ValueDescription } from '../host/protocol.ts';
import { anchorValues } from './detect/anchors.ts';
import { LETTERBOX, type BoxReader, type Corners, type Family } from './detect/family.ts';
import { isCellCount, type Size } from './detect/format.ts';
import { STRIDES, cellCount } from './detect/grid.ts';
import { Hits } from './detect/hits.ts';
import { classIndex } from './detect/ssd.ts';
import { Candidates, MAX_CANDIDATES } from './detect/suppression.ts';
import { yolov5 } from './detect/yolov5.ts';
import { yolov8 } from './detect/yolov8.ts';
import { notFinite } from './class-map.ts';
import type {
  GraphOutputs,
  Head,
  HeadPlan,
  HeadResult,
  Outputs,
  OutputTensor,
  Placement,
  SegmentOptions,
} from './head.ts';
import { labelOf } from './labels.ts';
import { gridOf, tenth, type MaskGrid } from './mask-grid.ts';
import { isFloat, unsupportedOutput } from './outputs.ts';
import { MAX_SEGMENTS, polygonsOf, sizeOf, type SegmentPrediction } from './segments.ts';

const DEFAULT_CONFIDENCE = 0.3;
const DEFAULT_IOU = 0.45;
/** As every published model has them. */
const COEFFICIENTS = 32;
/** Rows of a graph that gives each object once. */
const MOST_ROWS = 1000;

export interface InstanceOutputs {
  objects: ValueDescription;
  prototypes: ValueDescription;
}

/** The two outputs of a graph with instance masks; undefined where it has them not, or one other is asked for. */
export function instanceOutputs(
  { outputs }: GraphOutputs,
  asked: string | undefined,
): InstanceOutputs | undefined {
  const floats = outputs.filter(isFloat);
  const objects = floats.find(({ shape }) => shape.length === 3);
  const prototypes = floats.find(
    ({ shape }) => shape.length === 4 && (shape[1] === COEFFICIENTS || typeof shape[1] === 'string'),
  );
  if (objects === undefined || prototypes === undefined) return undefined;
  const isAsked = asked === undefined || asked === objects.name || asked === prototypes.name;
  return isAsked ? { objects, prototypes } : undefined;
}

type Find = ReturnType<Family['bind']>;

/** How the objects lie in an output of these dimensions. */
interface Layout {
  find: Find;
  /** True where a row is an object. */
  isByAnchor: boolean;
  hasOverlaps: boolean;
}

/** Rows of x1, y1, x2, y2, score, class and coefficients: the graph gives each object once. */
function findRows(name: string): Find {
  return (outputs, threshold, hits): BoxReader => {
    const { data, anchors, anchorStep } = anchorValues(outputs[name] as OutputTensor, () => true);
    hits.clear(anchors);
    for (let row = 0; row < anchors; row += 1) {
      const score = data[row * anchorStep + 4] as number;
      if (score < threshold) continue;
      if (!Number.isFinite(score)) throw notFinite();
      hits.add(row, score, classIndex(data[row * anchorStep + 5]));
    }
    return (row, corners) => {
      for (let edge = 0; edge < 4; edge += 1) corners[edge] = data[row * anchorStep + edge] as number;
    };
  };
}

function layoutOf(name: string, dims: readonly number[], coefficients: number, size: Size): Layout {
  const [, second = 0, third = 0] = dims;
  const anchorCounts = [STRIDES.p5, STRIDES.p6].map(
    (strides) => 3 * cellCount(size.width, size.height, strides),
  );
  const isAnchors = anchorCounts.includes(second);
  const isCells = isCellCount(second, size);
  if (third === 6 + coefficients && second <= MOST_ROWS && !isAnchors && !isCells) {
    return { find: findRows(name), isByAnchor: true, hasOverlaps: false };
  }
  const isByAnchor = !isCellCount(third, size) && (isCells || isAnchors || second > third);
  const family = isByAnchor && !isCells ? yolov5(name, coefficients) : yolov8(name, coefficients);
  return { find: family.bind(size), isByAnchor, hasOverlaps: family.hasOverlaps };
}

/** A part of the mask, in whole pixels of it: an object's box. */
interface Window {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** One pixel at least, however small the object; undefined when nothing of it lies on the frame. */
function windowOf(
  corners: Corners,
  at: number,
  grid: MaskGrid,
  scaleX: number,
  scaleY: number,
): Window | undefined {
  const side = (first: number, scale: number, most: number): [from: number, length: number] => {
    const from = (corners[at + first] as number) * scale;
    const to = (corners[at + first + 2] as number) * scale;
    if (!(to > 0 && from < most && to > from)) return [0, 0];
    const start = Math.min(Math.max(Math.round(from), 0), most - 1);
    return [start, Math.max(1, Math.min(Math.round(to), most) - start)];
  };
  const [left, width] = side(0, scaleX, grid.columns);
  const [top, height] = side(1, scaleY, grid.rows);
  return width > 0 && height > 0 ? { left, top, width, height } : undefined;
}

/** In pixels of the frame, cut at its edges. */
function frameBox(corners: Corners, at: number, { scaleX, scaleY, frameWidth, frameHeight }: Placement): Box {
  const edge = (index: number, scale: number, most: number): number =>
    tenth(Math.min(Math.max((corners[at + index] as number) * scale, 0), most));
  const [x, y] = [edge(0, scaleX, frameWidth), edge(1, scaleY, frameHeight)];
  return [x, y, tenth(edge(2, scaleX, frameWidth) - x), tenth(edge(3, scaleY, frameHeight) - y)];
}

/** 1 where coefficients · prototypes ≥ 0, row by row; each prototype is read once. */
function maskIn(window: Window, coefficients: Float32Array, prototypes: OutputTensor): Uint8Array {
  const [, , height = 0, width = 0] = prototypes.dims;
  const mask = new Uint8Array(window.width * window.height);
  const sums = new Float32Array(window.width);
  let poison = 0;
  for (let row = 0; row < window.height; row += 1) {
    sums.fill(0);
    for (let index = 0; index < coefficients.length; index += 1) {
      const coefficient = coefficients[index] as number;
      const from = (index * height + window.top + row) * width + window.left;
      for (let column = 0; column < window.width; column += 1) {
        sums[column] = (sums[column] as number) + coefficient * (prototypes.data[from + column] as number);
      }
    }
    for (let column = 0; column < window.width; column += 1) {
      const sum = sums[column] as number;
      poison += sum * 0;
      if (sum >= 0) mask[row * window.width + column] = 1;
    }
  }
  if (poison !== 0) throw notFinite();
  return mask;
}

/** Outlines and holes of a mask in pixels of the whole grid, largest first. */
function ringsOf(mask: Uint8Array, { left, top, width, height }: Window): Ring[] {
  const areas = labelComponents(mask, width, height);
  const wanted = Array.from({ length: areas.count }, (_, index) => index + 1);
  const rings = traceOutlines(areas, width, wanted).flat();
  return rings.map((ring) => ring.map((value, index) => value + (index % 2 === 0 ? left : top)));
}

interface Found {
  segment: SegmentPrediction;
  rings: Ring[];
  window: Window;
  mask: Uint8Array;
}

class InstanceHead implements Head {
  readonly outputs: readonly string[];
  readonly #names: { objects: string; prototypes: string };
  readonly #options: SegmentOptions;
  readonly #size: Size;
  readonly #hits = new Hits();
  readonly #candidates = new Candidates();
  readonly #corners = new Float64Array(4);
  #layout: Layout | undefined;

  constructor(options: SegmentOptions, { objects, prototypes }: InstanceOutputs, size: Size) {
    this.#options = options;
    this.#names = { objects: objects.name, prototypes: prototypes.name };
    this.#size = size;
    this.outputs = [objects.name, prototypes.name];
  }

  read(outputs: Outputs, placement: Placement): HeadResult {
    const prototypes = outputs[this.#names.prototypes] as OutputTensor;
    const [batch, coefficients = 0, height = 0, width = 0] = prototypes.dims;
    if (prototypes.dims.length !== 4 || batch !== 1 || width * height === 0) {
      throw unsupportedOutput(`the prototypes are ${prototypes.dims.join('×')}, not 1×M×H×W`);
    }
    const grid = gridOf({ width, height }, this.#size, placement);
    const found: Found[] = [];
    const picture = new Uint8Array(grid.columns * grid.rows);
    this.#each(outputs, coefficients, (candidate, score, own) => {
      const one = this.#instance(candidate, score, own, prototypes, grid, placement);
      if (one === undefined || one.segment.area < (this.#options.minArea ?? 0)) return;
      found.push(one);
      paint(picture, grid.columns, one, found.length);
    });
    const polygons = polygonsOf(
      found.map(({ rings }) => rings),
      grid,
    );
    const segments = found.map(({ segment }, index) => ({ ...segment, polygons: polygons[index] ?? [] }));
    return {
      prediction: { task: 'segment', segments },
      tensors: {},
      pictures: { mask: { width: grid.columns, height: grid.rows, data: picture } },
    };
  }

  /** Visits the objects that count, best first, with the coefficients of their masks. */
  #each(
    outputs: Outputs,
    coefficients: number,
    visit: (candidate: number, score: number, coefficients: Float32Array) => void,
  ): void {
    const name = this.#names.objects;
    const tensor = outputs[name] as OutputTensor;
    this.#layout ??= layoutOf(name, tensor.dims, coefficients, this.#size);
    const { find, isByAnchor, hasOverlaps } = this.#layout;
    const { confidence = DEFAULT_CONFIDENCE, iou = DEFAULT_IOU } = this.#options;
    const hits = this.#hits;
    const candidates = this.#candidates;
    const box = find(outputs, Math.max(confidence, 0), hits);
    candidates.clear();
    hits.ranked(MAX_CANDIDATES, (anchor) => {
      box(anchor, this.#corners);
      candidates.add(anchor, hits.classes[anchor] as number, this.#corners);
    });
    const { data, fields, fieldStep, anchorStep } = anchorValues(tensor, () => isByAnchor);
    const take = (candidate: number): void => {
      const anchor = candidates.anchors[candidate] as number;
      const first = anchor * anchorStep + (fields - coefficients) * fieldStep;
      const own = Float32Array.from(
        { length: coefficients },
        (_, i) => data[first + i * fieldStep] as number,
      );
      visit(candidate, hits.scores[anchor] as number, own);
    };
    if (hasOverlaps) candidates.keep(iou, MAX_SEGMENTS, take);
    else candidates.first(MAX_SEGMENTS, take);
  }

  #instance(
    candidate: number,
    score: number,
    coefficients: Float32Array,
    prototypes: OutputTensor,
    grid: MaskGrid,
    placement: Placement,
  ): Found | undefined {
    const [, , height = 0, width = 0] = prototypes.dims;
    const { corners, classes } = this.#candidates;
    const scaleX = width / this.#size.width;
    const scaleY = height / this.#size.height;
    const window = windowOf(corners, candidate * 4, grid, scaleX, scaleY);
    if (window === undefined) return undefined;
    const mask = maskIn(window, coefficients, prototypes);
    const index = classes[candidate] as number;
    const segment: SegmentPrediction = {
      index,
      label: labelOf(this.#options.labels, index),
      ...sizeOf(
        mask.reduce((sum, value) => sum + value, 0),
        grid,
      ),
      box: frameBox(corners, candidate * 4, placement),
      polygons: [],
      score,
    };
    return { segment, rings: ringsOf(mask, window), window, mask };
  }
}

/** Where no better object is already. */
function paint(picture: Uint8Array, columns: number, { window, mask }: Found, number: number): void {
  for (let row = 0, pixel = 0; row < window.height; row += 1) {
    let at = (window.top + row) * columns + window.left;
    for (let column = 0; column < window.width; column += 1, at += 1, pixel += 1) {
      if (mask[pixel] === 1 && picture[at] === 0) picture[at] = number;
    }
  }
}

/** @throws InferenceError from `read`: `MODEL_OUTPUT_UNSUPPORTED`, `SCORE_NOT_FINITE` */
export function planInstances(options: SegmentOptions, instances: InstanceOutputs): HeadPlan {
  return {
    input: LETTERBOX,
    bind: ({ width, height }) => new InstanceHead(options, instances, { width, height }),
  };
}
