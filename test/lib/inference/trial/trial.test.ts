import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { constants, getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import sharp from 'sharp';
import { Frame } from '../../../../lib/frame/frame.ts';
import type { GoldenFrame } from '../../../../lib/inference/bundle/golden.ts';
import { InferenceError } from '../../../../lib/inference/errors.ts';
import { GoldenMismatch } from '../../../../lib/inference/trial/golden.ts';
import { openModel } from '../../../../lib/inference/open-model.ts';
import { profileOn } from '../../../../lib/inference/trial/provider-trial.ts';
import { trialHoldsMs, tryModel } from '../../../../lib/inference/trial/trial.ts';
import { anomaly, hostProcesses, isRunning, source } from '../fixtures.ts';
import {
  colourModel,
  endlessAtOnceModel,
  FLOAT,
  floats,
  hungryModel,
  meanModel,
  model,
  meanOfImage,
  node,
  nonZeroModel,
  value,
} from '../onnx.ts';
import { withSwiftShader } from '../swiftshader.ts';

const code = (expected: string) => (error: unknown) => (error as { code?: unknown }).code === expected;

async function golden(grey: number, score: number, absolute = 0.5): Promise<GoldenFrame> {
  const background = { r: grey, g: grey, b: grey };
  const bytes = await sharp({ create: { width: 20, height: 10, channels: 3, background } })
    .png()
    .toBuffer();
  const expected = { task: 'anomaly-map', score };
  return {
    name: `grey ${grey}`,
    bytes,
    format: 'png',
    width: 20,
    height: 10,
    expected,
    tolerance: { absolute, relative: 0 },
  };
}

let made = 0;

/** A model that no trial has seen before: mean plus a number of its own, taken off again. */
function newModel(): Buffer {
  made += 1;
  return model(
    ...meanOfImage,
    floats('own', [1], [made]),
    node('Add', ['mean', 'own'], ['more']),
    node('Sub', ['more', 'own'], ['score']),
    node('ReduceMean', ['pixels'], ['map'], { axes: [0, 3], keepdims: 0 }),
    value(12, 'score', FLOAT, [1]),
    value(12, 'map', FLOAT, [8, 8]),
  );
}

/** Sines of large numbers, which processors reduce to one turn in ways of their own. */
function sineModel(): Buffer {
  return model(
    ...meanOfImage,
    floats('many', [1], [12345.678]),
    node('Mul', ['mean', 'many'], ['large']),
    node('Sin', ['large'], ['score']),
    node('ReduceMean', ['pixels'], ['map'], { axes: [0, 3], keepdims: 0 }),
    value(12, 'score', FLOAT, [1]),
    value(12, 'map', FLOAT, [8, 8]),
  );
}

describe('trial of a model', () => {
  const before = hostProcesses();
  afterEach(() => assert.deepEqual(hostProcesses(), before, 'a process is left behind'));

  it('measures the graph and settles how it is fed and read', async () => {
    const trial = await tryModel(source(newModel()), anomaly);
    assert.equal(trial.graph.provider, 'cpu');
    assert.deepEqual(trial.providers, ['cpu']);
    assert.deepEqual([trial.graph.input.width, trial.graph.head.task], [8, 'anomaly-map']);
    const [benchmark, ...others] = trial.benchmarks;
    assert.deepEqual(others, []);
    assert.ok(benchmark !== undefined && benchmark.runs === 8);
    assert.ok(benchmark.p50Ms > 0 && benchmark.p50Ms <= benchmark.maxMs);
  });

  it('remembers what was passed, by bytes and options, and tries nothing of it again', async () => {
    const bytes = newModel();
    const first = await tryModel(source(bytes), anomaly);
    assert.equal(await tryModel(source(bytes), { ...anomaly, queue: 'block', watchdogMs: 500 }), first);
    assert.notEqual(await tryModel(source(bytes), { ...anomaly, input: { fit: 'letterbox' } }), first);
    const again = source(newModel());
    const [one, other] = await Promise.all([tryModel(again, anomaly), tryModel(again, anomaly)]);
    assert.equal(one, other);
  });

  it('shows the model its golden samples and says that they passed', async () => {
    const samples = [await golden(100, 100), await golden(7, 7.4)];
    const trial = await tryModel(source(newModel()), { ...anomaly, golden: samples });
    assert.deepEqual(trial.golden, [
      { name: 'grey 100', passed: true, differences: [] },
      { name: 'grey 7', passed: true, differences: [] },
    ]);
  });

  it('refuses a model whose golden samples come out differently, with all differences', async () => {
    const samples = [await golden(100, 100), await golden(7, 9)];
    const bytes = newModel();
    const trial = tryModel(source(bytes), { ...anomaly, golden: samples });
    await assert.rejects(trial, (error: unknown) => {
      assert.ok(error instanceof GoldenMismatch);
      assert.equal(error.code, 'MODEL_GOLDEN_MISMATCH');
      assert.match(error.message, /grey 7.*score should be 9, is 7/);
      const [passed, failed] = error.samples;
      assert.equal(passed?.passed, true);
      assert.deepEqual(failed?.differences, [{ path: 'score', expected: 9, got: 7, excess: 4 }]);
      return true;
    });
    // refused again: only what passed is remembered
    await assert.rejects(
      tryModel(source(bytes), { ...anomaly, golden: samples }),
      code('MODEL_GOLDEN_MISMATCH'),
    );
  });

  it('reads golden samples as the bundle says, whatever the thresholds of the node', async () => {
    const sample = await golden(200, 0);
    const expected = { task: 'classify', classes: [{ label: 'red' }, { label: 'green' }, { label: 'blue' }] };
    const labels = ['red', 'green', 'blue'];
    const options = {
      providers: ['cpu'],
      input: { width: 4, height: 4 },
      head: { task: 'classify', labels, topK: 1 },
      goldenHead: { task: 'classify', labels, topK: 3 },
      golden: [{ ...sample, expected }],
    } as const;
    const trial = await tryModel(source(colourModel()), options);
    assert.equal(trial.golden[0]?.passed, true);
    const without = { ...options, goldenHead: options.head };
    await assert.rejects(tryModel(source(colourModel()), without), code('MODEL_GOLDEN_MISMATCH'));
  });

  it('counts a sample that the model says nothing about as a difference', async () => {
    const sample = { ...(await golden(1, 1)), bytes: Buffer.from('no picture') };
    await assert.rejects(
      tryModel(source(newModel()), { ...anomaly, golden: [sample] }),
      (error: unknown) => error instanceof GoldenMismatch && /IMAGE_INVALID/.test(error.message),
    );
  });

  it('ends a graph that never answers at its time limit', async () => {
    const trial = tryModel(source(endlessAtOnceModel()), { ...anomaly, loadTimeoutMs: 800 });
    await assert.rejects(trial, code('MODEL_LOAD_TIMEOUT'));
  });

  it('ends at once when nobody wants it any more, and lets the next one begin', async () => {
    const [endless, waiting] = [new AbortController(), new AbortController()];
    const limits = { ...anomaly, loadTimeoutMs: 60_000 };
    const first = tryModel(source(endlessAtOnceModel()), limits, { signal: endless.signal });
    const second = tryModel(source(newModel()), limits, { signal: waiting.signal });
    const third = tryModel(source(newModel()), limits);
    const all = Promise.allSettled([first, second, third]);
    while (hostProcesses().length === before.length) await setImmediate();
    waiting.abort(new Error('gave up its turn'));
    await assert.rejects(second, /gave up its turn/);
    const [process] = hostProcesses().filter((pid) => !before.includes(pid));
    endless.abort(new Error('closed'));
    await assert.rejects(first, /closed/);
    assert.equal(isRunning(process as number), false);
    assert.equal((await third).graph.provider, 'cpu');
    await all;
  });

  it('measures at the priority at which models serve', async () => {
    const trial = tryModel(source(endlessAtOnceModel()), { ...anomaly, loadTimeoutMs: 700 });
    const over = trial.then(
      () => true,
      () => true,
    );
    const seen = new Set<number>();
    while (!(await Promise.race([over, setImmediate(false)]))) {
      for (const pid of hostProcesses()) seen.add(getPriority(pid));
    }
    assert.ok(seen.has(constants.priority.PRIORITY_BELOW_NORMAL));
    assert.ok(Math.max(...seen) <= constants.priority.PRIORITY_BELOW_NORMAL, [...seen].join());
  });

  it('ends a graph that wants more memory than a host may have', async function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: only Linux shows and limits what a process holds');
      this.skip();
    }
    await assert.rejects(tryModel(source(hungryModel(8)), anomaly), {
      code: 'MODEL_INVALID',
      message: /allocate/i,
    });
  });

  it('goes on with the next provider and says what the first one lacks', async function () {
    const options = { ...anomaly, providers: ['dml', 'cuda', 'cpu'] };
    const trial = await tryModel(source(newModel()), options);
    if (trial.graph.provider !== 'cpu') {
      console.log('      skipped: this machine has CUDA');
      this.skip();
    }
    assert.deepEqual(trial.providers, ['cpu']);
    assert.deepEqual(
      trial.refused.map(({ provider }) => provider),
      ['dml', 'cuda'],
    );
    const [dml, cuda] = trial.refused;
    assert.match(dml?.hint ?? '', /DirectML on win32/);
    assert.match(cuda?.hint ?? '', /nvidia-smi|npm rebuild|cuDNN/);
    await assert.rejects(
      tryModel(source(newModel()), { ...anomaly, providers: ['dml', 'cuda'] }),
      (error: unknown) => {
        assert.ok(error instanceof InferenceError);
        assert.equal(error.code, 'PROVIDER_UNAVAILABLE');
        assert.match(error.message, /dml: .*; cuda: /);
        assert.match(error.hint ?? '', /DirectML on win32/);
        return true;
      },
    );
  });

  it('remembers it for a minute alone where a driver may be mended', async function () {
    const tried = async (...providers: string[]) => tryModel(source(newModel()), { ...anomaly, providers });
    assert.equal(trialHoldsMs(await tried('cpu')), Infinity);
    assert.equal(trialHoldsMs(await tried('dml', 'cpu')), Infinity, 'no runtime of Linux has it');
    const trial = await tried('cuda', 'cpu');
    if (trial.graph.provider === 'cuda' || process.platform !== 'linux') {
      console.log('      skipped: this machine has CUDA, or no runtime that could');
      this.skip();
    }
    assert.equal(trialHoldsMs(trial), 60_000);
  });

  it('refuses a provider there is none of anywhere, and an empty list', async () => {
    for (const providers of [['gpu', 'cpu'], []]) {
      await assert.rejects(tryModel(source(newModel()), { ...anomaly, providers }), code('PROVIDER_UNKNOWN'));
    }
  });

  it('times every provider of this runtime and takes the fastest', async function () {
    this.timeout(120_000);
    const bytes = newModel();
    const trial = await withSwiftShader(this, () =>
      tryModel(source(bytes), { ...anomaly, providers: ['auto'] }),
    );
    const timed = trial.benchmarks.map(({ provider }) => provider).sort();
    assert.deepEqual(
      timed.filter((provider) => provider === 'cpu' || provider === 'webgpu'),
      ['cpu', 'webgpu'],
    );
    const times = trial.benchmarks.map(({ p50Ms }) => p50Ms);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    assert.equal(trial.graph.provider, trial.benchmarks[0]?.provider);
    assert.equal(trial.providers[0], trial.graph.provider);
    // those that are listed, but cannot run here, are reported
    for (const { hint } of trial.refused) assert.ok(hint.length > 20);
  });

  it('passes over a provider whose golden samples come out differently when it may choose', async function () {
    // not even the CPU passes here, so its differences are what is shown
    const options = { ...anomaly, providers: ['auto'], golden: [await golden(7, 9)] };
    await assert.rejects(tryModel(source(newModel()), options), code('MODEL_GOLDEN_MISMATCH'));
  });

  it('lets no provider take over that reads the golden samples otherwise', async function () {
    this.timeout(120_000);
    const bytes = sineModel();
    const sample = await golden(100, 0);
    const frame = new Frame(sample.bytes, { width: 20, height: 10, format: 'png', source: 'test' });
    const scoreOn = async (provider: string): Promise<number> => {
      const model = await openModel(source(bytes), { ...anomaly, providers: [provider] });
      const { prediction } = await model.run(frame);
      await model.close();
      return prediction['score'] as number;
    };
    await withSwiftShader(this, async () => {
      const [cpu, webgpu] = [await scoreOn('cpu'), await scoreOn('webgpu')];
      assert.notEqual(cpu, webgpu, 'both providers compute the same');
      const expected = { task: 'anomaly-map', score: webgpu };
      const tolerance = { absolute: Math.abs(cpu - webgpu) / 2, relative: 0 };
      const samples = [{ ...sample, expected, tolerance }];
      for (const providers of [['auto'], ['webgpu', 'cpu']]) {
        const trial = await tryModel(source(bytes), { ...anomaly, providers, golden: samples });
        assert.deepEqual(trial.providers, ['webgpu']);
        assert.ok(trial.refused.some(({ provider, message }) => provider === 'cpu' && /score/.test(message)));
      }
      const both = await tryModel(source(newModel()), { ...anomaly, providers: ['webgpu', 'cpu'] });
      assert.deepEqual(both.providers, ['webgpu', 'cpu']);
    });
  });

  it('proves which nodes ran on WebGPU and which were left to the CPU', async function () {
    const options = { providers: ['webgpu'], head: { task: 'raw' }, input: { scale: 1 } } as const;
    const shares = await withSwiftShader(this, () => profileOn('webgpu', source(nonZeroModel()), options));
    const [cpu, webgpu] = shares.toSorted((a, b) => (a.provider < b.provider ? -1 : 1));
    assert.deepEqual([cpu?.provider, webgpu?.provider], ['cpu', 'webgpu']);
    assert.equal(cpu?.operators['NonZero'], 1);
    assert.ok(
      (webgpu?.operators['Conv'] ?? webgpu?.operators['FusedConv'] ?? 0) >= 1,
      JSON.stringify(shares),
    );
  });

  it('leaves no profile behind, even of a graph that ends or outlasts its process', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jidoka-test-'));
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = folder;
    const raw = { providers: ['cpu'], head: { task: 'raw' } } as const;
    // the runtime keeps a log of its own there
    const profiles = (): string[] => readdirSync(folder).filter((name) => name.startsWith('jidoka'));
    try {
      const endless = profileOn('cpu', source(endlessAtOnceModel()), { ...raw, loadTimeoutMs: 800 });
      await assert.rejects(endless, code('MODEL_LOAD_TIMEOUT'));
      assert.deepEqual(profiles(), []);
      const [share] = await profileOn('cpu', source(nonZeroModel()), raw);
      assert.equal(share?.provider, 'cpu');
      assert.deepEqual(profiles(), []);
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses in strict mode a provider that would leave nodes to the CPU', async function () {
    const options = { providers: ['webgpu'], strict: true, head: { task: 'raw' } } as const;
    await withSwiftShader(this, () =>
      assert.rejects(tryModel(source(nonZeroModel()), options), {
        code: 'PROVIDER_UNAVAILABLE',
        message: /fallback to CPU EP has been explicitly disabled/,
      }),
    );
    const trial = await withSwiftShader(this, () =>
      tryModel(source(meanModel()), { ...anomaly, ...options, head: anomaly.head }),
    );
    assert.equal(trial.graph.provider, 'webgpu');
  });
});
