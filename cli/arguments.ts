/** Arguments the commands share: how a model is fed and read. Every value is checked before anything is done. */
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import type { HeadOptions } from '../lib/inference/heads/head.ts';
import type { InputRecipe } from '../lib/inference/graph/input.ts';

/** The command line cannot be understood. */
export class UsageError extends Error {}

export const MODEL_OPTIONS = {
  task: { type: 'string' },
  width: { type: 'string' },
  height: { type: 'string' },
  layout: { type: 'string' },
  colour: { type: 'string' },
  scale: { type: 'string' },
  mean: { type: 'string' },
  std: { type: 'string' },
  fit: { type: 'string' },
} as const satisfies ParseArgsOptionsConfig;

export const MODEL_HELP = `How the model is fed and read, where neither it nor its bundle says so:
  --task TASK        auto (default), classify, detect, segment, regress, embed, anomaly-map, raw
  --width, --height  size of its input in pixels, where the graph leaves it open
  --layout LAYOUT    nchw or nhwc
  --colour COLOUR    rgb, bgr or gray
  --scale NUMBER     value = (pixel · scale − mean) / std; 1/255 may be written as such
  --mean A,B,C       one number or three, in the order of the colour
  --std A,B,C        one number or three
  --fit FIT          stretch or letterbox`;

type ModelValues = { [Name in keyof typeof MODEL_OPTIONS]?: string | undefined };

const TASKS = ['auto', 'classify', 'detect', 'segment', 'regress', 'embed', 'anomaly-map', 'raw'] as const;

export function oneOf<Choice extends string>(
  name: string,
  value: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((candidate) => candidate === value);
  if (choice !== undefined) return choice;
  throw new UsageError(`--${name} is one of ${choices.join(', ')}, not '${value}'`);
}

/** A number, also as a fraction. */
export function number(name: string, value: string): number {
  const [over = '', under = '1', ...rest] = value.split('/');
  const result = over.trim() === '' || under.trim() === '' ? NaN : Number(over) / Number(under);
  if (rest.length === 0 && Number.isFinite(result)) return result;
  throw new UsageError(`--${name} is a number, not '${value}'`);
}

export function count(name: string, value: string): number {
  const result = number(name, value);
  if (Number.isInteger(result) && result > 0) return result;
  throw new UsageError(`--${name} is a whole number above 0, not '${value}'`);
}

function channels(name: string, value: string): [number, number, number] {
  const numbers = value.split(',').map((part) => number(name, part));
  const [first, second = first, third = first] = numbers;
  if (
    first === undefined ||
    second === undefined ||
    third === undefined ||
    numbers.length === 2 ||
    numbers.length > 3
  ) {
    throw new UsageError(`--${name} is one number or three with commas between, not '${value}'`);
  }
  return [first, second, third];
}

export function headFrom({ task }: ModelValues): HeadOptions {
  return { task: task === undefined ? 'auto' : oneOf('task', task, TASKS) };
}

export function recipeFrom({
  width,
  height,
  layout,
  colour,
  scale,
  mean,
  std,
  fit,
}: ModelValues): Partial<InputRecipe> {
  return {
    ...(width === undefined ? {} : { width: count('width', width) }),
    ...(height === undefined ? {} : { height: count('height', height) }),
    ...(layout === undefined ? {} : { layout: oneOf('layout', layout, ['nchw', 'nhwc']) }),
    ...(colour === undefined ? {} : { colour: oneOf('colour', colour, ['rgb', 'bgr', 'gray']) }),
    ...(scale === undefined ? {} : { scale: number('scale', scale) }),
    ...(mean === undefined ? {} : { mean: channels('mean', mean) }),
    ...(std === undefined ? {} : { std: channels('std', std) }),
    ...(fit === undefined ? {} : { fit: oneOf('fit', fit, ['stretch', 'letterbox']) }),
  };
}

/** As `parseArgs`, with exactly `positionals` arguments without a name; what is wrong is a {@link UsageError}. */
export function parse<const Options extends ParseArgsOptionsConfig>(
  args: string[],
  options: Options,
  positionals: readonly string[],
) {
  const parsed = understood(() => parseArgs({ args, options, allowPositionals: true, strict: true }));
  if (parsed.positionals.length !== positionals.length) {
    throw new UsageError(
      `${positionals.join(' and ')} ${positionals.length === 1 ? 'is' : 'are'} needed, and nothing else`,
    );
  }
  return parsed;
}

function understood<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

export function required(name: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value;
  throw new UsageError(`--${name} is missing`);
}
