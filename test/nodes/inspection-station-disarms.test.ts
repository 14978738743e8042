/** What disarms a station: after each of them nothing reaches a real OPC UA server until a person has armed anew. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInspection } from '../../lib/inspection/inspection.ts';
import type { Adjustable } from '../../lib/station/types.ts';
import { disarmForDeployed } from '../../nodes/runtime/station.ts';
import { nextMessage, node } from '../support/helper.ts';
import { startOpcUaServer, type TestServer } from '../support/opcua-server.ts';
import { ask, linked, loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';

const reason = 'shift start';
const post = (verb: string, body: object = {}) =>
  ask('post', `/jidoka/stations/station/${verb}`, { reason, ...body }, 'anna');

const gate: Adjustable = {
  name: 'top',
  tolerance: () => ({ threshold: 3, min: 2, max: 5, calibration: 'fixed' }),
  setTolerance: () => Promise.resolve(),
  settings: {
    view: () => ({ version: 1, settings: {}, bounds: {} }),
    check: () => undefined,
    apply: () => Promise.resolve(),
  },
};

describe('a station that was armed', () => {
  let server: TestServer;
  let flow: PlcFlow;
  let folder: string;
  const undo: (() => void)[] = [];

  before(async () => {
    server = await startOpcUaServer();
  });
  after(() => server.stop());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-disarms-'));
    await start();
  });
  afterEach(async () => {
    for (const back of undo.splice(0)) back();
    await flow.remove();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    flow = await loadPlcFlow(
      { protocol: 'opcua', endpointUrl: server.url },
      { maxPerMinute: 600 },
      { folder: join(folder, 'press-4') },
    );
    flow.station.addAdjustable(gate);
    await linked();
  }

  async function restart(): Promise<void> {
    await flow.remove();
    await start();
  }

  function part(): void {
    node('write').receive({
      inspection: openInspection({ station: 'Press 4', sequence: 1, deadlineMs: 5000 }),
    });
  }

  function disarmed(): Promise<void> {
    return new Promise((resolve) => {
      const stop = flow.station.onChange(() => {
        if (flow.station.arming().state !== 'DISARMED') return;
        stop();
        resolve();
      });
    });
  }

  const triggers: Record<string, () => unknown> = {
    'a restart, which also starts it': restart,
    'the deploy of a node that acts or judges': () => disarmForDeployed('Divert part', flow.station),
    'another model': () =>
      flow.station.offerCalibration({
        model: { name: 'm', version: '2', digest: 'sha256:bb' },
        goodScores: [1],
      }),
    'another threshold': () => post('tolerance', { threshold: 4 }),
    'other settings of a gate': () => post('gates/top/settings', { alphaPercent: 4 }),
    'a step of the clock': async () => {
      const { now } = Date;
      undo.push(() => (Date.now = now));
      const done = disarmed();
      Date.now = () => now() + 2500;
      await done;
    },
    'a ledger that cannot be written': async () => {
      const journal = await flow.station.journal();
      const appendLedger = journal.appendLedger.bind(journal);
      const back = (): unknown => Object.assign(journal, { appendLedger });
      undo.push(back);
      Object.assign(journal, { appendLedger: () => Promise.reject(new Error('disk full')) });
      assert.equal((await post('arm')).status, 409);
      back();
    },
    'a signature that does not hold': () =>
      flow.station.standDown({ code: 'SIGNATURE_FAILED', message: 'the model is not what was signed' }),
    'the loss of the heartbeat': () =>
      flow.station.standDown({ code: 'HEARTBEAT_LOST', message: 'the PLC stopped counting' }),
    'a person': () => post('disarm'),
  };

  for (const [trigger, happens] of Object.entries(triggers)) {
    it(`is disarmed by ${trigger}, and writes nothing until it is armed anew`, async () => {
      await post('arm');
      server.writes.length = 0;
      part();
      assert.equal((await nextMessage('confirmed')).payload, 'confirmed');
      assert.equal(server.writes.length, 1);

      await happens();
      assert.equal(flow.station.arming().state, 'DISARMED');
      server.writes.length = 0;
      for (let time = 0; time < 3; time += 1) {
        part();
        const { inspection } = await nextMessage('otherwise');
        assert.deepEqual(
          [inspection?.command?.outcome, inspection?.command?.reason],
          ['refused', 'NOT_ARMED'],
        );
      }
      assert.deepEqual(server.writes, []);

      assert.equal((await post('arm')).body['state'], 'ARMED');
      part();
      assert.equal((await nextMessage('confirmed')).payload, 'confirmed');
      assert.equal(server.writes.length, 1);
    });
  }

  it('cannot be armed by any message of a flow', async () => {
    await post('disarm');
    server.writes.length = 0;
    const payload = { state: 'ARMED', actor: 'eve', reason: 'please', leaseMs: 1000 };
    for (const message of [{ topic: 'arm', payload }, { payload: 'arm' }, { arming: payload, ...payload }]) {
      for (const id of ['write', 'station', 'plc']) node(id).receive(message);
      part();
      assert.equal((await nextMessage('otherwise')).inspection?.command?.reason, 'NOT_ARMED');
    }
    assert.equal(flow.station.arming().state, 'DISARMED');
    assert.deepEqual(server.writes, []);
  });

  it('is tripped over a restart and writes nothing until it is reset and armed', async () => {
    await post('arm');
    flow.station.trip({ code: 'CLAMPED', message: 'a test' });
    const journal = await flow.station.journal();
    while ((await journal.getValue('station:Press 4:arming')) === undefined) await new Promise(setImmediate);
    await restart();
    server.writes.length = 0;
    assert.equal((await post('arm')).status, 409);
    part();
    assert.equal((await nextMessage('otherwise')).inspection?.command?.reason, 'NOT_ARMED');
    assert.deepEqual(server.writes, []);
    await post('reset');
    assert.equal((await post('arm')).body['state'], 'ARMED');
  });
});
