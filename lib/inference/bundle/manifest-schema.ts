/** JSON Schema of `model.json` in a bundle, and of its `postprocessing` for each task. */
import type { Schema } from 'ajv';

const TASKS = ['classify', 'detect', 'segment', 'regress', 'embed', 'anomaly-map', 'raw'] as const;

/** One line, nothing invisible. */
const line = { type: 'string', minLength: 1, maxLength: 200, pattern: '^[^\\p{Cc}\\p{Cs}]+$' };
/** Paragraphs for people. */
const prose = { type: 'string', maxLength: 10_000, pattern: '^(?:[^\\p{Cc}\\p{Cs}]|[\\n\\r\\t])*$' };
const fraction = { type: 'number', minimum: 0, maximum: 1 };
const side = { type: 'integer', minimum: 1, maximum: 8192 };
/** The same or nothing. */
const named = { ...line, minLength: 0, pattern: '^[^\\p{Cc}\\p{Cs}]*$' };
const lines = { type: 'array', minItems: 1, maxItems: 25_000, items: line };

function object(required: readonly string[], properties: Record<string, object>): Record<string, unknown> {
  return { type: 'object', additionalProperties: false, required, properties };
}

function triple(item: object): Record<string, unknown> {
  return { type: 'array', minItems: 3, maxItems: 3, items: { type: 'number', ...item } };
}

const goldenSample = object(['image', 'expected', 'tolerance'], {
  image: line,
  expected: { type: 'object', required: ['task'], properties: { task: { type: 'string' } } },
  tolerance: object(['absolute', 'relative'], {
    absolute: { type: 'number', minimum: 0 },
    relative: { type: 'number', minimum: 0 },
  }),
});

/** An open one has a name, or the empty text where the graph names none. */
const dimension = { anyOf: [{ type: 'integer', minimum: 0 }, named] };

export const manifestSchema: Schema = object(
  ['schema', 'name', 'version', 'task', 'input', 'outputs', 'files'],
  {
    schema: { type: 'integer', const: 1 },
    name: line,
    version: { ...line, maxLength: 64 },
    task: { type: 'string', enum: TASKS },
    input: object(['width', 'height', 'layout', 'colour', 'scale', 'mean', 'std', 'resize'], {
      width: side,
      height: side,
      layout: { type: 'string', enum: ['nchw', 'nhwc'] },
      colour: { type: 'string', enum: ['rgb', 'bgr', 'gray'] },
      scale: { type: 'number', exclusiveMinimum: 0 },
      mean: triple({}),
      std: triple({ exclusiveMinimum: 0 }),
      resize: { type: 'string', enum: ['stretch', 'letterbox'] },
    }),
    outputs: {
      type: 'array',
      minItems: 1,
      maxItems: 64,
      items: object(['name'], {
        name: line,
        shape: { type: 'array', maxItems: 8, items: dimension },
      }),
    },
    labels: lines,
    // by the task, below
    postprocessing: { type: 'object' },
    golden: { type: 'array', maxItems: 16, items: goldenSample },
    provenance: object([], {
      trainedBy: prose,
      date: prose,
      dataset: prose,
      licence: prose,
      source: prose,
      framework: prose,
      metrics: prose,
      notes: prose,
    }),
    intendedUse: prose,
    files: {
      type: 'object',
      required: [],
      minProperties: 1,
      maxProperties: 255,
      additionalProperties: { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' },
    },
  },
);

const count = { type: 'integer', minimum: 1, maximum: 10_000 };

export const postprocessingSchemas: Record<(typeof TASKS)[number], Schema> = {
  classify: object([], {
    topK: count,
    output: line,
    scores: { type: 'string', enum: ['auto', 'softmax', 'sigmoid', 'as-is'] },
  }),
  detect: object([], {
    format: {
      type: 'string',
      enum: ['auto', 'yolox', 'yolov8', 'yolov5', 'nanodet', 'ssd', 'end-to-end'],
    },
    confidence: fraction,
    iou: fraction,
    maxObjects: count,
    output: line,
  }),
  segment: object([], {
    threshold: fraction,
    minArea: { type: 'number', minimum: 0 },
    confidence: fraction,
    iou: fraction,
    output: line,
  }),
  regress: object([], { names: lines, units: { ...lines, items: named }, output: line }),
  embed: object([], { output: line, normalise: { type: 'boolean' } }),
  'anomaly-map': object([], { map: line, score: line, level: { type: 'number' } }),
  raw: object([], { outputs: lines }),
};
