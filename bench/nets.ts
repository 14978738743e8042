/**
 * The nets of the benches: exactly the layers of their papers, random weights from a fixed seed. What
 * a net costs depends on its layers alone, so that nothing needs to be downloaded to measure it.
 */
import type { ChosenHead } from '../lib/inference/heads/head.ts';
import { GraphBuilder, type BuiltGraph, type Values } from './graph-builder.ts';

export interface Net extends BuiltGraph {
  name: string;
  /** Pixels of each side of the input. */
  side: number;
  head: ChosenHead;
}

const CLASSES = 1000;

/** Sandler et al. 2018, "MobileNetV2", table 2: expansion, channels, repetitions, stride. */
const INVERTED_RESIDUALS = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** MobileNetV2, width 1.0, on 224 × 224. */
export function mobileNetV2(): Net {
  const graph = new GraphBuilder(224, 1);
  const [low, high] = [0, 6].map((limit) => graph.constant([], Float32Array.of(limit)));
  const relu6 = (input: Values): Values => graph.each('Clip', input, low as string, high as string);
  let at = relu6(graph.conv(graph.input, { channels: 32, kernel: 3, stride: 2 }));
  for (const [expansion, channels, repetitions, firstStride] of INVERTED_RESIDUALS) {
    for (let index = 0; index < repetitions; index += 1) {
      const stride = index === 0 ? firstStride : 1;
      const [before] = at.shape as [number];
      const hidden = before * expansion;
      const expanded = expansion === 1 ? at : relu6(graph.conv(at, { channels: hidden, kernel: 1 }));
      const filtered = relu6(graph.conv(expanded, { channels: hidden, kernel: 3, stride, groups: hidden }));
      const projected = graph.conv(filtered, { channels, kernel: 1, gain: 0.7 });
      at = stride === 1 && before === channels ? graph.each('Add', at, projected) : projected;
    }
  }
  at = relu6(graph.conv(at, { channels: 1280, kernel: 1 }));
  return {
    ...graph.finish(classifier(graph, at)),
    name: 'mobilenetv2',
    side: 224,
    head: { task: 'classify' },
  };
}

function classifier(graph: GraphBuilder, features: Values): Values {
  const [channels] = features.shape as [number];
  const pooled = graph.node('GlobalAveragePool', [features], [channels, 1, 1]);
  return graph.linear(graph.node('Flatten', [pooled], [channels], { axis: 1 }), CLASSES);
}

/** He et al. 2016, "Deep Residual Learning", table 1: ResNet-18 on 224 × 224. */
export function resnet18(): Net {
  const graph = new GraphBuilder(224, 2);
  const relu = (input: Values): Values => graph.each('Relu', input);
  let at = graph.maxPool(relu(graph.conv(graph.input, { channels: 64, kernel: 7, stride: 2 })), 3, 2);
  for (const channels of [64, 128, 256, 512]) {
    for (let index = 0; index < 2; index += 1) {
      const stride = index === 0 && channels > 64 ? 2 : 1;
      const inner = relu(graph.conv(at, { channels, kernel: 3, stride }));
      const outer = graph.conv(inner, { channels, kernel: 3, gain: 0.5 });
      const shortcut = stride === 1 ? at : graph.conv(at, { channels, kernel: 1, stride, gain: 1.1 });
      at = relu(graph.each('Add', outer, shortcut));
    }
  }
  return { ...graph.finish(classifier(graph, at)), name: 'resnet18', side: 224, head: { task: 'classify' } };
}

const STRIDES = [8, 16, 32] as const;
/** Of COCO. */
const DETECTED = 80;
/** Bins of the distribution over each side's distance (Li et al. 2020, "Generalized Focal Loss"). */
const BINS = 16;

/** The blocks of YOLOv8 (Jocher et al. 2023, ultralytics/nn/modules; yolov8.yaml, scale n). */
class Yolov8 {
  readonly graph: GraphBuilder;

  constructor(side: number) {
    this.graph = new GraphBuilder(side, 3);
  }

  /** Convolution and SiLU. */
  conv(input: Values, channels: number, kernel: number, stride = 1): Values {
    // SiLU lets less pass than the rectifier He et al. reckon with
    const before = this.graph.conv(input, { channels, kernel, stride, gain: 1.1 });
    return this.graph.each('Mul', before, this.graph.each('Sigmoid', before));
  }

  c2f(input: Values, channels: number, repetitions: number, hasShortcut: boolean): Values {
    const half = channels / 2;
    const parts = this.graph.split(this.conv(input, channels, 1), half, half);
    for (let index = 0; index < repetitions; index += 1) {
      const before = parts.at(-1) as Values;
      const after = this.conv(this.conv(before, half, 3), half, 3);
      parts.push(hasShortcut ? this.graph.each('Add', before, after) : after);
    }
    return this.conv(this.graph.concat(parts), channels, 1);
  }

  sppf(input: Values, channels: number): Values {
    const parts = [this.conv(input, channels / 2, 1)];
    for (let index = 0; index < 3; index += 1) parts.push(this.graph.maxPool(parts.at(-1) as Values, 5, 1));
    return this.conv(this.graph.concat(parts), channels, 1);
  }

  upsample(input: Values): Values {
    const [channels, height, width] = input.shape as [number, number, number];
    const scales = this.graph.constant([4], Float32Array.of(1, 1, 2, 2));
    return this.graph.node('Resize', [input, '', scales], [channels, height * 2, width * 2], {
      coordinate_transformation_mode: 'asymmetric',
      mode: 'nearest',
      nearest_mode: 'floor',
    });
  }

  /** Box distances and class scores of one level, flat. */
  level(input: Values, stride: number): Values {
    const { graph } = this;
    const [, height, width] = input.shape as [number, number, number];
    // as the authors set it before training, so that few anchors see anything
    const bias = Math.log(5 / DETECTED / (640 / stride) ** 2);
    const last = { kernel: 1, gain: 0.1 };
    const boxes = graph.conv(this.conv(this.conv(input, 64, 3), 64, 3), { ...last, channels: 4 * BINS });
    const scores = graph.conv(this.conv(this.conv(input, DETECTED, 3), DETECTED, 3), {
      ...last,
      channels: DETECTED,
      bias,
    });
    return graph.reshape(graph.concat([boxes, scores]), 4 * BINS + DETECTED, height * width);
  }

  /** Distances → centres and sizes in pixels, scores → 0…1. */
  decode(levels: readonly Values[]): Values {
    const { graph } = this;
    const [, side] = graph.input.shape as [number, number];
    const anchors = STRIDES.flatMap((stride) => grid(side / stride, stride));
    const count = anchors.length;
    const [boxes, scores] = graph.split(graph.concat(levels, 2), 4 * BINS, DETECTED) as [Values, Values];
    const bins = graph.node('Transpose', [graph.reshape(boxes, 4, BINS, count)], [BINS, 4, count], {
      perm: [0, 2, 1, 3],
    });
    const shares = graph.node('Softmax', [bins], bins.shape, { axis: 1 });
    const weights = graph.constant(
      [1, BINS, 1, 1],
      Float32Array.from({ length: BINS }, (_, bin) => bin),
    );
    const mean = graph.node('Conv', [shares, weights], [1, 4, count], { kernel_shape: [1, 1] });
    const [leftTop, rightBottom] = graph.split(graph.reshape(mean, 4, count), 2, 2) as [Values, Values];
    const centres = (pick: (anchor: Anchor) => number): number[] => anchors.map(pick);
    const points = graph.constant(
      [1, 2, count],
      Float32Array.from([...centres(({ x }) => x), ...centres(({ y }) => y)]),
    );
    const lowest = graph.node('Sub', [points, leftTop], leftTop.shape);
    const highest = graph.each('Add', rightBottom, points);
    const two = graph.constant([], Float32Array.of(2));
    const centre = graph.each('Div', graph.each('Add', lowest, highest), two);
    const size = graph.each('Sub', highest, lowest);
    const strides = graph.constant([1, 1, count], Float32Array.from(centres(({ stride }) => stride)));
    const pixels = graph.each('Mul', graph.concat([centre, size]), strides);
    return graph.concat([pixels, graph.each('Sigmoid', scores)]);
  }
}

interface Anchor {
  /** Centre of the cell, in cells. */
  x: number;
  y: number;
  stride: number;
}

function grid(cells: number, stride: number): Anchor[] {
  return Array.from({ length: cells * cells }, (_, index) => ({
    x: (index % cells) + 0.5,
    y: Math.floor(index / cells) + 0.5,
    stride,
  }));
}

/** YOLOv8n with its decoding, as its authors export it: 1 × 84 × 8400 on 640 × 640. */
export function yolov8n(side = 640): Net {
  const net = new Yolov8(side);
  const { graph } = net;
  let at = net.conv(net.conv(graph.input, 16, 3, 2), 32, 3, 2);
  at = net.c2f(at, 32, 1, true);
  const eighth = net.c2f(net.conv(at, 64, 3, 2), 64, 2, true);
  const sixteenth = net.c2f(net.conv(eighth, 128, 3, 2), 128, 2, true);
  at = net.c2f(net.conv(sixteenth, 256, 3, 2), 256, 1, true);
  const thirtySecond = net.sppf(at, 256);
  const middle = net.c2f(graph.concat([net.upsample(thirtySecond), sixteenth]), 128, 1, false);
  const small = net.c2f(graph.concat([net.upsample(middle), eighth]), 64, 1, false);
  const medium = net.c2f(graph.concat([net.conv(small, 64, 3, 2), middle]), 128, 1, false);
  const large = net.c2f(graph.concat([net.conv(medium, 128, 3, 2), thirtySecond]), 256, 1, false);
  const levels = [small, medium, large].map((level, index) => net.level(level, STRIDES[index] as number));
  const head = { task: 'detect', format: 'yolov8' } as const;
  return { ...graph.finish(net.decode(levels)), name: 'yolov8n', side, head };
}

/** By name, built when asked for. */
export const NETS: Readonly<Record<string, () => Net>> = {
  mobilenetv2: mobileNetV2,
  resnet18,
  yolov8n,
};
