/** One graph on one execution provider, in a process of its own: a driver that ends it ends nothing else. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as runtime from 'onnxruntime-node';
import { CodedError } from '../lib/errors.ts';
import { InputFeed } from '../lib/inference/graph/input.ts';
import { openGraph, type OpenedGraph } from '../lib/inference/graph/open-graph.ts';
import { providerHint, thisMachine } from '../lib/inference/graph/provider-hints.ts';
import { GraphSession } from '../lib/inference/graph/session.ts';
import type { Attempt, GpuOrders, Trial } from './gpu-orders.ts';
import { serve } from './runner.ts';

function requestOf({ provider, head, side }: Attempt): Parameters<typeof openGraph>[2] {
  return { providers: [provider], strict: false, head, input: { width: side, height: side } };
}

/** ORT's names end in `ExecutionProvider`. */
async function shareOf(bytes: Buffer, attempt: Attempt): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-bench-'));
  const where = { device: attempt.provider, folder };
  const shares = await GraphSession.profile(bytes, requestOf(attempt), where).finally(() =>
    rm(folder, { recursive: true }),
  );
  const all = shares.reduce((sum, { ms }) => sum + ms, 0);
  const name = attempt.provider.toLowerCase();
  const own = shares.filter(({ provider }) => provider.toLowerCase().startsWith(name));
  return own.reduce((sum, { ms }) => sum + ms, 0) / all;
}

async function measure(opened: OpenedGraph, { rgb, runs, budgetMs }: Attempt): Promise<Omit<Trial, 'share'>> {
  const { session, graph, recipe, folded, createMs } = opened;
  const feed = new InputFeed(recipe, folded);
  const data = feed.fill(Buffer.from(rgb));
  const input =
    data instanceof Float32Array
      ? new runtime.Tensor('float32', data, feed.dimensions)
      : new runtime.Tensor('uint8', data, feed.dimensions);
  const [from, to] = [graph.inputs[0]?.name ?? '', graph.outputs.at(-1)?.name ?? ''];
  const begun = performance.now();
  const times: number[] = [];
  let output: unknown;
  while (times.length <= runs && (times.length < 2 || performance.now() - begun < budgetMs)) {
    const before = performance.now();
    const outputs = await session.run({ [from]: input }, [to]);
    times.push(performance.now() - before);
    output = outputs[to]?.data;
  }
  const [firstMs = NaN, ...warm] = times;
  return { createMs, firstMs, warm, output: output as Float32Array };
}

serve<GpuOrders>({
  providers: () => Promise.resolve(runtime.listSupportedBackends().map(({ name }) => name)),
  async attempt(attempt) {
    const bytes = await readFile(attempt.file);
    let opened: OpenedGraph;
    try {
      opened = await openGraph(runtime, bytes, requestOf(attempt), attempt.provider);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return { reason: `${error.message}. ${providerHint(attempt.provider, thisMachine())}` };
    }
    const measured = await measure(opened, attempt);
    await opened.session.release();
    const share = attempt.provider === 'cpu' ? 1 : await shareOf(bytes, attempt).catch(() => NaN);
    return { ...measured, share };
  },
});
