/** How a model is fed, read and run, as the dialog of onnx-infer-gpu asks for it. */
import type { DetectFormat, HeadOptions } from '../../lib/inference/heads/head.ts';
import type { LoadOptions } from '../../lib/inference/host/host.ts';
import type { InputRecipe } from '../../lib/inference/graph/input.ts';
import type { LookAt } from '../../lib/inference/look-at.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import type { RawConfig } from '../runtime/types.ts';

export interface Config {
  name: string;
  stationId: string | undefined;
  /** Relative to the model folder, or absolute within it. */
  modelPath: string;
  load: LoadOptions;
  /** Undefined where the model looks at the whole frame. */
  lookAt: LookAt | undefined;
  /** Puts the model into service anew when its file changes. */
  follow: boolean;
}

/** Means and deviations of ImageNet, which most classifiers were normalised with. */
const IMAGENET = { scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

const PIXELS = {
  auto: {},
  unit: { scale: 1 / 255 },
  byte: { scale: 1 },
  imagenet: IMAGENET,
} satisfies Record<string, Partial<InputRecipe>>;

const TASKS = [
  'auto',
  'detect',
  'classify',
  'segment',
  'regress',
  'embed',
  'anomaly-map',
  'raw',
] as const satisfies readonly HeadOptions['task'][];

const FORMATS = [
  'auto',
  'yolox',
  'yolov8',
  'yolov5',
  'nanodet',
  'ssd',
  'end-to-end',
] as const satisfies readonly ('auto' | DetectFormat)[];

/** What was typed one a line, or separated by commas. */
function entries(config: ConfigReader, field: string, separator: RegExp | string): string[] {
  const typed = config.text(field, '').split(separator);
  return typed.map((entry) => entry.trim()).filter((entry) => entry !== '');
}

/** As a property of the options, where anything was typed. */
function given<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  const isEmpty = value === undefined || (Array.isArray(value) && value.length === 0);
  return (isEmpty ? {} : { [name]: value }) as { [Key in Name]?: Value };
}

function headOf(config: ConfigReader): HeadOptions {
  // Nodes saved before there was `auto` always say their task; a flow written by hand that says none meant this.
  const task = config.choice('task', TASKS, 'detect');
  const share = { min: 0, max: 1 };
  const labels = given('labels', entries(config, 'labels', '\n'));
  const output = given('output', config.text('output', '') || undefined);
  // What is left empty is for the bundle to say, else the head has its usual value.
  const limits = () => ({
    ...given('confidence', config.optionalNumber('confidence', share)),
    ...given('iou', config.optionalNumber('iou', share)),
  });
  switch (task) {
    case 'auto':
      return { task, ...labels };
    case 'detect':
      return { task, ...labels, ...output, format: config.choice('format', FORMATS, 'auto'), ...limits() };
    case 'classify':
      return {
        task,
        ...labels,
        ...output,
        ...given('topK', config.optionalNumber('topK', { min: 1, max: 100, integer: true })),
      };
    case 'segment':
      return {
        task,
        ...labels,
        ...output,
        ...limits(),
        ...given('threshold', config.optionalNumber('threshold', share)),
        ...given('minArea', config.optionalNumber('minArea', { min: 0, max: 100_000_000 })),
      };
    case 'regress':
      return {
        task,
        ...output,
        ...given('names', entries(config, 'names', /[\n,]/)),
        ...given('units', entries(config, 'units', /[\n,]/)),
      };
    case 'embed':
      // Ticked is the usual, and no word against a bundle that says otherwise.
      return { task, ...output, ...(config.boolean('normalise', true) ? {} : { normalise: false }) };
    case 'anomaly-map':
      return {
        task,
        ...given('map', config.text('mapOutput', '') || undefined),
        ...given('score', config.text('scoreOutput', '') || undefined),
        ...given('level', config.optionalNumber('level')),
      };
    case 'raw':
      return { task, ...given('outputs', entries(config, 'outputs', ',')) };
  }
}

function inputOf(config: ConfigReader): Partial<InputRecipe> {
  const pixels = config.choice('pixels', ['auto', 'unit', 'byte', 'imagenet'], 'auto');
  const colour = config.choice('colour', ['auto', 'rgb', 'bgr', 'gray'], 'auto');
  const fit = config.choice('fit', ['auto', 'stretch', 'letterbox'], 'auto');
  const side = { min: 1, max: 8192, integer: true };
  return {
    ...PIXELS[pixels],
    ...(colour === 'auto' ? {} : { colour }),
    ...(fit === 'auto' ? {} : { fit }),
    ...given('width', config.optionalNumber('inputWidth', side)),
    ...given('height', config.optionalNumber('inputHeight', side)),
  };
}

function providersOf(raw: RawConfig): string[] {
  const saved: unknown = raw['providers'] ?? ['cpu'];
  if (Array.isArray(saved) && saved.length > 0 && saved.every((name) => typeof name === 'string'))
    return saved;
  throw new ConfigError('providers', 'is not a list with at least one execution provider');
}

function loadOptions(config: ConfigReader, raw: RawConfig): LoadOptions {
  return {
    providers: providersOf(raw),
    strict: config.boolean('strict', false),
    head: headOf(config),
    input: inputOf(config),
    queue: config.choice('queue', ['latest-wins', 'drop-oldest', 'block'], 'latest-wins'),
    ...given('queueLimit', config.optionalNumber('queueLength', { min: 1, max: 100, integer: true })),
    ...given('watchdogMs', config.optionalNumber('watchdogMs', { min: 10, max: 3_600_000 })),
  };
}

function lookAtOf(config: ConfigReader): LookAt | undefined {
  if (config.choice('lookAt', ['frame', 'objects'], 'frame') === 'frame') return undefined;
  return {
    labels: entries(config, 'lookLabels', /[\n,]/),
    marginPercent: config.number('lookMargin', { fallback: 10, min: 0, max: 200 }),
  };
}

/** @throws ConfigError naming the field */
export function normalise(config: ConfigReader, raw: RawConfig): Config {
  return {
    name: config.text('name', ''),
    stationId: config.text('station', '') || undefined,
    modelPath: config.text('model'),
    load: loadOptions(config, raw),
    lookAt: lookAtOf(config),
    follow: config.boolean('follow', false),
  };
}
