/** How a model is fed and read, as the dialog of onnx-infer-gpu asks for it. */
import type { HeadOptions } from '../../lib/inference/heads/head.ts';
import type { LoadOptions } from '../../lib/inference/host.ts';
import type { InputRecipe } from '../../lib/inference/input.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import type { RawConfig } from '../runtime/types.ts';

/** Means and deviations of ImageNet, which most classifiers were normalised with. */
const IMAGENET = { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

const PIXELS = {
  auto: {},
  unit: { scale: 1 / 255 },
  byte: { scale: 1 },
  imagenet: IMAGENET,
} satisfies Record<string, Partial<InputRecipe>>;

const lines = (text: string): string[] => text.split('\n').map((line) => line.trim());

function headOf(config: ConfigReader): HeadOptions {
  const task = config.choice('task', ['detect', 'classify', 'raw'], 'detect');
  const names = lines(config.text('labels', '')).filter((label) => label !== '');
  const labels = names.length > 0 ? { labels: names } : {};
  switch (task) {
    case 'detect':
      return {
        task,
        ...labels,
        format: config.choice('format', ['auto', 'yolox', 'yolov8'], 'auto'),
        confidence: config.number('confidence', { fallback: 0.3, min: 0, max: 1 }),
        iou: config.number('iou', { fallback: 0.45, min: 0, max: 1 }),
      };
    case 'classify':
      return {
        task,
        ...labels,
        topK: config.number('topK', { fallback: 5, min: 1, max: 100, integer: true }),
      };
    case 'raw': {
      const outputs = config.text('outputs', '').split(',');
      const named = outputs.map((name) => name.trim()).filter((name) => name !== '');
      return named.length > 0 ? { task, outputs: named } : { task };
    }
  }
}

function inputOf(config: ConfigReader): Partial<InputRecipe> {
  const pixels = config.choice('pixels', ['auto', 'unit', 'byte', 'imagenet'], 'auto');
  const colour = config.choice('colour', ['auto', 'rgb', 'bgr', 'gray'], 'auto');
  const fit = config.choice('fit', ['auto', 'stretch', 'letterbox'], 'auto');
  const side = { min: 1, max: 8192, integer: true };
  const width = config.optionalNumber('inputWidth', side);
  const height = config.optionalNumber('inputHeight', side);
  return {
    ...PIXELS[pixels],
    ...(colour === 'auto' ? {} : { colour }),
    ...(fit === 'auto' ? {} : { fit }),
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
  };
}

function providersOf(raw: RawConfig): string[] {
  const saved: unknown = raw['providers'] ?? ['cpu'];
  if (Array.isArray(saved) && saved.length > 0 && saved.every((name) => typeof name === 'string'))
    return saved;
  throw new ConfigError('providers', 'is not a list with at least one execution provider');
}

/** @throws ConfigError naming the field */
export function loadOptions(config: ConfigReader, raw: RawConfig): LoadOptions {
  const watchdogMs = config.optionalNumber('watchdogMs', { min: 10, max: 3_600_000 });
  return {
    providers: providersOf(raw),
    strict: config.boolean('strict', false),
    head: headOf(config),
    input: inputOf(config),
    queue: config.choice('queue', ['latest-wins', 'drop-oldest', 'block'], 'latest-wins'),
    ...(watchdogMs === undefined ? {} : { watchdogMs }),
  };
}
