/** `jidoka quantize`: a float model to int8, calibrated on pictures of the line. */
import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CodedError } from '../lib/errors.ts';
import { InputFeed } from '../lib/inference/graph/input.ts';
import { foldInput } from '../lib/inference/graph/fold.ts';
import { preparePicture } from '../lib/inference/graph/prepare.ts';
import { quantize, type QuantizeOptions } from '../lib/onnx/quantize/quantize.ts';
import {
  count,
  headFrom,
  MODEL_HELP,
  MODEL_OPTIONS,
  number,
  parse,
  recipeFrom,
  required,
  UsageError,
} from './arguments.ts';
import { CliModel } from './model.ts';
import { picturesIn, readPicture } from './pictures.ts';
import { megabytes, progress } from './progress.ts';

export const summary = 'make a model int8, calibrated on pictures: smaller, and faster on a CPU';

/** More tell hardly more: ranges settle after some dozens. */
const PICTURES = 64;

export const help = `Usage: jidoka quantize MODEL --images DIR --out FILE [options]

${summary}.
The result takes RGB bytes: normalisation, layout and colour order are in it.

  --images DIR       pictures of good and bad parts, as the line sees them; folders in it too
  --out FILE         where to write the .onnx
  --most N           pictures to calibrate on (default ${PICTURES}), picked evenly
  --percentile P     ranges that hold P % of the numbers instead of all, such as 99.99
  --exclude NAME     leaves a node float, by its name or that of a value it makes; * stands for any
                     letters; may be given several times (names: jidoka inspect MODEL --nodes)
  --keep-first       leaves the first layer float
  --keep-last        leaves the last layers float
  --reduce-range     weights of 7 bits, for processors without VNNI (before Ice Lake and Zen 4)
  --force            writes over FILE

${MODEL_HELP}`;

const OPTIONS = {
  ...MODEL_OPTIONS,
  images: { type: 'string' },
  out: { type: 'string' },
  most: { type: 'string' },
  percentile: { type: 'string' },
  exclude: { type: 'string', multiple: true },
  'keep-first': { type: 'boolean' },
  'keep-last': { type: 'boolean' },
  'reduce-range': { type: 'boolean' },
  force: { type: 'boolean' },
} as const;

function percentileFrom(value: string): number {
  const percentile = number('percentile', value);
  if (percentile > 50 && percentile <= 100) return percentile;
  throw new UsageError(`--percentile is above 50 and at most 100, not '${value}'`);
}

async function refuseExisting(path: string): Promise<void> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (isThere)
    throw new CodedError('FILE_EXISTS', `${path} is there already`, {
      hint: 'Give another --out, or --force.',
    });
}

function listed(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return entries.length === 0
    ? 'nothing'
    : entries.map(([operator, times]) => `${times} ${operator}`).join(', ');
}

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS, ['MODEL']);
  const [path] = positionals as [string];
  const out = resolve(required('out', values.out));
  const folder = required('images', values.images);
  const most = values.most === undefined ? PICTURES : count('most', values.most);
  const options: QuantizeOptions = {
    ...(values.percentile === undefined ? {} : { percentile: percentileFrom(values.percentile) }),
    exclude: values.exclude ?? [],
    keepFirst: values['keep-first'] ?? false,
    keepLast: values['keep-last'] ?? false,
    reduceRange: values['reduce-range'] ?? false,
    onProgress: progress('calibrated on'),
  };
  const [head, input] = [headFrom(values), recipeFrom(values)];
  if (values.force !== true) await refuseExisting(out);
  const paths = await picturesIn(folder, most);
  const model = await CliModel.open(path, head, input);
  await model.close();
  const { source, recipe } = model;
  const folded = foldInput(source.bytes, recipe);
  const feed = new InputFeed(recipe, folded !== undefined);
  const pictures = paths.map((picture) => async () => {
    const { data } = await preparePicture(await readPicture(picture), recipe);
    return Uint8Array.from(feed.fill(data));
  });

  const { bytes, quantized, float } = await quantize(folded ?? source.bytes, pictures, options);
  const draft = `${out}.${process.pid}`;
  try {
    await writeFile(draft, bytes);
    await rename(draft, out);
  } finally {
    await rm(draft, { force: true });
  }
  const share = ((100 * bytes.length) / source.bytes.length).toFixed(0);
  console.log(
    [
      `${out}: ${megabytes(bytes.length)}, ${share} % of ${megabytes(source.bytes.length)}`,
      `int8:  ${listed(quantized)}`,
      `float: ${listed(float)}`,
      `input: ${recipe.width} × ${recipe.height} RGB bytes, ${recipe.fit}; leave colour, scale, mean and deviation empty`,
      `Now see what it costs and brings: jidoka compare ${path} ${out} --images ${folder}`,
    ].join('\n'),
  );
  return 0;
}
