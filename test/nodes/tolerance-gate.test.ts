import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInspection, type Inspection } from '../../lib/inspection/inspection.ts';
import type { Label } from '../../lib/journal/types.ts';
import { createStation } from '../../lib/station/station.ts';
import { openJournal } from '../../lib/journal/journal.ts';
import type { Adjustable, Calibration, Station } from '../../lib/station/types.ts';
import register from '../../nodes/tolerance-gate/tolerance-gate.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { person, testStation } from '../support/commands.ts';
import { ask } from '../support/plc-flow.ts';
import { codeOf, flowAround, load, nextMessage, node, stationStandIn, unload } from '../support/helper.ts';

const MODEL = { name: 'press-4', version: '7', digest: 'sha256:aa' };

function scored(score: number): Inspection {
  const inspection = openInspection({ station: 'press 4', sequence: 1, deadlineMs: 60_000 });
  return {
    ...inspection,
    anomaly: { score, pValue: 0.5, method: 'patch-nn', model: MODEL, provider: 'cpu', boxes: [] },
  };
}

function flow(gate: Record<string, unknown>): Parameters<typeof load>[1] {
  return flowAround({ id: 'gate', type: 'tolerance-gate', ...gate }, ['accept', 'review', 'reject']);
}

describe('tolerance-gate', () => {
  afterEach(unload);

  it('sends each decision to its own output, with the verdict in the envelope', async () => {
    await load([register], flow({ mode: 'fixed', threshold: '3', reviewThreshold: '2.5' }));
    for (const [score, output] of [
      [1, 'accept'],
      [2.7, 'review'],
      [3.1, 'reject'],
    ] as const) {
      node('gate').receive({ inspection: scored(score), other: 'untouched' });
      const message = await nextMessage(output);
      assert.equal(message.payload, output);
      assert.equal(message.inspection?.verdict?.decision, output);
      assert.equal(message.inspection.verdict.threshold, 3);
      assert.equal(message['other'], 'untouched');
    }
  });

  it('gives a part that arrives without a score the fallback, never accept', async () => {
    await load([register], flow({ mode: 'fixed', threshold: '3', fallback: 'reject' }));
    node('gate').receive({ payload: 'no envelope at all' });
    const message = await nextMessage('reject');
    assert.equal(message.inspection?.verdict?.reason, 'no-score');
  });

  it('derives the threshold from the good parts of the model that scored, and keeps the record', async () => {
    const recorded: Inspection[] = [];
    const values = new Map<string, unknown>();
    const journal = {
      recordPart: (inspection: Inspection) => Promise.resolve(void recorded.push(inspection)),
      getValue: (key: string) => Promise.resolve(values.get(key)),
      setValue: (key: string, value: unknown) => Promise.resolve(void values.set(key, value)),
    };
    let adjustable: Adjustable | undefined;
    const station = {
      mode: 'NORMAL',
      arming: () => ({ state: 'DISARMED' }),
      disarm: () => Promise.resolve(),
      journal: () => Promise.resolve(journal),
      calibrationFor: (digest: string) =>
        digest === MODEL.digest
          ? { model: MODEL, goodScores: Array.from({ length: 60 }, (_, index) => index / 20) }
          : undefined,
      onLabel: () => () => undefined,
      concerns: () => [],
      addAdjustable: (added: Adjustable) => {
        adjustable = added;
        return () => (adjustable = undefined);
      },
    } as unknown as Station;
    await load(
      [stationStandIn(station), register],
      [{ id: 'station', type: 'inspection-station' }, ...flow({ station: 'station' })],
    );

    node('gate').receive({ inspection: scored(3) });
    const rejected = await nextMessage('reject');
    assert.equal(rejected.inspection?.verdict?.threshold, 2.95);
    assert.equal(rejected.inspection.verdict.calibration, 'press-4@7');
    assert.deepEqual(
      recorded.map((inspection) => inspection.verdict?.decision),
      ['reject'],
    );

    await adjustable?.setTolerance(3.2, { actor: 'mara', reason: 'new coil' });
    node('gate').receive({ inspection: scored(3) });
    assert.equal((await nextMessage('accept')).inspection?.verdict?.threshold, 3.2);
    assert.deepEqual(values.get('gate:gate'), {
      threshold: 3.2,
      calibration: 'press-4@7',
      from: 2.95,
      alpha: 0.05,
      delta: 0.05,
    });

    const other = scored(1);
    if (other.anomaly) other.anomaly.model = { ...MODEL, digest: 'sha256:unknown' };
    node('gate').receive({ inspection: other });
    assert.equal((await nextMessage('review')).inspection?.verdict?.reason, 'wrong-model');
  });

  for (const [title, gate, part, output, reason] of [
    [
      'a measured value',
      { mode: 'band', bandMin: '2', bandMax: '4', scoreProperty: 'payload' },
      { payload: 5 },
      'reject',
      'above-maximum',
    ],
    [
      'a text for a value',
      { mode: 'band', bandMin: '2', scoreProperty: 'payload' },
      { payload: '5' },
      'review',
      'no-score',
    ],
    [
      'objects',
      {
        mode: 'objects',
        objectLimits: [{ label: 'screw', minScore: '0.5', minCount: '2', maxCount: '', decision: 'reject' }],
      },
      { objects: [{ label: 'screw', score: 0.9, box: [0, 0, 1, 1] }] },
      'reject',
      'object-count',
    ],
    [
      'several scores',
      {
        mode: 'combined',
        combineBy: 'all',
        scores: [
          { property: 'payload.left', limit: '2' },
          { property: 'payload.right', limit: '3' },
        ],
      },
      { payload: { left: 1, right: 4 } },
      'review',
      'review-band',
    ],
    [
      'a control chart',
      { mode: 'chart', baseline: 'given', centre: '10', sigma: '1', scoreProperty: 'payload' },
      { payload: 13.5 },
      'reject',
      'beyond-3-sigma',
    ],
    [
      'a value while its chart learns',
      { mode: 'chart', scoreProperty: 'payload' },
      { payload: 13.5 },
      'review',
      'learning',
    ],
    [
      'a lone bad part',
      { mode: 'fixed', threshold: '3', confirmK: '2', confirmN: '3' },
      {},
      'review',
      'k-of-n',
    ],
  ] as const) {
    it(`judges ${title}`, async () => {
      await load([register], flow(gate));
      const { objects, ...message } = { objects: undefined, ...part };
      const inspection = scored(4);
      if (objects !== undefined) {
        inspection.inference = [
          {
            model: MODEL,
            provider: 'cpu',
            ms: 1,
            task: 'detect',
            count: 1,
            objects: structuredClone([...objects]) as never,
          },
        ];
      }
      node('gate').receive({ inspection, ...message });
      const received = await nextMessage(output);
      assert.equal(received.inspection?.verdict?.reason, reason);
    });
  }

  it('says which row of a rule is wrong', async () => {
    const scores = [
      { property: 'payload', limit: '1' },
      { property: 'other', limit: 'much' },
    ];
    await load([register], flow({ mode: 'combined', scores }));
    node('gate').receive({ inspection: scored(1) });
    const caught = await nextMessage('caught');
    assert.match((caught['error'] as { message: string }).message, /scores, row 2, limit: is not a number/);
  });

  it('disarms an armed station when it is deployed, because it may decide otherwise now', async () => {
    const { station, remove } = await testStation();
    await station.arm(person);
    await load(
      [stationStandIn(station), register],
      [
        { id: 'station', type: 'inspection-station' },
        ...flow({ name: 'Surface gate', station: 'station', mode: 'fixed', threshold: '3' }),
      ],
    );
    const { state, actor, reason } = station.arming();
    assert.deepEqual([state, actor, reason], ['DISARMED', 'system', 'Surface gate was deployed']);
    await remove();
  });

  it('ends every input in a coded error when its configuration is wrong', async () => {
    await load([register], flow({ mode: 'fixed', threshold: 'three' }));
    node('gate').receive({ inspection: scored(1) });
    const caught = await nextMessage('caught');
    assert.equal(codeOf(caught), 'CONFIG_INVALID');
  });

  it('ends an input in a coded error when its station is gone', async () => {
    await load([register], flow({ station: 'nowhere' }));
    node('gate').receive({ inspection: scored(1) });
    const caught = await nextMessage('caught');
    assert.match((caught['error'] as { message: string }).message, /station/);
  });
});

describe('tolerance-gate in a station with a journal', () => {
  let folder: string;
  let station: StationControl;
  let sequence = 0;
  const nodes = (gate: Record<string, unknown>): Parameters<typeof load>[1] => [
    { id: 'station', type: 'inspection-station' },
    ...flow({ name: 'Surface gate', station: 'station', ...gate }),
  ];
  const calibration = (count: number): Calibration => ({
    model: MODEL,
    goodScores: Array.from({ length: count }, (_, index) => (index + 1) / count),
  });

  async function judge(score: number, output: string, rest: object = {}): Promise<Inspection> {
    sequence += 1;
    const opened = openInspection({ station: 'press-4', sequence, deadlineMs: 60_000, id: `p${sequence}` });
    const { anomaly } = scored(score);
    const arrived = nextMessage(output);
    node('gate').receive({
      ...rest,
      inspection: { ...opened, ...(anomaly === undefined ? {} : { anomaly }) },
    });
    const { inspection } = await arrived;
    assert.ok(inspection !== undefined);
    return inspection;
  }

  const panel = async () =>
    (await ask('get', '/jidoka/gates/gate')).body as {
      missing: number;
      needed: number;
      goodParts: number;
      settings: { version: number; reason: string; settings: { alpha: number } };
      realised: { state: string; falseRejects: number; unlabelled: number; good: number } | null;
      histogram: { counts: number[] } | null;
      recent: unknown[];
    };

  function start(): void {
    station = createStation({
      id: 'station',
      name: 'press-4',
      line: '',
      folder,
      defaultDeadlineMs: 900,
      autonomy: 'act',
      openJournal: (options) => openJournal({ ...options, ballastBytes: 4096 }),
    });
  }

  /** As a restart of Node-RED: everything in memory is gone. */
  async function restart(gate: Record<string, unknown>): Promise<void> {
    await unload();
    await station.close();
    start();
    station.offerCalibration(calibration(100));
    await load([stationStandIn(station), register], nodes(gate));
  }

  beforeEach(async () => {
    sequence = 0;
    folder = await mkdtemp(join(tmpdir(), 'jidoka-gate-'));
    start();
  });
  afterEach(async () => {
    await unload();
    await station.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('gives advice and counts down while good parts are missing', async () => {
    station.offerCalibration(calibration(20));
    await load([stationStandIn(station), register], nodes({ fallback: 'reject' }));
    const { verdict } = await judge(0.5, 'reject');
    assert.deepEqual(
      [verdict?.reason, verdict?.advice, verdict?.threshold, verdict?.pValue, verdict?.settings],
      ['advise', 'accept', 1, 0.5, 1],
    );
    const { goodParts, needed, missing, realised, histogram } = await panel();
    assert.deepEqual([goodParts, needed, missing, realised], [20, 59, 39, null]);
    assert.equal(
      histogram?.counts.reduce((sum, count) => sum + count, 0),
      20,
    );
  });

  it('tracks how many good parts it rejects from what people found, over a restart', async () => {
    station.offerCalibration(calibration(100));
    await load([stationStandIn(station), register], nodes({}));
    for (let part = 0; part < 6; part += 1) await judge(0.1, 'accept');
    for (let part = 0; part < 3; part += 1) await judge(2, 'reject');
    const by = { actor: 'mara', reason: 'looked at it' };
    const heard = new Promise<Label>((resolve) => station.onLabel(resolve));
    await station.label({ partId: 'p7', truth: 'good', ...by });
    assert.equal((await heard).partId, 'p7');
    await station.label({ partId: 'p8', truth: 'defect', ...by });
    const before = (await panel()).realised;
    assert.deepEqual([before?.falseRejects, before?.unlabelled, before?.good], [1, 1, 7]);
    await restart({});
    await judge(0.1, 'accept');
    const { realised } = await panel();
    assert.deepEqual([realised?.falseRejects, realised?.unlabelled, realised?.good], [1, 1, 8]);
  });

  it('says that the budget is void while the station has doubts', async () => {
    station.offerCalibration(calibration(100));
    await load([stationStandIn(station), register], nodes({}));
    await judge(0.1, 'accept');
    assert.equal((await panel()).realised?.state, 'open');
    station.degrade('CONSERVATIVE', { code: 'DRIFT', message: 'the light has dimmed' });
    assert.equal((await panel()).realised?.state, 'void');
  });

  it('is changed by a person within its bounds: on record, disarmed, numbered, and kept over a restart', async () => {
    station.offerCalibration(calibration(100));
    const gate = { alphaPercent: '5', alphaMaxPercent: '10' };
    await load([stationStandIn(station), register], nodes(gate));
    await judge(0.5, 'accept');
    await station.setTolerance({ threshold: 1.1, ...person });
    await judge(1.05, 'accept');
    await station.arm(person);
    const change = { gate: 'Surface gate', ...person };
    await assert.rejects(station.setGate({ ...change, change: { alpha: 0.2 } }), {
      code: 'TOLERANCE_OUT_OF_BOUNDS',
    });
    await assert.rejects(station.setGate({ ...change, gate: 'nobody', change: {} }), { code: 'NOT_FOUND' });
    assert.equal(station.arming().state, 'ARMED');
    await station.setGate({ ...change, change: { alpha: 0.1 } });
    assert.equal(station.arming().state, 'DISARMED');
    const [entry] = (await (await station.journal()).ledger()).filter(({ type }) => type === 'gate.settings');
    assert.deepEqual([entry?.actor, entry?.reason], [person.actor, person.reason]);
    const { verdict } = await judge(0.97, 'reject');
    assert.equal(verdict?.settings, 3);
    await restart(gate);
    const again = await judge(0.97, 'reject');
    assert.deepEqual([again.verdict?.settings, again.verdict?.threshold], [3, verdict.threshold]);
    assert.equal((await panel()).settings.settings.alpha, 0.1);
    await restart({ ...gate, alphaPercent: '4' });
    assert.equal((await judge(0.97, 'accept')).verdict?.settings, 4);
  });

  it('drops a threshold moved under another budget when a stricter one is deployed', async () => {
    station.offerCalibration(calibration(100));
    await load([stationStandIn(station), register], nodes({ alphaPercent: '5' }));
    await judge(0.5, 'accept');
    await station.setTolerance({ threshold: 1.1, ...person });
    await judge(1.05, 'accept');
    await restart({ alphaPercent: '5' });
    await judge(1.05, 'accept');
    await restart({ alphaPercent: '3' });
    assert.equal((await judge(1.05, 'reject')).verdict?.threshold, 1);
  });

  it('puts the threshold back at once when the budget is said anew, whatever it was', async () => {
    station.offerCalibration(calibration(100));
    await load([stationStandIn(station), register], nodes({ alphaPercent: '5' }));
    await judge(0.5, 'accept');
    await station.setTolerance({ threshold: 1.1, ...person });
    await station.setGate({ gate: 'gate', change: { alpha: 0.05 }, ...person });
    const { verdict } = await judge(1.05, 'reject');
    await restart({ alphaPercent: '5' });
    assert.equal((await judge(1.05, 'reject')).verdict?.threshold, verdict?.threshold);
  });

  it('keeps a fixed threshold a person has moved over a restart, until another one is deployed', async () => {
    const gate = { mode: 'fixed', threshold: '2' };
    await load([stationStandIn(station), register], nodes(gate));
    await judge(2.1, 'reject');
    await station.setTolerance({ threshold: 2.2, ...person });
    await judge(2.1, 'accept');
    await restart(gate);
    const again = (await judge(2.1, 'accept')).verdict;
    assert.deepEqual([again?.threshold, again?.settings], [2.2, 2]);
    for (let start = 0; start < 2; start += 1) {
      await restart({ ...gate, threshold: '1.9' });
      const { verdict } = await judge(2.1, 'reject');
      assert.deepEqual([verdict?.threshold, verdict?.settings], [1.9, 3]);
      assert.equal((await panel()).settings.reason, 'deployed');
    }
  });

  it('judges several p-values by the α a person has set, over a restart too', async () => {
    const scores = [
      { property: 'a', limit: '1' },
      { property: 'b', limit: '1' },
    ];
    const gate = { mode: 'combined', combineBy: 'fisher', alphaPercent: '1', alphaMaxPercent: '20', scores };
    await load([stationStandIn(station), register], nodes(gate));
    await judge(1, 'accept', { a: 0.1, b: 0.1 });
    await station.setGate({ gate: 'gate', change: { alpha: 0.2 }, ...person });
    await judge(1, 'reject', { a: 0.1, b: 0.1 });
    await restart(gate);
    await judge(1, 'reject', { a: 0.1, b: 0.1 });
  });

  it('refuses a budget where the rule makes no use of one', async () => {
    const gate = { mode: 'fixed', threshold: '2', alphaMaxPercent: '20', confidenceMinPercent: '60' };
    await load([stationStandIn(station), register], nodes(gate));
    for (const change of [{ alpha: 0.2 }, { delta: 0.3 }]) {
      await assert.rejects(station.setGate({ gate: 'gate', change, ...person }), {
        code: 'TOLERANCE_OUT_OF_BOUNDS',
      });
    }
    assert.equal((await panel()).settings.version, 1);
  });

  it('has nothing to move without a threshold, and its settings stay as they are', async () => {
    await load([stationStandIn(station), register], nodes({ mode: 'band', bandMin: '1' }));
    await assert.rejects(station.setTolerance({ threshold: 2, ...person }), { code: 'NOT_FOUND' });
    assert.equal((await panel()).settings.version, 1);
  });

  it('takes the good scores a model has learned since, also under the same digest', async () => {
    const withdraw = station.offerCalibration(calibration(20));
    await load([stationStandIn(station), register], nodes({}));
    assert.equal((await judge(0.5, 'review')).verdict?.reason, 'advise');
    station.offerCalibration(calibration(100));
    withdraw();
    await judge(0.5, 'accept');
  });

  it('doubts a part that does not lie where the model expects it', async () => {
    station.offerCalibration(calibration(100));
    await load([stationStandIn(station), register], nodes({}));
    await judge(0.5, 'accept');
    const inspection = scored(0.5);
    if (inspection.anomaly === undefined) throw new Error('no score');
    inspection.anomaly.alignment = { x: 0, y: 0, angle: 0, scale: 1, quality: 0.1, lost: true };
    const arrived = nextMessage('review');
    node('gate').receive({ inspection });
    assert.equal((await arrived).inspection?.verdict?.reason, 'not-aligned');
  });

  it('remembers over a restart what its rules have seen', async () => {
    const gate = { mode: 'fixed', threshold: '3', confirmK: '2', confirmN: '3' };
    await load([stationStandIn(station), register], nodes(gate));
    await judge(4, 'review');
    await restart(gate);
    await judge(4, 'reject');
  });

  it('goes on judging when its state cannot be kept, and says so', async () => {
    station.offerCalibration(calibration(100));
    await load([stationStandIn(station), register], nodes({}));
    await judge(0.1, 'accept');
    await (await station.journal()).close();
    const caught = nextMessage('caught');
    await judge(0.1, 'accept');
    assert.equal(codeOf(await caught), 'JOURNAL_CLOSED');
  });

  it('is not there for the dialog before it is deployed', async () => {
    await load([stationStandIn(station), register], nodes({}));
    assert.equal((await ask('get', '/jidoka/gates/nobody')).status, 404);
    assert.equal((await panel()).recent.length, 0);
  });
});
