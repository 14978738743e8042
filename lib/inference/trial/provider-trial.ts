/**
 * One model on one execution provider in a process of its own: created, warmed and shown its golden
 * samples, or profiled. The process is always gone afterwards. It has the priority of
 * those that serve: on a busy gateway the CPU would look slower beside an accelerator than it will be.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalJson } from '../../canonical.ts';
import type { GoldenFrame } from '../bundle/golden.ts';
import { ChildEnded, HostChild } from '../host/child.ts';
import { InferenceError } from '../errors.ts';
import { GoldenMismatch, goldenResult, type GoldenResult } from './golden.ts';
import type { HeadOptions } from '../heads/head.ts';
import { Budget } from '../host/hosted-graph.ts';
import { loadTimeout, type LoadOptions } from '../host/load-options.ts';
import type { ModelSource } from '../model/model.ts';
import type { GraphInfo, ProviderShare } from '../host/protocol.ts';
import { unpackResults } from '../host/results.ts';
import { warmUp } from '../host/warm-up.ts';

/** How the graph itself ran on one provider, on a black picture. */
export interface Benchmark {
  provider: string;
  createMs: number;
  p50Ms: number;
  maxMs: number;
  runs: number;
}

export interface TrialOptions extends LoadOptions {
  golden?: readonly GoldenFrame[];
  /** How golden samples are read: as the bundle says, whatever thresholds the node has. */
  goldenHead?: HeadOptions;
}

export interface Attempt {
  graph: GraphInfo;
  benchmark: Benchmark;
  golden: GoldenResult[];
}

/** One at a time on each device: two would measure each other. */
const turns = new Map<string, Promise<unknown>>();

function takeTurn<Result>(
  device: string,
  action: () => Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  const before = turns.get(device) ?? Promise.resolve();
  const turn = orAborted(before, signal).then(action);
  const last = Promise.allSettled([before, turn]);
  turns.set(device, last);
  void last.then(() => {
    if (turns.get(device) === last) turns.delete(device);
  });
  return turn;
}

/** Resolves after `before`, which never rejects; who gives up need not wait for it. */
function orAborted(before: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const leave = (): void => reject(signal?.reason as Error);
    signal?.addEventListener('abort', leave, { once: true });
    void before.then(() => {
      signal?.removeEventListener('abort', leave);
      resolve();
    });
  });
}

/** Lets `use` ask a process that nobody else knows, and ends it; at once when nobody wants it any more. */
async function withChild<Result>(
  device: string,
  signal: AbortSignal | undefined,
  use: (child: HostChild, backends: readonly string[]) => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted();
  const child = new HostChild({ device });
  const abandon = (): void => child.kill('is no longer wanted');
  signal?.addEventListener('abort', abandon, { once: true });
  try {
    const { backends } = await child.started();
    return await use(child, backends);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abandon);
    child.kill('has finished its trial');
    await child.ended;
  }
}

function measure(child: HostChild, budget: Budget): Promise<number[]> {
  return warmUp(async () => {
    const { header } = await budget.spend((limitMs) => child.ask('warm', { model: 1, runs: 1 }, { limitMs }));
    return header.ms[0] ?? 0;
  });
}

async function showGolden(
  child: HostChild,
  model: number,
  golden: readonly GoldenFrame[],
  budget: Budget,
): Promise<GoldenResult[]> {
  const results: GoldenResult[] = [];
  for (const sample of golden) {
    const { name, format, width, height, bytes } = sample;
    const question = { model, frame: `golden ${name}`, format, width, height };
    try {
      const { header, payload } = await budget.spend((limitMs) =>
        child.ask('run', question, { payload: bytes, limitMs }),
      );
      const [result] = unpackResults(header.results, payload, 1);
      results.push(goldenResult(sample, result?.prediction ?? {}));
    } catch (error) {
      // that the model says nothing about the picture is a difference as well
      if (!(error instanceof InferenceError) || error.code === 'MODEL_LOAD_TIMEOUT') throw error;
      const got = `${error.code}: ${error.message}`;
      const difference = { path: 'prediction', expected: sample.expected, got, excess: null };
      results.push({ name, passed: false, differences: [difference] });
    }
  }
  return results;
}

async function examine(
  child: HostChild,
  provider: string,
  source: ModelSource,
  options: TrialOptions,
): Promise<Attempt> {
  const { strict = false, head, input = {}, golden = [], goldenHead = head } = options;
  const budget = new Budget(loadTimeout({ ...options, providers: [provider] }));
  const payload = source.bytes;
  const load = async (model: number, reading: Pick<LoadOptions, 'head' | 'graph'>): Promise<GraphInfo> => {
    const question = { model, providers: [provider], strict, input, ...reading };
    const { header } = await budget.spend((limitMs) => child.ask('load', question, { payload, limitMs }));
    return header.info;
  };
  const graph = await load(1, { head });
  const times = await measure(child, budget);
  const results: GoldenResult[] = [];
  if (golden.length > 0) {
    const { inputs, outputs } = graph;
    const isOther = canonicalJson(goldenHead) !== canonicalJson(head);
    if (isOther) await load(2, { head: goldenHead, graph: { inputs, outputs } });
    results.push(...(await showGolden(child, isOther ? 2 : 1, golden, budget)));
  }
  if (results.some(({ passed }) => !passed)) throw new GoldenMismatch(results, provider);
  const [p50Ms, maxMs] = [times[times.length >> 1] as number, times.at(-1) as number];
  const benchmark = { provider, createMs: graph.createMs, p50Ms, maxMs, runs: times.length };
  return { graph, benchmark, golden: results };
}

interface Asking {
  /** Ends the process, or gives up its turn; the reason is thrown. */
  signal?: AbortSignal | undefined;
}

/**
 * Tries a model on one provider. `onBackends` is told what this runtime has.
 *
 * @throws InferenceError `PROVIDER_UNAVAILABLE`, `MODEL_GOLDEN_MISMATCH`, `MODEL_LOAD_TIMEOUT`,
 *   `HOST_UNAVAILABLE` and what a load throws; ChildEnded when the process ended over the model
 */
export function tryOn(
  provider: string,
  source: ModelSource,
  options: TrialOptions,
  { signal, onBackends }: Asking & { onBackends: (backends: readonly string[]) => void },
): Promise<Attempt> {
  const attempt = (): Promise<Attempt> =>
    withChild(provider, signal, (child, backends) => {
      onBackends(backends);
      if (backends.includes(provider)) return examine(child, provider, source, options);
      throw new InferenceError('PROVIDER_UNAVAILABLE', `this ONNX Runtime has no '${provider}'`);
    });
  return takeTurn(provider, attempt, signal);
}

/** What a process that ended says of the model. @throws whatever is no error of ours */
export function asModelError(thrown: unknown): InferenceError {
  if (thrown instanceof InferenceError) return thrown;
  if (!(thrown instanceof ChildEnded)) throw thrown;
  return new InferenceError('MODEL_INVALID', `while loading the model ${thrown.message}`, {
    hint: 'The graph ends the process that runs it: export it again, or ask its maker.',
    cause: thrown,
  });
}

/**
 * Runs a model under the profiler: what each provider did of one run.
 *
 * @throws InferenceError `MODEL_LOAD_TIMEOUT`, `MODEL_INVALID` when the process ended over the model,
 *   `HOST_UNAVAILABLE` and what a load throws
 */
export function profileOn(
  provider: string,
  source: ModelSource,
  options: LoadOptions,
  { signal }: Asking = {},
): Promise<ProviderShare[]> {
  const { strict = false, head, input = {} } = options;
  const question = { providers: [provider], strict, head, input };
  const budget = new Budget(loadTimeout({ ...options, providers: [provider] }));
  const payload = source.bytes;
  const profile = async (): Promise<ProviderShare[]> => {
    const folder = await mkdtemp(join(tmpdir(), 'jidoka-profile-'));
    try {
      return await withChild(provider, signal, async (child) => {
        const { header } = await budget.spend((limitMs) =>
          child.ask('profile', { ...question, folder }, { payload, limitMs }),
        );
        return header.shares;
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw asModelError(error);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  return takeTurn(provider, profile, signal);
}
