import assert from 'node:assert/strict';
import fc from 'fast-check';
import { detectFormatOf } from '../../../../lib/inference/heads/detect.ts';
import { cellCount, gridCells } from '../../../../lib/inference/heads/detect/grid.ts';
import type { DetectFormat, GraphOutputs } from '../../../../lib/inference/heads/head.ts';
import { cells, detect, prepare } from './detect-reference.ts';

type Shape = (number | string)[];

interface Exported {
  by: string;
  outputs: Record<string, Shape>;
  format: DetectFormat | undefined;
  input?: { name?: string; shape?: Shape };
  integers?: string[];
  labels?: number;
}

/** What public exporters give for models of COCO, or of three classes. */
const exported: Exported[] = [
  { by: 'YOLOX', outputs: { output: [1, 8400, 85] }, format: 'yolox' },
  { by: 'YOLOX of one class', outputs: { output: [1, 8400, 6] }, format: 'yolox' },
  { by: 'YOLOv8', outputs: { output0: [1, 84, 8400] }, format: 'yolov8' },
  { by: 'YOLOv8 of one class', outputs: { output0: [1, 5, 8400] }, format: 'yolov8' },
  { by: 'YOLOv8-P2', outputs: { output0: [1, 84, 34_000] }, format: 'yolov8' },
  { by: 'YOLOv8-P6', outputs: { output0: [1, 84, 8500] }, format: 'yolov8' },
  {
    by: 'YOLOv8 as uint8 rows',
    outputs: { output0: [1, 84, 8400] },
    input: { shape: [1, 640, 640, 3] },
    format: 'yolov8',
  },
  {
    by: 'YOLOv8, open',
    outputs: { output0: ['batch', 84, 'anchors'] },
    input: { shape: ['batch', 3, 'h', 'w'] },
    format: 'yolov8',
  },
  { by: 'YOLOv8 the other way round', outputs: { y: [1, 8400, 84] }, labels: 80, format: 'yolov8' },
  { by: 'YOLOv5', outputs: { output0: [1, 25_200, 85] }, format: 'yolov5' },
  { by: 'YOLOv5 of one class', outputs: { output0: [1, 25_200, 6] }, format: 'yolov5' },
  { by: 'YOLOv5-P6', outputs: { output0: [1, 25_500, 85] }, format: 'yolov5' },
  {
    by: 'YOLOv5, open',
    outputs: { output0: ['batch', 'anchors', 85] },
    input: { shape: ['batch', 3, 'h', 'w'] },
    format: 'yolov5',
  },
  { by: 'YOLOv7 --grid', outputs: { output: [1, 25_200, 85] }, format: 'yolov5' },
  { by: 'NanoDet-Plus', outputs: { output: [1, 8500, 112] }, input: { name: 'data' }, format: 'nanodet' },
  {
    by: 'NanoDet-Plus 416',
    outputs: { output: [1, 3598, 112] },
    input: { name: 'data', shape: [1, 3, 416, 416] },
    format: 'nanodet',
  },
  { by: 'NanoDet', outputs: { output: [1, 8400, 112] }, input: { name: 'data' }, format: 'nanodet' },
  { by: 'NanoDet by its labels', outputs: { y: [1, 8400, 112] }, labels: 80, format: 'nanodet' },
  {
    by: 'YOLOX of 107 classes fed with data',
    outputs: { y: [1, 8400, 112] },
    input: { name: 'data' },
    labels: 107,
    format: 'yolox',
  },
  { by: 'YOLOv10', outputs: { output0: [1, 300, 6] }, format: 'end-to-end' },
  {
    by: 'YOLOv8 with suppression, open',
    outputs: { output0: ['batch', 300, 6] },
    input: { shape: ['batch', 3, 'h', 'w'] },
    format: 'end-to-end',
  },
  { by: 'YOLOv7 --end2end --max-wh', outputs: { output: ['n', 7] }, format: 'end-to-end' },
  { by: 'RT-DETR of Ultralytics', outputs: { output0: [1, 300, 84] }, format: 'end-to-end' },
  { by: 'DETR', outputs: { logits: [1, 100, 92], pred_boxes: [1, 100, 4] }, format: 'end-to-end' },
  { by: 'RT-DETR', outputs: { logits: ['b', 300, 80], pred_boxes: ['b', 300, 4] }, format: 'end-to-end' },
  { by: 'RF-DETR', outputs: { dets: [1, 300, 4], labels: [1, 300, 91] }, format: 'end-to-end' },
  {
    by: 'MMDeploy',
    outputs: { dets: [1, 'n', 5], labels: [1, 'n'] },
    integers: ['labels'],
    format: 'end-to-end',
  },
  {
    by: 'TensorFlow Object Detection',
    outputs: {
      'detection_anchor_indices:0': [1, 100],
      'detection_boxes:0': [1, 100, 4],
      'detection_classes:0': [1, 100],
      'detection_scores:0': [1, 100],
      'num_detections:0': [1],
    },
    input: { name: 'input_tensor', shape: [1, 'h', 'w', 3] },
    format: 'ssd',
  },
  {
    by: 'torchvision',
    outputs: { boxes: ['n', 4], labels: ['n'], scores: ['n'] },
    integers: ['labels'],
    format: 'ssd',
  },
  {
    by: 'torchvision without names',
    outputs: { '1': ['n', 4], '2': ['n'], '3': ['n'] },
    integers: ['2'],
    format: 'ssd',
  },
  {
    by: 'EfficientNMS',
    outputs: { num_dets: [1, 1], det_boxes: [1, 100, 4], det_scores: [1, 100], det_classes: [1, 100] },
    format: 'ssd',
  },
  { by: 'a classifier', outputs: { logits: [1, 1000] }, format: undefined },
  { by: 'a transformer', outputs: { last_hidden_state: [1, 197, 768] }, format: undefined },
  { by: 'a segmenter', outputs: { logits: [1, 21, 520, 520] }, format: undefined },
  { by: 'an anomaly model', outputs: { score: [1], map: [1, 32, 32] }, format: undefined },
  {
    by: 'a graph of a row of numbers',
    outputs: { y: [1, 84, 8400] },
    input: { shape: [1, 16] },
    format: undefined,
  },
];

function graphOf({ outputs, integers = [], input = {} }: Exported): GraphOutputs {
  return {
    inputs: [{ name: input.name ?? 'images', type: 'float32', shape: input.shape ?? [1, 3, 640, 640] }],
    outputs: Object.entries(outputs).map(([name, shape]) => ({
      name,
      shape,
      type: integers.includes(name) ? 'int64' : 'float32',
    })),
  };
}

describe('format of a detector', () => {
  for (const graph of exported) {
    it(`takes what ${graph.by} exports for ${graph.format ?? 'no detector'}`, () => {
      assert.equal(detectFormatOf(graphOf(graph), graph.labels), graph.format);
    });
  }

  it('knows the cells of every size, also of one that no stride divides', () => {
    const sides = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(sides, (side) => {
        for (const strides of [
          [8, 16, 32],
          [8, 16, 32, 64],
        ]) {
          assert.deepEqual([...gridCells(side, side, strides)], cells(side, strides).flat());
          assert.equal(cellCount(side, side, strides), cells(side, strides).length);
        }
      }),
      { numRuns: 20 },
    );
    assert.equal(cellCount(416, 416, [8, 16, 32]), 3549);
    assert.equal(cellCount(640, 384, [8, 16, 32]), 5040);
  });

  it('knows what each family was trained to see', () => {
    const recipe = (dims: number[], name = 'output0', inputName = 'images'): unknown[] => {
      const outputs = { [name]: { dims, data: new Float32Array(0) } };
      const { colour, scale, mean, fit } = prepare({ side: 640, inputName, outputs }, {}).recipe;
      return [colour, scale, mean[0], fit];
    };
    assert.deepEqual(recipe([1, 8400, 85]), ['bgr', 1, 0, 'letterbox']);
    assert.deepEqual(recipe([1, 84, 8400]), ['rgb', 1 / 255, 0, 'letterbox']);
    assert.deepEqual(recipe([1, 25_200, 85]), ['rgb', 1 / 255, 0, 'letterbox']);
    assert.deepEqual(recipe([1, 300, 6]), ['rgb', 1 / 255, 0, 'letterbox']);
    assert.deepEqual(recipe([1, 300, 84]), ['rgb', 1 / 255, 0, 'stretch']);
    assert.deepEqual(recipe([1, 8500, 112], 'output', 'data'), ['bgr', 1, 103.53, 'stretch']);
    const outputs = {
      logits: { dims: [1, 100, 92], data: new Float32Array(0) },
      pred_boxes: { dims: [1, 100, 4], data: new Float32Array(0) },
    };
    assert.deepEqual(prepare({ side: 640, outputs }, {}).recipe.mean, [0.485, 0.456, 0.406]);
  });

  it('waits for the first run where the graph leaves its dimensions open', () => {
    const [frameWidth, frameHeight] = [32, 32];
    const placement = { scaleX: 1, scaleY: 1, frameWidth, frameHeight };
    // one object at 16, 16 of 8 × 8: of YOLOv8 in the middle of a column, of YOLOX from its cell
    const yolov8 = new Float32Array(5 * 21);
    [16, 16, 8, 8, 0.9].forEach((value, field) => (yolov8[field * 21 + 3] = value));
    const yolox = new Float32Array(6 * 21);
    yolox.set([0, 0, 0, 0, 1, 0.9], 10 * 6);
    const shape = ['a', 'b', 'c'];
    for (const [dims, data] of [
      [[1, 5, 21], yolov8],
      [[1, 21, 6], yolox],
    ] as const) {
      const objects = detect({ side: 32, outputs: { y: { dims, data, shape } } }, {}, placement);
      assert.deepEqual(
        objects.map(({ box }) => box),
        [[12, 12, 8, 8]],
      );
    }
  });

  it('leaves the coefficients of masks out of the classes', () => {
    const data = new Float32Array((4 + 3 + 32) * 21).fill(9);
    for (let i = 0; i < 21 * 7; i += 1) data[i] = 0;
    [16, 16, 8, 8, 0.2, 0.9, 0.3].forEach((value, field) => (data[field * 21 + 3] = value));
    const outputs = {
      output0: { dims: [1, 39, 21], data },
      output1: { dims: [1, 32, 8, 8], data: new Float32Array(0) },
    };
    const placement = { scaleX: 1, scaleY: 1, frameWidth: 32, frameHeight: 32 };
    assert.deepEqual(
      detect({ side: 32, outputs }, {}, placement).map(({ index, box }) => [index, box]),
      [[1, [12, 12, 8, 8]]],
    );
  });
});
