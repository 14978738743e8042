/** The alarms of a station over HTTP. */
import assert from 'node:assert/strict';
import { ask, loadPlcFlow, type PlcFlow } from '../support/plc-flow.ts';

const PATH = '/jidoka/stations/station/alarms';
const SCORE = { id: 'score', name: '<img src=x onerror=alert(1)>' };
const KEY = 'DRIFT:score';
const reason = 'lens is being cleaned';
const of = (verb: string, key = KEY): string => `${PATH}/${encodeURIComponent(key)}/${verb}`;

interface Row {
  key: string;
  state: string;
  title: string;
  action: string;
  source: { name: string };
}

describe('the alarms of a station, over HTTP', () => {
  let flow: PlcFlow;
  beforeEach(async () => {
    flow = await loadPlcFlow({ protocol: 'modbus', host: '127.0.0.1', port: '1' });
    flow.station.alarms.raise({ code: 'DRIFT', message: 'the scores creep', source: SCORE });
  });
  afterEach(() => flow.remove());

  async function row(language = ''): Promise<Row | undefined> {
    const { body } = await ask('get', `${PATH}${language}`, {}, undefined, { 'accept-language': 'en-GB,en' });
    return (body['alarms'] as Row[]).find(({ key }) => key === KEY);
  }

  it('are listed with what they mean and what to do, in the language asked for', async () => {
    const english = await row();
    assert.deepEqual([english?.state, english?.title], ['unacknowledged', 'Parts no longer look as taught']);
    assert.equal(english?.source.name, SCORE.name);
    assert.match(english.action, /reset the station/);
    assert.match(String((await row('?language=de-AT'))?.title), /angelernt/);
    assert.equal((await row('?language=fr'))?.title, english.title);
    assert.equal((await ask('get', '/jidoka/stations/nowhere/alarms')).status, 404);
  });

  it('are counted where stations are listed', async () => {
    const { body } = await ask('get', '/jidoka/stations');
    const [{ alarms }] = body as unknown as [{ alarms: Record<string, unknown> }];
    assert.deepEqual([alarms['unacknowledged'], alarms['active'], alarms['worst']], [1, 1, 'high']);
  });

  it('are acknowledged, put aside and shown again by a person, who is in the history with the reason', async () => {
    const seen = await ask('post', of('acknowledge'), {}, 'anna');
    assert.deepEqual([seen.status, seen.body['state'], seen.body['key']], [200, 'acknowledged', KEY]);
    const shelved = await ask('post', of('shelve'), { minutes: 15, reason }, 'anna');
    assert.deepEqual([shelved.status, shelved.body['state']], [200, 'shelved']);
    assert.equal((await row())?.state, 'shelved');
    assert.equal((await ask('post', of('unshelve'), {}, 'bob')).body['state'], 'unacknowledged');
    const out = await ask('post', of('remove-from-service'), { reason }, 'ines');
    assert.equal(out.body['state'], 'out-of-service');
    assert.equal((await ask('post', of('return-to-service'), {}, 'ines')).body['state'], 'unacknowledged');
    await flow.station.arm({ actor: 'anna', reason: 'shift start' });
    await flow.station.alarms.close();
    const { body } = await ask('get', `${PATH}/history?limit=20`);
    const history = body as unknown as { type: string; actor: string; reason?: string }[];
    assert.deepEqual(
      history.map((record) => `${record.type} ${record.actor} ${record.reason ?? ''}`.trim()),
      [
        'alarm.raised system',
        'alarm.acknowledged anna',
        `alarm.shelved anna ${reason}`,
        'alarm.unshelved bob',
        `alarm.out-of-service ines ${reason}`,
        'alarm.in-service ines',
      ],
    );
    const { body: newest } = await ask('get', `${PATH}/history?limit=2`);
    assert.equal((newest as unknown as unknown[]).length, 2);
  });

  it('that latch are reset by a person, and not while their cause stands', async () => {
    const key = 'JOURNAL_UNAVAILABLE:station';
    flow.station.alarms.raise({ code: 'JOURNAL_UNAVAILABLE', message: 'no space left on device' });
    const early = await ask('post', of('reset', key), { reason }, 'anna');
    assert.deepEqual([early.status, early.body['code']], [409, 'ALARM_STATE']);
  });

  for (const verb of [
    'acknowledge',
    'reset',
    'shelve',
    'unshelve',
    'remove-from-service',
    'return-to-service',
  ]) {
    it(`refuse to ${verb} for somebody who is not signed in`, async () => {
      const body = verb === 'shelve' ? { reason, minutes: 5 } : { reason };
      const answer = await ask('post', of(verb), body);
      assert.deepEqual([answer.status, answer.body['code']], [403, 'SIGN_IN_REQUIRED']);
      assert.equal((await row())?.state, 'unacknowledged');
    });
  }

  it('refuse what is not there, has no reason or lasts too long, and stay as they are', async () => {
    const refused: [string, object, number, string][] = [
      [of('acknowledge', 'DRIFT:other'), {}, 404, 'NOT_FOUND'],
      [of('acknowledge', '../x'), {}, 404, 'NOT_FOUND'],
      [of('shelve'), { minutes: 15 }, 400, 'BAD_REQUEST'],
      [of('shelve'), { minutes: 15, reason: 'ok' }, 400, 'BAD_REQUEST'],
      [of('shelve'), { minutes: '15', reason }, 400, 'BAD_REQUEST'],
      [of('shelve'), { minutes: 15, reason, actor: 'eve' }, 400, 'BAD_REQUEST'],
      [of('shelve'), { minutes: 61, reason }, 409, 'SHELVE_TOO_LONG'],
      [of('unshelve'), {}, 409, 'ALARM_STATE'],
      [of('remove-from-service'), {}, 400, 'BAD_REQUEST'],
    ];
    for (const [path, body, status, code] of refused) {
      const answer = await ask('post', path, body, 'anna');
      assert.deepEqual([answer.status, answer.body['code']], [status, code], path);
    }
    assert.equal((await row())?.state, 'unacknowledged');
  });
});
