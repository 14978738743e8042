/**
 * `npm run bench:gpu [-- --runs N --nets NAME,… --providers NAME,… --seconds N --json FILE]`: every
 * model of the benches on every execution provider that this machine's ONNX Runtime has. What is not
 * there says why.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { resizeRgb } from '../lib/frame/resize.ts';
import { drawPart } from '../plant/part-image.ts';
import { benchModels, type BenchModel } from './bench-models.ts';
import { quantile } from './figures.ts';
import type { GpuOrders, Trial } from './gpu-orders.ts';
import { HEIGHT, WIDTH } from './pictures.ts';
import { Runner } from './runner.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    nets: { type: 'string' },
    providers: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    json: { type: 'string' },
  },
});
const PROCESS = 'gpu-process.ts';
/** TensorRT builds its engine for minutes, with the first run of each graph. */
const MORE_SECONDS: Readonly<Record<string, number>> = { tensorrt: 600 };

interface Row {
  model: string;
  provider: string;
  trial: Trial | undefined;
  /** Why there is no trial. */
  reason: string;
  /** Highest difference of an output value from the CPU's ÷ the highest value of the CPU. */
  difference: number;
}

async function providersHere(): Promise<string[]> {
  const runner = new Runner<GpuOrders>(PROCESS);
  try {
    return await runner.ask('providers');
  } finally {
    runner.stop();
  }
}

async function attempt(
  model: BenchModel,
  file: string,
  provider: string,
): Promise<Trial | { reason: string }> {
  const { side, head } = model;
  const { rgb } = drawPart({ seed: 1, defect: null, width: WIDTH, height: HEIGHT });
  const picture = { data: rgb, width: WIDTH, height: HEIGHT };
  const { data } = resizeRgb(picture, { width: side, height: side, fit: 'stretch' });
  const seconds = Number(values.seconds);
  const limit = seconds + (MORE_SECONDS[provider] ?? seconds);
  // ONNX Runtime and the drivers say there, over many lines, what the reason says
  const runner = new Runner<GpuOrders>(PROCESS, { isQuiet: true });
  const ended = new AbortController();
  const order = { provider, file, side, head, rgb: data, runs: Number(values.runs) };
  try {
    return await Promise.race([
      runner.ask('attempt', { ...order, budgetMs: (seconds * 1000) / 2 }),
      sleep(limit * 1000, { reason: `no answer within ${limit} s` }, { signal: ended.signal }),
    ]);
  } catch (error) {
    return { reason: (error as Error).message };
  } finally {
    ended.abort();
    runner.kill();
  }
}

function difference(output: Float32Array, reference: Float32Array): number {
  let [most, highest] = [0, 0];
  for (const [index, value] of reference.entries()) {
    most = Math.max(most, Math.abs((output[index] as number) - value));
    highest = Math.max(highest, Math.abs(value));
  }
  return most / highest;
}

async function rowsOf(model: BenchModel, folder: string, providers: readonly string[]): Promise<Row[]> {
  const file = join(folder, `${model.name}.onnx`);
  writeFileSync(file, model.bytes);
  const rows: Row[] = [];
  let reference: Float32Array | undefined;
  for (const provider of ['cpu', ...providers.filter((name) => name !== 'cpu')]) {
    const answer = await attempt(model, file, provider);
    const trial = 'reason' in answer ? undefined : answer;
    reference ??= trial?.output;
    const isComparable = trial !== undefined && reference !== undefined;
    rows.push({
      model: model.name,
      provider,
      trial,
      reason: 'reason' in answer ? answer.reason : '',
      difference: isComparable ? difference(trial.output, reference as Float32Array) : NaN,
    });
  }
  return rows;
}

function line({ model, provider, trial, difference: most }: Row): string {
  if (trial === undefined) return `| ${model} | ${provider} | not available | | | | | |`;
  const { warm, createMs, firstMs, share } = trial;
  const ms = (value: number): string => value.toPrecision(3);
  const part = Number.isNaN(share) ? '?' : `${(100 * share).toFixed(0)} %`;
  const cells = [
    model,
    provider,
    ms(quantile(warm, 0.5)),
    ms(quantile(warm, 0.99)),
    ms(createMs),
    ms(firstMs),
  ];
  return `| ${[...cells, part, provider === 'cpu' ? '' : most.toExponential(1)].join(' | ')} |`;
}

const home = mkdtempSync(join(tmpdir(), 'jidoka-bench-'));
try {
  const providers = values.providers?.split(',') ?? (await providersHere());
  const rows: Row[] = [];
  console.log('| model | provider | p50 ms | p99 ms | load ms | first run ms | run there | off the CPU by |');
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const model of benchModels(values.nets?.split(','))) {
    const added = await rowsOf(model, home, providers);
    for (const row of added) console.log(line(row));
    rows.push(...added);
  }
  const reasons = rows.filter(({ reason }) => reason !== '');
  const told = new Set(reasons.map(({ provider, reason }) => `${provider}: ${reason}`));
  if (told.size > 0) console.log(`\n${[...told].join('\n')}`);
  const isRunning = rows.some(({ provider, trial }) => provider !== 'cpu' && trial !== undefined);
  if (!isRunning) console.log('\nNo execution provider but the CPU runs on this machine.');
  if (isRunning && process.env['VK_ICD_FILENAMES']?.includes('swiftshader') === true) {
    console.log('\nVulkan is SwiftShader here: webgpu ran on the CPU, correctly but slowly.');
  }
  if (values.json !== undefined) {
    const plain = rows.map(({ trial, ...row }) => ({ ...row, ...trial, output: undefined }));
    writeFileSync(values.json, `${JSON.stringify(plain, null, 2)}\n`);
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}
