import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval as every } from 'node:timers/promises';
import type { Manifest } from '../../../lib/inference/bundle/manifest.ts';
import { GoldenMismatch } from '../../../lib/inference/trial/golden.ts';
import { noFrames } from '../../../lib/inference/host/inference-result.ts';
import type { LoadOptions } from '../../../lib/inference/host/load-options.ts';
import { openModel, type OpenModel } from '../../../lib/inference/open-model.ts';
import { readModel, type ModelSource } from '../../../lib/inference/model/model.ts';
import { sample, writeFolder } from './bundle/samples.ts';
import { anomaly, grey, hostProcesses, source } from './fixtures.ts';
import { colourModel, endlessAtOnceModel, hungryModel, logModel, meanModel } from './onnx.ts';
import { withSwiftShader } from './swiftshader.ts';

const code = (expected: string) => (error: unknown) => (error as { code?: unknown }).code === expected;

/** What the colour model really says about the picture: a softmax over mean red, green and blue. */
function passing(manifest: Manifest): void {
  const logits = [200, 40, 10].map((level) => Math.exp(level / 255));
  const sum = logits.reduce((total, logit) => total + logit, 0);
  const classes = ['red', 'green'].map((label, index) => ({
    index,
    label,
    score: (logits[index] as number) / sum,
  }));
  const expected = { task: 'classify', classes };
  manifest.golden = [{ image: 'golden/red.png', expected, tolerance: { absolute: 1e-4, relative: 1e-3 } }];
}

/** Becomes true when the promise has settled, however. */
function doneFlag(promise: Promise<unknown>): { is: boolean } {
  const done = { is: false };
  const settle = (): void => void (done.is = true);
  promise.then(settle, settle);
  return done;
}

describe('open model', () => {
  const before = hostProcesses();
  const opened: OpenModel[] = [];
  const open = async (file: ModelSource, options: LoadOptions): Promise<OpenModel> => {
    const model = await openModel(file, options);
    opened.push(model);
    return model;
  };
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((model) => model.close()));
    assert.deepEqual(hostProcesses(), before, 'a process is left behind');
  });

  it('serves frames on the provider that passed, and says all that the trial found', async () => {
    const model = await open(source(meanModel()), { ...anomaly, providers: ['dml', 'cpu'] });
    const { info } = model;
    assert.deepEqual([info.provider, info.device, info.folded], ['cpu', 'cpu', false]);
    assert.equal(info.refused[0]?.provider, 'dml');
    assert.equal(info.benchmarks[0]?.provider, 'cpu');
    assert.match(info.recipe, /^sha256:/);
    assert.ok(info.warmMs > 0);
    const { prediction, provider } = await model.run(grey(31));
    assert.deepEqual([prediction['score'], provider], [31, 'cpu']);
    const { results } = await model.runCrops(grey(9), [
      [0, 0, 4, 4],
      [2, 2, 6, 6],
    ]);
    assert.deepEqual(
      results.map(({ prediction: { score } }) => score),
      [9, 9],
    );
  });

  describe('of a bundle', () => {
    const folder = mkdtempSync(join(tmpdir(), 'jidoka-test-'));
    after(() => rmSync(folder, { recursive: true }));
    const auto = { providers: ['cpu'], head: { task: 'auto' } } as const;

    it('is fed and read as the manifest says, and has passed its golden samples', async () => {
      const path = await writeFolder(join(folder, 'sound'), await sample(passing));
      const model = await open(await readModel(path), auto);
      const { info } = model;
      assert.deepEqual([info.head.task, info.input.width, info.folded], ['classify', 8, true]);
      assert.deepEqual(info.golden, [{ name: 'golden/red.png', passed: true, differences: [] }]);
      const { prediction } = await model.run(grey(9));
      assert.equal((prediction['classes'] as unknown[]).length, 2);
    });

    it('passes them with other thresholds as well', async () => {
      const path = await writeFolder(join(folder, 'top-1'), await sample(passing));
      const model = await open(await readModel(path), { ...auto, head: { task: 'classify', topK: 1 } });
      assert.equal(model.info.golden[0]?.passed, true);
      const { prediction } = await model.run(grey(9));
      assert.equal((prediction['classes'] as unknown[]).length, 1);
    });

    it('is refused with the differences when it computes something else', async () => {
      const path = await writeFolder(
        join(folder, 'other'),
        await sample((manifest) => {
          passing(manifest);
          const [golden] = manifest.golden ?? [];
          if (golden !== undefined) golden.expected = { task: 'classify', classes: [{ label: 'blue' }, {}] };
        }),
      );
      await assert.rejects(openModel(await readModel(path), auto), (error: unknown) => {
        assert.ok(error instanceof GoldenMismatch);
        assert.match(error.message, /golden\/red\.png.*classes\[0\]\.label should be "blue", is "red"/);
        return true;
      });
    });
  });

  it('is ready sooner when the same model is opened again', async () => {
    const first = await open(source(meanModel()), anomaly);
    const processes = hostProcesses();
    const again = await open(source(meanModel()), anomaly);
    // in the same process, and none was started for a trial
    assert.deepEqual(hostProcesses(), processes);
    assert.equal(again.pid, first.pid);
  });

  it('swaps to another model while it serves, and names the one that made each result', async () => {
    const model = await open(source(meanModel(), 'mean'), { ...anomaly, queue: 'block', queueLimit: 100 });
    const swapped = model.swap(source(logModel(), 'log'), { ...anomaly, queue: 'block' });
    const done = doneFlag(swapped);
    const names: string[] = [];
    while (!done.is) {
      const { prediction, model: by } = await model.run(grey(1));
      assert.equal(prediction['score'], by.name === 'mean' ? 1 : 0);
      names.push(by.name);
    }
    const { model: by } = await model.run(grey(1));
    assert.equal(by.name, 'log');
    assert.equal(model.info.model.name, 'log');
    assert.ok(names.includes('mean'));
  });

  it('tells of one trial and one model at a time while it swaps', async () => {
    const model = await open(source(meanModel(), 'mean'), anomaly);
    const [before] = model.info.benchmarks;
    const swapped = model.swap(source(logModel(), 'log'), anomaly);
    const done = doneFlag(swapped);
    while (!done.is) {
      const { info } = model;
      assert.equal(info.model.name === 'mean', info.benchmarks[0] === before);
      await new Promise(setImmediate);
    }
    assert.equal(model.info.model.name, 'log');
  });

  it('goes on with the model it has when the other does not pass', async () => {
    const model = await open(source(meanModel(), 'mean'), anomaly);
    const swap = model.swap(source(endlessAtOnceModel()), { ...anomaly, loadTimeoutMs: 500 });
    await assert.rejects(swap, code('MODEL_LOAD_TIMEOUT'));
    const { prediction } = await model.run(grey(3));
    assert.equal(prediction['score'], 3);
    assert.equal(model.info.model.name, 'mean');
  });

  it('swaps to a model that runs on another device, and answers what waits for the old one', async function () {
    const model = await open(source(meanModel(), 'mean'), { ...anomaly, queue: 'block', queueLimit: 50 });
    const pid = model.pid;
    let answered = 0;
    await withSwiftShader(this, async () => {
      const swap = model.swap(source(logModel(), 'log'), { ...anomaly, providers: ['webgpu'] });
      const done = doneFlag(swap);
      while (!done.is) {
        const { prediction, provider, model: by } = await model.run(grey(1));
        answered += 1;
        assert.equal(by.name, provider === 'cpu' ? 'mean' : 'log');
        assert.equal(prediction['score'], provider === 'cpu' ? 1 : 0);
      }
      await swap;
    });
    assert.equal(model.info.device, 'webgpu');
    assert.deepEqual({ ...model.counts, results: 0 }, { ...noFrames(), swaps: 1 });
    assert.equal(model.counts.results, answered);
    assert.notEqual(model.pid, pid);
    const { prediction, provider, model: by } = await model.run(grey(1));
    assert.deepEqual([prediction['score'], provider, by.name], [0, 'webgpu', 'log']);
  });

  for (const [what, hostile] of [
    ['never ends', endlessAtOnceModel()],
    ['wants eight gigabytes', hungryModel(8)],
  ] as const) {
    it(`serves others at 50 Hz while a graph that ${what} is opened on the same device`, async () => {
      const model = await open(source(meanModel()), { ...anomaly, queue: 'block', queueLimit: 100 });
      const attempt = openModel(source(hostile), { ...anomaly, loadTimeoutMs: 4000 });
      const over = attempt.then(
        () => assert.fail('it was opened'),
        (error: unknown) => (error as { code: string }).code,
      );
      const done = doneFlag(over);
      const answered = [performance.now()];
      const runs: Promise<unknown>[] = [];
      for await (const tick of every(20, done)) {
        runs.push(model.run(grey(5)).then(() => answered.push(performance.now())));
        if (tick.is) break;
      }
      await Promise.all(runs);
      assert.match(await over, /MODEL_LOAD_TIMEOUT|MODEL_INVALID/);
      assert.equal(answered.length, runs.length + 1);
      const gaps = answered.slice(1).map((at, i) => at - (answered[i] as number));
      assert.ok(Math.max(...gaps) < 1000, `the longest gap was ${Math.max(...gaps)} ms`);
    });
  }

  it('refuses what it cannot read as the task asks, before any host knows of it', async () => {
    const processes = hostProcesses();
    await assert.rejects(
      openModel(source(colourModel()), { providers: ['cpu'], head: { task: 'classify' } }),
      code('MODEL_INPUT_UNSUPPORTED'),
    );
    assert.deepEqual(hostProcesses(), processes);
  });

  it('takes no more frames once it is closed, and no other model', async () => {
    const model = await open(source(meanModel()), { ...anomaly, queue: 'block' });
    const runs = [1, 2, 3].map((value) => model.run(grey(value)));
    const swap = model.swap(source(logModel()), anomaly);
    const closed = model.close();
    await assert.rejects(model.run(grey(4)), code('MODEL_CLOSED'));
    await assert.rejects(swap, code('MODEL_CLOSED'));
    await closed;
    assert.deepEqual(
      (await Promise.all(runs)).map(({ prediction }) => prediction['score']),
      [1, 2, 3],
    );
  });

  it('gives up the model it tries as soon as it is closed, and one being opened when told to', async () => {
    const options = { ...anomaly, loadTimeoutMs: 60_000 };
    const model = await open(source(meanModel()), anomaly);
    const served = hostProcesses();
    const swap = model.swap(source(endlessAtOnceModel()), options);
    while (hostProcesses().length === served.length) await new Promise(setImmediate);
    const closed = model.close();
    await assert.rejects(swap, code('MODEL_CLOSED'));
    await closed;

    const leaving = new AbortController();
    const opening = openModel(source(endlessAtOnceModel()), options, { signal: leaving.signal });
    while (hostProcesses().length === before.length) await new Promise(setImmediate);
    leaving.abort(new Error('the node was closed'));
    await assert.rejects(opening, /the node was closed/);
    const early = openModel(source(meanModel()), anomaly, { signal: leaving.signal });
    await assert.rejects(early, /the node was closed/);
  });

  it('shows which provider does what of a run', async () => {
    const model = await open(source(meanModel()), anomaly);
    const [share] = await model.profile();
    assert.equal(share?.provider, 'cpu');
    assert.ok((share.operators['ReduceMean'] ?? 0) >= 1);
  });
});
