import assert from 'node:assert/strict';
import { openInspection, type Inspection } from '../../lib/inspection/inspection.ts';
import type { Adjustable, Station } from '../../lib/station/types.ts';
import register from '../../nodes/tolerance-gate/tolerance-gate.ts';
import { person, testStation } from '../support/commands.ts';
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
      journal: () => Promise.resolve(journal),
      calibrationFor: (digest: string) =>
        digest === MODEL.digest
          ? { model: MODEL, goodScores: Array.from({ length: 60 }, (_, index) => index / 20) }
          : undefined,
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
    assert.deepEqual(values.get('gate:gate'), { threshold: 3.2, calibration: 'press-4@7' });

    const other = scored(1);
    if (other.anomaly) other.anomaly.model = { ...MODEL, digest: 'sha256:unknown' };
    node('gate').receive({ inspection: other });
    assert.equal((await nextMessage('review')).inspection?.verdict?.reason, 'not-calibrated');
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
