import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ask, loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';

const reason = 'shift start';

describe('inspection-station', () => {
  let flow: PlcFlow;
  beforeEach(async () => {
    flow = await loadPlcFlow({ protocol: 'modbus', host: '127.0.0.1', port: '1' });
  });
  afterEach(() => flow.remove());

  const arming = async (): Promise<unknown> => {
    const { body } = await ask('get', '/jidoka/stations/station');
    return (body['arming'] as { state: unknown }).state;
  };

  it('keeps its journal in a folder of the user folder named after it', async () => {
    await flow.station.journal();
    assert.equal(flow.station.folder, join(flow.folder, 'jidoka', 'press-4'));
    assert.ok(existsSync(flow.station.folder));
  });

  it('is listed, and found by id and by name', async () => {
    const { body } = await ask('get', '/jidoka/stations');
    assert.deepEqual(
      (body as unknown as { name: string }[]).map(({ name }) => name),
      ['Press 4'],
    );
    for (const id of ['station', 'Press%204']) {
      const { body: details } = await ask('get', `/jidoka/stations/${id}`);
      assert.equal(details['line'], 'L2');
      assert.equal((details['counts'] as { parts: number }).parts, 0);
    }
    assert.equal((await ask('get', '/jidoka/stations/nowhere')).status, 404);
  });

  it('shows the parts it has on record, no more than asked for', async () => {
    const journal = await flow.station.journal();
    for (let part = 0; part < 3; part += 1) await journal.recordPart(await flow.station.nextPart());
    const { body } = await ask('get', '/jidoka/stations/station/parts?limit=2');
    assert.equal((body as unknown as unknown[]).length, 2);
  });

  for (const verb of [
    'arm',
    'disarm',
    'trip',
    'reset',
    'release',
    'tolerance',
    'commands/c1/confirm',
    'gates/g1/settings',
  ]) {
    it(`refuses to ${verb} for somebody who is not signed in`, async () => {
      const body = verb === 'tolerance' ? { reason, threshold: 3 } : { reason };
      const answer = await ask('post', `/jidoka/stations/station/${verb}`, body);
      assert.deepEqual([answer.status, answer.body['code']], [403, 'SIGN_IN_REQUIRED']);
      assert.equal(flow.station.arming().state, 'DISARMED');
    });
  }

  it('is armed and disarmed by a signed-in person with a reason, who is in the ledger', async () => {
    assert.equal(await arming(), 'DISARMED');
    const answer = await ask('post', '/jidoka/stations/station/arm', { reason, leaseMs: 60_000 }, 'anna');
    assert.deepEqual([answer.status, answer.body['state'], answer.body['actor']], [200, 'ARMED', 'anna']);
    assert.equal(await arming(), 'ARMED');
    await ask('post', '/jidoka/stations/station/disarm', { reason: 'end of shift' }, 'bob');
    assert.equal(await arming(), 'DISARMED');
    const ledger = await (await flow.station.journal()).ledger();
    assert.deepEqual(ledger.map(({ type, actor }) => `${type} ${actor}`).sort(), [
      'station.arm anna',
      'station.disarm bob',
    ]);
  });

  it('asks for a reason that says something', async () => {
    for (const body of [
      {},
      { reason: '' },
      { reason: 'ok' },
      { reason: 'x'.repeat(201) },
      { reason, actor: 'eve' },
    ]) {
      const answer = await ask('post', '/jidoka/stations/station/arm', body, 'anna');
      assert.deepEqual([answer.status, answer.body['code']], [400, 'BAD_REQUEST']);
    }
    assert.equal(await arming(), 'DISARMED');
  });

  describe('labels', () => {
    const label = (partId: string, body: object, actor?: string) =>
      ask('post', `/jidoka/stations/station/parts/${partId}/label`, body, actor);
    const truth = 'good';

    beforeEach(async () => {
      const journal = await flow.station.journal();
      for (const id of ['a', 'b']) {
        const part = await flow.station.nextPart({ id });
        const verdict = {
          decision: 'review',
          score: 2,
          threshold: 3,
          reason: 'review-band',
          mode: 'NORMAL',
          calibration: 'fixed',
        } as const;
        await journal.recordPart({ ...part, verdict });
      }
    });

    it('takes what a signed-in person found, and takes the part off the list', async () => {
      const heard: string[] = [];
      flow.station.onLabel(({ partId, truth: found }) => heard.push(`${partId} ${found}`));
      const answer = await label('a', { truth, reason }, 'mara');
      assert.deepEqual(
        [answer.status, answer.body['partId'], answer.body['truth'], answer.body['actor']],
        [200, 'a', 'good', 'mara'],
      );
      assert.deepEqual(heard, ['a good']);
      const { body } = await ask('get', '/jidoka/stations/station/parts?decision=review&unlabelled=true');
      const ids = (body as unknown as { inspection: { part: { id: string } } }[]).map(
        ({ inspection }) => inspection.part.id,
      );
      assert.deepEqual(ids, ['b']);
    });

    it('refuses nobody, an unknown part and an unknown truth, and tells no listener', async () => {
      flow.station.onLabel(() => assert.fail('nothing was labelled'));
      assert.equal((await label('a', { truth, reason })).status, 403);
      assert.equal((await label('nobody', { truth, reason }, 'mara')).status, 404);
      assert.equal((await label('a', { truth: 'maybe', reason }, 'mara')).status, 400);
      assert.equal((await label('a', { truth }, 'mara')).status, 400);
      assert.equal((await ask('get', '/jidoka/stations/station/parts?decision=perhaps')).status, 400);
    });
  });

  it('stays tripped until a person resets it', async () => {
    flow.station.trip({ code: 'X', message: 'y' });
    const refused = await ask('post', '/jidoka/stations/station/arm', { reason }, 'anna');
    assert.deepEqual([refused.status, refused.body['code']], [409, 'ARM_REFUSED']);
    await ask('post', '/jidoka/stations/station/reset', { reason }, 'anna');
    assert.equal(await arming(), 'DISARMED');
  });

  it('refuses settings of a gate that is not there, and settings no gate has', async () => {
    const path = '/jidoka/stations/station/gates/nobody/settings';
    assert.equal((await ask('post', path, { reason, alphaPercent: 4 }, 'anna')).status, 404);
    assert.equal((await ask('post', path, { reason, threshold: 4 }, 'anna')).status, 400);
  });

  it('refuses a tolerance where no gate takes one', async () => {
    const body = { reason, threshold: 3 };
    assert.equal((await ask('post', '/jidoka/stations/station/tolerance', body, 'anna')).status, 404);
  });
});
