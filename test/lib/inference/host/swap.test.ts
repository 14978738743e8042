/** Another model takes over while frames come: which model made which result, and what waits meanwhile. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { acquireHost, type InferenceHost, type LoadedModel } from '../../../../lib/inference/host/host.ts';
import type { ModelSource } from '../../../../lib/inference/model/model.ts';
import { anomaly, gone, grey, isRunning, source, steadyLoad, type Outcome } from '../fixtures.ts';
import { endlessAtOnceModel, FLOAT, floats, meanOfImage, model, node, value } from '../onnx.ts';

const SWAPS = 100;
/** One session of it that is not given back shows in the memory of the process. */
const WEIGHTS_SIDE = 1024;
const weights = floats('weights', [WEIGHTS_SIDE, WEIGHTS_SIDE], [...new Float32Array(WEIGHTS_SIDE ** 2)]);
/** A quarter of what the weights of all swaps take: some of the messages they came in wait for the collector. */
const GROWTH_BYTES = (SWAPS * WEIGHTS_SIDE ** 2 * 4) / 4;

/** Score = mean of the image + `offset`, so that a result shows what made it. */
function offsetModel(offset: number): ModelSource {
  const bytes = model(
    ...meanOfImage,
    weights,
    floats('offset', [1], [offset]),
    floats('row', [1, WEIGHTS_SIDE], [...new Float32Array(WEIGHTS_SIDE)]),
    node('Mul', ['row', 'mean'], ['zeros']),
    node('MatMul', ['zeros', 'weights'], ['product']),
    node('ReduceMean', ['product'], ['zero'], { axes: [0, 1], keepdims: 0 }),
    node('Add', ['mean', 'zero'], ['sum']),
    node('Add', ['sum', 'offset'], ['score']),
    node('Identity', ['mean'], ['map']),
    value(12, 'score', FLOAT, [1]),
    value(12, 'map', FLOAT, [1]),
  );
  return source(bytes, `offset ${offset}`);
}

/** That of the model which the result names, told by its name and by what it computed. */
function offsetOf({ value, result }: Outcome): number {
  assert.ok(result !== undefined);
  const computed = (result.prediction['score'] as number) - value;
  assert.equal(result.model.name, `offset ${computed}`, 'another model ran than the one that is named');
  assert.equal(result.model.digest, digests.get(computed));
  return computed;
}

const digests = new Map<number, string>();

function sourceOf(offset: number): ModelSource {
  const made = offsetModel(offset);
  digests.set(offset, made.digest);
  return made;
}

function longestGapMs(outcomes: readonly Outcome[]): number {
  return Math.max(...outcomes.slice(1).map(({ at }, index) => at - (outcomes[index] as Outcome).at));
}

function residentBytes({ pid }: InferenceHost): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid ?? 0}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (error: unknown) => (error as { code: string }).code,
  );
}

const options = { ...anomaly, queue: 'block' } as const;

describe('swapping a model', function () {
  this.timeout(150_000);
  let host: InferenceHost;
  let loaded: LoadedModel;

  beforeEach(async () => {
    host = acquireHost('cpu', { crashLimit: Infinity });
    loaded = await host.load(sourceOf(0), options);
  });

  afterEach(() => host.release());

  async function servedBy(): Promise<number> {
    const result = await loaded.run(grey(1));
    assert.equal(result.model.digest, loaded.info.model.digest);
    return offsetOf({ value: 1, result, at: 0 });
  }

  it(`answers every frame in order, each by the one model it names, through ${SWAPS} swaps under load`, async () => {
    const load = steadyLoad((grey_) => loaded.run(grey(grey_)), 4);
    for (let result = 0; result < 200; result += 1) await load.nextResult();
    const calm = load.outcomes.length;
    let settledBytes = 0;
    for (let swap = 1; swap <= SWAPS; swap += 1) {
      await loaded.swap(sourceOf(swap), options);
      await load.nextResult();
      // the allocator has found its size by then
      if (swap === 20) settledBytes = residentBytes(host);
    }
    const grownBytes = residentBytes(host) - settledBytes;
    const outcomes = await load.end();

    const gaps = [longestGapMs(outcomes.slice(0, calm)), longestGapMs(outcomes.slice(calm))];
    console.log(
      `      ${outcomes.length} results; longest gap ${gaps.map((ms) => ms.toFixed(0)).join(' ms without swaps, ')} ms with; ` +
        `${(grownBytes / 1e6).toFixed(0)} MB more after ${SWAPS} swaps than after 20`,
    );
    const failed = outcomes.filter(({ result }) => result === undefined);
    assert.deepEqual(failed, []);
    outcomes.forEach(({ value }, frame) => assert.equal(value, 1 + (frame % 200), 'frames changed places'));
    const offsets = outcomes.map(offsetOf);
    assert.ok(
      offsets.every((offset, frame) => frame === 0 || offset >= (offsets[frame - 1] as number)),
      'a model that was replaced came back',
    );
    assert.equal(new Set(offsets).size, SWAPS + 1);
    assert.equal(loaded.counts.swaps, SWAPS);
    assert.deepEqual(
      { ...host.counts },
      { results: outcomes.length, dropped: 0, lost: 0, swaps: SWAPS, crashes: 0 },
    );
    assert.ok(grownBytes < GROWTH_BYTES, `the process grew by ${grownBytes} bytes`);
  });

  it('lets the frames that wait be looked at by the new model', async () => {
    const slow = loaded.swap(sourceOf(1), options);
    const runs = Array.from({ length: 17 }, (_, frame) => loaded.run(grey(1 + frame)));
    await slow;
    const offsets = (await Promise.all(runs)).map((result, frame) =>
      offsetOf({ value: 1 + frame, result, at: 0 }),
    );
    assert.deepEqual(
      offsets,
      offsets.toSorted((a, b) => a - b),
    );
    assert.equal(await servedBy(), 1);
  });

  it('goes on with the old model when the new one cannot be loaded', async () => {
    const before = loaded.info;
    const broken = source(Buffer.from('version https://git-lfs'), 'broken');
    await assert.rejects(loaded.swap(broken, options), { code: 'MODEL_INVALID' });
    const classify = { ...options, head: { task: 'classify', output: 'none' } } as const;
    await assert.rejects(loaded.swap(offsetModel(1), classify), { code: 'MODEL_OUTPUT_UNSUPPORTED' });
    const endless = source(endlessAtOnceModel(), 'endless');
    const hung = loaded.swap(endless, { ...options, loadTimeoutMs: 500 });
    await assert.rejects(hung, { code: 'MODEL_LOAD_TIMEOUT' });
    assert.deepEqual(loaded.info.model, before.model);
    assert.equal(await servedBy(), 0);
    assert.equal(loaded.counts.swaps, 0);
    assert.equal(host.counts.crashes, 0);
  });

  it('does one swap after the other when several are asked for at once', async () => {
    const load = steadyLoad((grey_) => loaded.run(grey(grey_)), 2);
    const broken = source(Buffer.from('no model'), 'broken');
    const settled = await Promise.allSettled([
      loaded.swap(sourceOf(1), options),
      loaded.swap(broken, options),
      loaded.swap(sourceOf(2), options),
      loaded.swap(sourceOf(3), options),
    ]);
    await load.nextResult();
    const outcomes = await load.end();
    assert.deepEqual(
      settled.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    );
    const offsets = outcomes.map(offsetOf);
    assert.deepEqual(
      offsets,
      offsets.toSorted((a, b) => a - b),
    );
    assert.equal(offsets.at(-1), 3);
  });

  it('ends in the old or in the new model, never in none, when the process dies meanwhile', async () => {
    const begun = performance.now();
    await loaded.swap(sourceOf(1), options);
    const swapMs = performance.now() - begun;
    const ends: string[] = [];
    for (let round = 2; round <= 9; round += 1) {
      const before = await servedBy();
      const { pid = 0 } = host;
      const frames = Array.from({ length: 3 }, (_, frame) => codeOf(loaded.run(grey(1 + frame))));
      const swap = codeOf(loaded.swap(sourceOf(round), options));
      // somewhere between its first step and its last
      const killAt = performance.now() + (swapMs * (round - 2)) / 8;
      while (performance.now() < killAt) await new Promise(setImmediate);
      process.kill(pid, 'SIGKILL');
      const end = await swap;
      ends.push(end);
      const codes = await Promise.all(frames);
      assert.ok(
        codes.every((code) => code === 'done' || code === 'NO_RESULT'),
        codes.join(),
      );
      await gone(pid);
      assert.equal(await servedBy(), end === 'done' ? round : before);
    }
    assert.ok(
      ends.every((code) => code === 'done' || code === 'MODEL_INVALID'),
      ends.join(),
    );
  });

  it('can be closed while it is swapped, and keeps nothing', async () => {
    const other = await host.load(sourceOf(5), options);
    const frame = loaded.run(grey(1));
    const swap = loaded.swap(sourceOf(1), options);
    const closed = loaded.close();
    await assert.rejects(swap, { code: 'MODEL_CLOSED' });
    await closed;
    assert.equal(offsetOf({ value: 1, result: await frame, at: 0 }), 0);
    await assert.rejects(loaded.run(grey(1)), { code: 'MODEL_CLOSED' });
    await assert.rejects(loaded.swap(sourceOf(2), options), { code: 'MODEL_CLOSED' });
    assert.equal((await other.run(grey(1))).prediction['score'], 6);
    const { pid } = host;
    await host.release();
    assert.ok(pid !== undefined && !isRunning(pid));
  });

  it('brings a tripped host back', async () => {
    await host.release();
    host = acquireHost('cpu', { crashLimit: 1 });
    loaded = await host.load(sourceOf(0), options);
    process.kill(host.pid ?? 0, 'SIGKILL');
    while (host.state !== 'tripped') await new Promise(setImmediate);
    await assert.rejects(loaded.run(grey(1)), { code: 'HOST_TRIPPED' });
    await loaded.swap(sourceOf(1), options);
    assert.equal(await servedBy(), 1);
  });
});
