/** `jidoka pack`: a model, how it is fed and read, and pictures with what it says about them, as one bundle. */
import { readFile } from 'node:fs/promises';
import { decodeRgb } from '../lib/frame/decode.ts';
import { bundleInvalid } from '../lib/inference/bundle/files.ts';
import type { GoldenPicture } from '../lib/inference/bundle/golden.ts';
import type { Tolerance } from '../lib/inference/bundle/manifest.ts';
import { modelOptions } from '../lib/inference/bundle/options.ts';
import { packBundle, type ManifestDraft } from '../lib/inference/bundle/pack.ts';
import { readModel, type ModelSource } from '../lib/inference/model/model.ts';
import type { GraphInfo } from '../lib/inference/host/protocol.ts';
import { GraphSession } from '../lib/inference/graph/session.ts';
import {
  headFrom,
  MODEL_HELP,
  MODEL_OPTIONS,
  number,
  parse,
  recipeFrom,
  required,
  UsageError,
} from './arguments.ts';
import { progress } from './progress.ts';

export const summary = 'make a bundle: the model, how it is fed and read, and golden pictures that prove it';

export const help = `Usage: jidoka pack MODEL --out DIR --name NAME --version VERSION [options]

${summary}.
The model is run on the golden pictures here; wherever the bundle is loaded, it must say the same.

  --out DIR          folder to make
  --name NAME        of the model
  --version VERSION  of the model
  --golden FILE      a picture; up to sixteen, each with --golden
  --tolerance A[,R]  how far an answer may differ later: A, and R of what is expected (0.01 is 1 %)
  --labels FILE      names of the classes, one for each line
  --intended-use T   what it may be used for, for whoever deploys it

${MODEL_HELP}`;

const OPTIONS = {
  ...MODEL_OPTIONS,
  out: { type: 'string' },
  name: { type: 'string' },
  version: { type: 'string' },
  golden: { type: 'string', multiple: true },
  tolerance: { type: 'string' },
  labels: { type: 'string' },
  'intended-use': { type: 'string' },
} as const;

function toleranceFrom(value: string): Tolerance {
  const numbers = value.split(',').map((part) => number('tolerance', part));
  const [absolute = -1, relative = 0] = numbers;
  if (numbers.length <= 2 && absolute >= 0 && relative >= 0) return { absolute, relative };
  throw new UsageError(`--tolerance is one number or two with a comma between, none below 0, not '${value}'`);
}

async function linesOf(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw bundleInvalid(
      `the labels cannot be read: ${(error as Error).message}`,
      'Give --labels a text file with the name of one class on each line.',
      error,
    );
  });
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line !== '');
}

/** What the graph and the arguments say together, once and for all. */
async function settled(
  source: ModelSource,
  values: Parameters<typeof headFrom>[0],
  labels: string[] | undefined,
): Promise<GraphInfo> {
  const head = { ...headFrom(values), ...(labels === undefined ? {} : { labels }) };
  const request = { providers: ['cpu'], strict: false, head, input: recipeFrom(values) };
  const graph = await GraphSession.load(source.bytes, request, 'cpu');
  await graph.release();
  return graph.info;
}

function draftOf({ input, head, outputs }: GraphInfo): Omit<ManifestDraft, 'name' | 'version'> {
  const { width, height, layout, colour, scale, mean, std, fit } = input;
  const { task, labels, ...postprocessing } = { labels: undefined, ...head };
  return {
    task,
    input: { width, height, layout, colour, scale, mean, std, resize: fit },
    outputs: outputs.map(({ name, shape }) => ({ name, shape })),
    ...(labels === undefined ? {} : { labels: [...labels] }),
    ...(Object.keys(postprocessing).length === 0 ? {} : { postprocessing }),
  };
}

async function answers(
  source: ModelSource,
  pictures: readonly GoldenPicture[],
): Promise<Record<string, unknown>[]> {
  const { head, input = {} } = modelOptions(source, { providers: ['cpu'], head: { task: 'auto' } });
  const graph = await GraphSession.load(
    source.bytes,
    { providers: ['cpu'], strict: false, head, input },
    'cpu',
  );
  try {
    const predictions: Record<string, unknown>[] = [];
    const tell = progress('golden pictures');
    for (const { bytes, format } of pictures) {
      const { results } = await graph.run(await decodeRgb(bytes, format));
      predictions.push(results[0]?.prediction ?? {});
      tell(predictions.length, pictures.length);
    }
    return predictions;
  } finally {
    await graph.release();
  }
}

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS, ['MODEL']);
  const [model] = positionals as [string];
  const folder = required('out', values.out);
  const [name, version] = [required('name', values.name), required('version', values.version)];
  const intendedUse = values['intended-use'];
  const tolerance = values.tolerance === undefined ? undefined : toleranceFrom(values.tolerance);
  const labels = values.labels === undefined ? undefined : await linesOf(values.labels);
  const info = await settled(await readModel(model), values, labels);
  const packed = await packBundle({
    model,
    folder,
    manifest: { name, version, ...draftOf(info), ...(intendedUse === undefined ? {} : { intendedUse }) },
    ...(tolerance === undefined ? {} : { tolerance }),
    goldenImages: values.golden ?? [],
    run: answers,
  });
  console.log(
    `${packed.folder}\n${packed.digest}\n${packed.manifest.task}, ${packed.manifest.golden?.length ?? 0} golden pictures`,
  );
  return 0;
}
