/** What the benches run: the nets of `nets.ts`, and real models where the shared data is at hand. */
import { existsSync, readFileSync } from 'node:fs';
import { appendToModel } from '../lib/anomaly/onnx-graph.ts';
import type { ChosenHead } from '../lib/inference/heads/head.ts';
import { shared } from '../test/support/shared.ts';
import { NETS } from './nets.ts';

export interface BenchModel {
  name: string;
  bytes: Buffer;
  /** Pixels of each side of the input. */
  side: number;
  head: ChosenHead;
}

const POOLED = 'pooled';

/** A backbone gives whole maps of features; their means are the vector that is compared. */
function pooledBackbone(file: string, features: string, channels: number): BenchModel {
  const graph = appendToModel(readFileSync(shared('data', 'models', file)), {
    nodes: [
      { operator: 'GlobalAveragePool', inputs: [features], outputs: ['means'] },
      { operator: 'Flatten', inputs: ['means'], outputs: [POOLED], attributes: { axis: 1 } },
    ],
    constants: [],
    outputs: [{ name: POOLED, shape: [1, channels] }],
  });
  const head = { task: 'raw', outputs: [POOLED] } as const;
  return { name: file.replace(/_.*/, '-features'), bytes: graph, side: 224, head };
}

const FILES: Readonly<Record<string, () => BenchModel>> = {
  'yolox_nano.onnx': () => ({
    name: 'yolox-nano',
    bytes: readFileSync(shared('data', 'models', 'yolox_nano.onnx')),
    side: 416,
    head: { task: 'detect' },
  }),
  'mobilenetv1_100_features.onnx': () => pooledBackbone('mobilenetv1_100_features.onnx', 'feat11', 512),
  'resnet18_l123_features.onnx': () => pooledBackbone('resnet18_l123_features.onnx', 'layer3', 256),
};

/** Those asked for by name, or all; one after the other, because each holds its weights. */
export function* benchModels(names?: readonly string[]): Generator<BenchModel> {
  const files = Object.entries(FILES).filter(([file]) => existsSync(shared('data', 'models', file)));
  const makers = [...Object.values(NETS), ...files.map(([, make]) => make)];
  for (const make of makers) {
    const model = make();
    if (names === undefined || names.includes(model.name)) yield model;
  }
}
