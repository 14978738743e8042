import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInspection, type Inspection } from '../../lib/inspection/inspection.ts';
import type { LedgerEntry } from '../../lib/journal/types.ts';
import { teach } from '../../lib/series/teach.ts';
import type { Calibration, Station } from '../../lib/station/types.ts';
import register from '../../nodes/anomaly-score/anomaly-score.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { codeOf, flowAround, load, nextMessage, node, stationStandIn, unload } from '../support/helper.ts';
import { assertPlainMessage } from '../support/message-rule.ts';
import { PUMP, pumpRows } from '../lib/series/pump.ts';

function featuresOf(row: readonly number[]): Record<string, number> {
  return Object.fromEntries(PUMP.map((name, at) => [name, row[at] ?? NaN]));
}

describe('anomaly-score on signals', function () {
  this.timeout(60_000);
  let folder: string;
  let offered: Calibration[];
  let withdrawn: number;
  let ledger: LedgerEntry[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-signals-'));
    offered = [];
    withdrawn = 0;
    ledger = [];
  });
  afterEach(async () => {
    await unload();
    await rm(folder, { recursive: true, force: true });
  });

  async function deploy(config: Record<string, unknown> = {}): Promise<void> {
    const station = {
      folder,
      mode: 'NORMAL',
      nextPart: () => Promise.resolve(openInspection({ station: 'pump 7', sequence: 1, deadlineMs: 60_000 })),
      journal: () =>
        Promise.resolve({ appendLedger: (entry: LedgerEntry) => Promise.resolve(void ledger.push(entry)) }),
      offerCalibration: (calibration: Calibration) => {
        offered.push(calibration);
        return () => (withdrawn += 1);
      },
    } as unknown as Station;
    const score = {
      id: 'score',
      type: 'anomaly-score',
      station: 'station',
      model: 'pump',
      version: 2,
      looks: 'signals',
    };
    await load(
      [stationStandIn(station), register],
      [
        { id: 'station', type: 'inspection-station' },
        ...flowAround({ ...score, windows: 60, ...config }, ['scored', 'events']),
      ],
    );
  }

  function send(payload: unknown): Promise<Message> {
    const answer = nextMessage('scored');
    node('score').receive({ payload });
    return answer;
  }

  async function model(): Promise<Message> {
    for (;;) {
      const message = await nextMessage('events');
      if (message.topic === 'jidoka/model') return message;
    }
  }

  async function caughtCode(payload: unknown): Promise<string | undefined> {
    const caught = nextMessage('caught');
    node('score').receive({ payload });
    return codeOf(await caught);
  }

  async function untilStatus(text: string): Promise<void> {
    for (;;) {
      const [call] = (await once(node('score'), 'call:status')) as [{ args: [{ text?: string }] }];
      if (call.args[0].text === text) return;
    }
  }

  async function taughtFromTheMachine(config: Record<string, unknown> = {}): Promise<Message> {
    await deploy(config);
    const taught = model();
    for (const row of pumpRows(60, 1)) {
      const passed = await send({ features: featuresOf(row) });
      assert.equal((passed.inspection as Inspection).anomaly, undefined);
    }
    return taught;
  }

  it('learns from the first windows, then scores each and says which sensor it was', async () => {
    const { payload } = await taughtFromTheMachine();
    assert.deepEqual(
      { ...(payload as object), digest: '' },
      { name: 'pump', version: '1', digest: '', parts: 60, method: 'nearest' },
    );
    const fresh = pumpRows(12, 4);
    for (const row of fresh.slice(0, -1)) await send({ features: featuresOf(row) });
    const scored = await send({ features: { ...featuresOf(fresh.at(-1) ?? []), temperature: 95 } });
    assertPlainMessage(scored);
    const { anomaly } = scored.inspection as Inspection;
    assert.equal(scored.payload, anomaly?.score);
    assert.ok((anomaly?.score ?? 0) > 2 && (anomaly?.pValue ?? 1) <= 1 / 61);
    assert.equal(anomaly?.contributions?.[0]?.name, 'temperature');
    assert.equal(anomaly.method, 'nearest');
    assert.deepEqual(anomaly.boxes, []);
  });

  it('offers the gate the calibration of the very model that scores', async () => {
    await taughtFromTheMachine();
    const { anomaly } = (await send(featuresOf(pumpRows(1, 4)[0] ?? []))).inspection as Inspection;
    assert.deepEqual(offered[0]?.model, anomaly?.model);
    assert.equal(offered[0]?.goodScores.length, 60);
    assert.deepEqual(
      ledger.map(({ type, object }) => [type, object]),
      [['model.teach', 'pump']],
    );
  });

  it('teaches from a CSV file and goes on with the same model after a restart', async () => {
    const lines = pumpRows(80, 1).map((row) => ['2026-01-01', ...row].join(';'));
    await writeFile(join(folder, 'normal.csv'), [`time;${PUMP.join(';')}`, ...lines].join('\n'));
    const config = { signalTeaching: 'file', file: 'normal.csv', methods: 'pca,ewma' };
    await deploy(config);
    const { payload } = await model();
    assert.equal((payload as { parts: number }).parts, 80);
    await unload();
    assert.equal(withdrawn, 1);
    await deploy({ ...config, signalTeaching: 'none' });
    const { anomaly } = (await send(featuresOf(pumpRows(1, 4)[0] ?? []))).inspection as Inspection;
    assert.equal(anomaly?.model.digest, (payload as { digest: string }).digest);
  });

  it('goes on with a lesson that a restart cut off, and teaches what a lesson without one teaches', async () => {
    const rows = pumpRows(60, 1);
    await deploy();
    for (const row of rows.slice(0, 40)) await send({ features: featuresOf(row) });
    await unload();
    await deploy();
    const taught = model();
    for (const row of rows.slice(40)) {
      assert.equal(((await send({ features: featuresOf(row) })).inspection as Inspection).anomaly, undefined);
    }
    const { payload } = await taught;
    assert.equal((payload as { parts: number }).parts, 60);
    assert.deepEqual(await readdir(join(folder, 'models', 'pump')), ['1']);
    const other = { folder: join(folder, 'other'), name: 'pump', columns: PUMP, rows };
    const { digest } = await teach({ ...other, methods: ['nearest'], smoothing: 5 });
    assert.equal((payload as { digest: string }).digest, digest);
  });

  it('says where the score is heading when it is asked to', async () => {
    await taughtFromTheMachine({ trend: true, limit: 1e5, trendHours: 1, smoothing: 1 });
    const [row = []] = pumpRows(1, 4);
    let last: Inspection['anomaly'];
    for (let at = 0; at < 14; at += 1) {
      const features = { ...featuresOf(row), temperature: 75 + at };
      const window = { startedAtMs: 60_000 * at, rateHz: 1, samples: 60 };
      const message = await send({ features, window });
      assertPlainMessage(message);
      last = (message.inspection as Inspection).anomaly;
      if (at < 5) assert.equal(last?.trend, undefined);
    }
    const { slopePerHour = NaN, remainingHours, low, high } = last?.trend ?? {};
    assert.ok(slopePerHour > 0);
    assert.ok(remainingHours && low && high && low <= remainingHours && remainingHours <= high);
  });

  it('gives no score to features that are missing, unknown or no numbers', async () => {
    await taughtFromTheMachine();
    const good = featuresOf(pumpRows(1, 4)[0] ?? []);
    assert.equal(await caughtCode({ features: { current: 1 } }), 'FEATURE_MISSING');
    assert.equal(await caughtCode({ features: { ...good, torque: 3 } }), 'FEATURE_UNKNOWN');
    assert.equal(await caughtCode({ features: { ...good, flow: NaN } }), 'FEATURES_INVALID');
    assert.equal(await caughtCode('hello'), 'FEATURES_INVALID');
    assert.equal(await caughtCode({ features: {} }), 'FEATURES_INVALID');
  });

  it('does not compare windows across a gap', async () => {
    await taughtFromTheMachine({ smoothing: 10 });
    const [first = [], second = []] = pumpRows(2, 4);
    const odd = { ...featuresOf(first), temperature: 200 };
    const windowAt = (second: number): object => ({ startedAtMs: 1000 * second, rateHz: 100, samples: 100 });
    for (let more = 0; more < 10; more += 1) await send({ features: odd, window: windowAt(more) });
    const features = featuresOf(second);
    const next = await send({ features, window: windowAt(10) });
    assert.ok((next.payload as number) > 2, 'the mean of ten holds the windows before');
    const after = await send({ features, window: windowAt(15) });
    assert.ok((after.payload as number) < 2, 'what was before the gap no longer counts');
  });

  it('says that there is no model, and that a file teaches nothing', async () => {
    await deploy({ signalTeaching: 'none' });
    assert.equal(await caughtCode(featuresOf(pumpRows(1, 4)[0] ?? [])), 'MODEL_MISSING');
    await unload();
    await writeFile(join(folder, 'short.csv'), `${PUMP.join(',')}\n1,2,3,4\n`);
    await deploy({ signalTeaching: 'file', file: 'short.csv' });
    node('score').receive({ topic: 'jidoka/teach' });
    await untilStatus('SERIES_TOO_SHORT');
  });

  it('refuses a configuration that names no method', async () => {
    await deploy({ methods: 'magic' });
    assert.equal(await caughtCode(featuresOf(pumpRows(1, 4)[0] ?? [])), 'CONFIG_INVALID');
  });
});
