/** The host is killed again and again while frames come: what becomes of each, and how soon the next has a result. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acquireHost, type InferenceHost } from '../../../../lib/inference/host/host.ts';
import { anomaly, grey, percentile, source, steadyLoad } from '../fixtures.ts';
import { logModel, meanModel } from '../onnx.ts';

const KILLS = Number(process.env['K'] ?? 200);
const RECOVERY_P95_MS = 2000;

describe('inference host under kill −9', function () {
  this.timeout(300_000);
  let host: InferenceHost;
  let cache: string;
  const cacheBefore = process.env['NODE_COMPILE_CACHE'];

  // as the package is compiled where it is installed: half of a start is stripping types
  before(async () => {
    cache = await mkdtemp(join(tmpdir(), 'jidoka-compiled-'));
    process.env['NODE_COMPILE_CACHE'] = cache;
  });

  after(async () => {
    if (cacheBefore === undefined) delete process.env['NODE_COMPILE_CACHE'];
    else process.env['NODE_COMPILE_CACHE'] = cacheBefore;
    await rm(cache, { recursive: true });
  });

  beforeEach(() => {
    host = acquireHost('cpu', { crashLimit: Infinity });
  });

  afterEach(() => host.release());

  function kill(): void {
    assert.ok(host.pid !== undefined);
    process.kill(host.pid, 'SIGKILL');
  }

  it(`gives every frame one outcome through ${KILLS} kills, and is back within two seconds`, async () => {
    const model = await host.load(source(meanModel()), { ...anomaly, queue: 'block' });
    const load = steadyLoad((value) => model.run(grey(value)), 4);
    const recoveries: number[] = [];
    for (let round = 0; round < KILLS; round += 1) {
      // somewhere in a run, between two, or in the first after the last kill
      for (let result = 0; result < round % 4; result += 1) await load.nextResult();
      kill();
      const killedAt = performance.now();
      while (host.counts.crashes <= round) await new Promise(setImmediate);
      await load.nextResult();
      recoveries.push(performance.now() - killedAt);
    }
    const outcomes = await load.end();

    const p95 = percentile(recoveries, 0.95);
    const lost = outcomes.filter(({ code }) => code !== undefined);
    console.log(
      `      recovery p50 ${percentile(recoveries, 0.5).toFixed(0)} ms, p95 ${p95.toFixed(0)} ms, ` +
        `most ${Math.max(...recoveries).toFixed(0)} ms; ${outcomes.length} frames, ${lost.length} without result`,
    );
    assert.deepEqual(
      outcomes.filter(({ code, value, result }) =>
        code === undefined ? result?.prediction['score'] !== value : code !== 'NO_RESULT',
      ),
      [],
    );
    assert.equal(host.counts.crashes, KILLS);
    assert.equal(model.counts.results, outcomes.length - lost.length);
    assert.equal(model.counts.lost, lost.length);
    assert.ok(lost.length <= KILLS, `${lost.length} frames were lost in ${KILLS} kills`);
    assert.ok(p95 <= RECOVERY_P95_MS, `recovery took ${p95} ms`);
  });

  it('brings all its models back, also when it dies again while it loads them', async () => {
    const models = await Promise.all(
      [meanModel(), logModel(), meanModel()].map((bytes) =>
        host.load(source(bytes), { ...anomaly, queue: 'block' }),
      ),
    );
    const scores = (): Promise<unknown[]> =>
      Promise.all(models.map((model) => model.run(grey(1)).then(({ prediction }) => prediction['score'])));
    for (let round = 0; round < 5; round += 1) {
      const before = host.pid;
      kill();
      while (host.state !== 'ready' || host.pid === before) await new Promise(setImmediate);
      // it is at its first model
      kill();
      while (host.counts.crashes < 2 * (round + 1)) await new Promise(setImmediate);
      assert.deepEqual(await scores(), [1, 0, 1]);
    }
    assert.equal(host.counts.lost, 0);
  });
});
