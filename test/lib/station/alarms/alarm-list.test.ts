import assert from 'node:assert/strict';
import { AlarmList } from '../../../../lib/station/alarms/alarm-list.ts';
import type { AlarmView } from '../../../../lib/station/alarms/types.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { MemoryJournal } from '../../../support/memory-journal.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const STATION = { id: 'n1', name: 'press-4' };
const CAMERA = { id: 'cam', name: 'Top camera' };
const anna = { actor: 'anna', reason: 'seen it' };
const LOST = 'CAMERA_LOST:cam';
const UNWELL = { code: 'CAMERA_UNWELL', message: 'blurred', source: CAMERA } as const;

describe('the alarms of a station', () => {
  let clock: FakeClock;
  let journal: MemoryJournal;
  let list: AlarmList;

  const made = (): AlarmList =>
    new AlarmList({ station: STATION, clock, journal: () => Promise.resolve(journal) });
  const settled = (): Promise<void> => list.close();
  const pass = (ms: number, wallMs?: number): void => {
    clock.advance(ms, wallMs);
    list.tick();
  };
  const only = (): AlarmView => {
    const views = list.views();
    assert.equal(views.length, 1, JSON.stringify(views));
    return views[0] as AlarmView;
  };
  const states = (): string[] => list.views().map(({ code, state }) => `${code} ${state}`);
  const loseCamera = (): void => {
    list.raise({ code: 'CAMERA_LOST', message: 'no route to host', source: CAMERA });
    pass(2 * SECOND);
  };
  const recorded = async (): Promise<string[]> => {
    await settled();
    return journal.entries.map(({ type, actor }) => `${type} ${actor}`);
  };

  beforeEach(() => {
    clock = new FakeClock();
    journal = new MemoryJournal();
    list = made();
  });

  it('are none at first', () => {
    assert.deepEqual(list.views(), []);
    assert.deepEqual(list.summary(), {
      ...{ unacknowledged: 0, active: 0, shelved: 0, worst: null },
      ...{ inFlood: 0, lastHour: 0, hourlyBudget: 12 },
    });
  });

  it('say what is so, where, since when and how urgent it is', () => {
    loseCamera();
    const { key, state, priority, message, source, active, raisedAt, count } = only();
    assert.deepEqual(
      { key, state, priority, message, source, active, count },
      {
        ...{ key: LOST, state: 'unacknowledged', priority: 'high', message: 'no route to host' },
        ...{ source: CAMERA, active: true, count: 1 },
      },
    );
    assert.equal(raisedAt, new Date(clock.wallNow()).toISOString());
    assert.deepEqual([list.summary().unacknowledged, list.summary().worst], [1, 'high']);
  });

  it('are seen, and gone once their cause is gone; each step is in the ledger with who', async () => {
    loseCamera();
    assert.deepEqual(list.acknowledge(LOST, anna).acknowledged?.actor, 'anna');
    assert.equal(only().state, 'acknowledged');
    list.clear('CAMERA_LOST', CAMERA);
    pass(5 * SECOND);
    assert.deepEqual(list.views(), []);
    assert.deepEqual(await recorded(), [
      'alarm.raised system',
      'alarm.acknowledged anna',
      'alarm.cleared system',
    ]);
    assert.deepEqual(journal.entries[0]?.detail, {
      ...{ key: LOST, code: 'CAMERA_LOST', priority: 'high', source: 'Top camera', sourceId: 'cam' },
      ...{ message: 'no route to host', count: 1, state: 'unacknowledged' },
    });
    assert.equal(journal.entries[0].object, 'press-4');
  });

  it('stay until a person has seen that they were there', () => {
    loseCamera();
    list.clear('CAMERA_LOST', CAMERA);
    pass(5 * SECOND);
    assert.equal(only().state, 'returned');
    assert.deepEqual([list.summary().unacknowledged, list.summary().active], [1, 0]);
    list.acknowledge(LOST, anna);
    assert.deepEqual(list.views(), []);
    assert.throws(() => list.acknowledge(LOST, anna), { code: 'NOT_FOUND' });
  });

  it('are one when their cause chatters, and none when it passes at once', async () => {
    list.raise({ code: 'CAMERA_LOST', message: 'a blink', source: CAMERA });
    pass(SECOND);
    list.clear('CAMERA_LOST', CAMERA);
    pass(MINUTE);
    assert.deepEqual(list.views(), []);
    loseCamera();
    for (let blink = 0; blink < 50; blink += 1) {
      list.clear('CAMERA_LOST', CAMERA);
      pass(2 * SECOND);
      list.raise({ code: 'CAMERA_LOST', message: 'again', source: CAMERA });
      pass(SECOND);
    }
    assert.equal(only().state, 'unacknowledged');
    assert.deepEqual(await recorded(), ['alarm.raised system']);
  });

  it('ask to be seen anew when their cause comes back', () => {
    loseCamera();
    list.acknowledge(LOST, anna);
    list.clear('CAMERA_LOST', CAMERA);
    pass(5 * SECOND);
    loseCamera();
    const { state, acknowledged } = only();
    assert.deepEqual([state, acknowledged], ['unacknowledged', null]);
  });

  it('that only happen wait to be seen; a thousand of them are one with a count, and few records', async () => {
    for (let time = 0; time < 1000; time += 1) {
      list.raise({
        code: 'COMMAND_UNKNOWN',
        message: `command ${time}`,
        source: { id: 'w', name: 'Reject gate' },
      });
    }
    const { state, count, message, active } = only();
    assert.deepEqual([state, count, message, active], ['returned', 1000, 'command 999', false]);
    pass(SECOND);
    await settled();
    assert.deepEqual(
      journal.entries.map(({ type, detail }) => [type, detail?.['count']]),
      [
        ['alarm.raised', 1],
        ['alarm.raised', 1000],
      ],
    );
    list.acknowledge('COMMAND_UNKNOWN:w', anna);
    assert.deepEqual(list.views(), []);
  });

  describe('that latch', () => {
    const key = 'JOURNAL_UNAVAILABLE:n1';

    it('stay when the cause is gone, until a person resets them', async () => {
      list.raise({ code: 'JOURNAL_UNAVAILABLE', message: 'no space left on device' });
      assert.throws(() => list.reset(key, anna), { code: 'ALARM_STATE' });
      list.clear('JOURNAL_UNAVAILABLE');
      pass(MINUTE);
      assert.deepEqual([only().state, only().active], ['latched', false]);
      list.acknowledge(key, anna);
      assert.equal(only().state, 'latched-acknowledged');
      list.reset(key, anna);
      assert.deepEqual(list.views(), []);
      assert.equal((await recorded()).at(-1), 'alarm.reset anna');
    });
  });

  describe('that are shelved', () => {
    const shelve = (minutes: number, code = LOST): Promise<AlarmView> =>
      list.shelve(code, { minutes, ...anna });

    it('go on unseen, and come back when the time is over', async () => {
      loseCamera();
      const { state, hidden } = await shelve(30);
      assert.equal(state, 'shelved');
      assert.deepEqual([hidden?.actor, hidden?.reason, hidden?.leftMs], ['anna', 'seen it', 30 * MINUTE]);
      assert.deepEqual([list.summary().unacknowledged, list.summary().shelved], [0, 1]);
      pass(30 * MINUTE - 1);
      assert.equal(only().state, 'shelved');
      pass(1);
      assert.deepEqual([only().state, only().hidden], ['unacknowledged', null]);
      assert.deepEqual(await recorded(), [
        'alarm.raised system',
        'alarm.shelved anna',
        'alarm.unshelved system',
      ]);
    });

    it('are gone with the time where the cause is gone meanwhile', async () => {
      loseCamera();
      await shelve(30);
      list.clear('CAMERA_LOST', CAMERA);
      pass(5 * SECOND);
      assert.deepEqual([only().state, only().active], ['shelved', false]);
      pass(30 * MINUTE);
      assert.deepEqual(list.views(), []);
    });

    it('can be shown again before', async () => {
      loseCamera();
      await shelve(30);
      list.unshelve(LOST, anna);
      assert.equal(only().state, 'unacknowledged');
      assert.throws(() => list.unshelve(LOST, anna), { code: 'ALARM_STATE' });
    });

    it('are so for no longer than their urgency allows, and not at all without a record', async () => {
      loseCamera();
      for (const minutes of [0, -1, 61, NaN, Infinity]) {
        await assert.rejects(shelve(minutes), { code: 'SHELVE_TOO_LONG' }, String(minutes));
      }
      await assert.rejects(shelve(30, 'DRIFT:n1'), { code: 'NOT_FOUND' });
      await settled();
      journal.failure = new Error('disk full');
      await assert.rejects(shelve(30), { code: 'ALARM_UNRECORDED' });
      assert.equal(only().state, 'unacknowledged');
    });

    it('cannot be shelved twice, nor be acknowledged', async () => {
      loseCamera();
      await shelve(30);
      await assert.rejects(shelve(30), { code: 'ALARM_STATE' });
      assert.throws(() => list.acknowledge(LOST, anna), { code: 'ALARM_STATE' });
    });
  });

  it('are out of service until somebody puts them back', async () => {
    loseCamera();
    await list.removeFromService(LOST, { actor: 'ines', reason: 'camera is being replaced' });
    pass(24 * 60 * MINUTE);
    assert.equal(only().state, 'out-of-service');
    await assert.rejects(list.shelve(LOST, { minutes: 5, ...anna }), { code: 'ALARM_STATE' });
    list.returnToService(LOST, anna);
    assert.equal(only().state, 'unacknowledged');
    assert.throws(() => list.returnToService(LOST, anna), { code: 'ALARM_STATE' });
  });

  describe('that another one explains', () => {
    it('are not shown beside it, and come back when it is gone and they are not', async () => {
      list.raise({ ...UNWELL });
      loseCamera();
      assert.deepEqual(states(), ['CAMERA_LOST unacknowledged', 'CAMERA_UNWELL suppressed']);
      assert.equal(list.views()[1]?.hidden?.reason, 'Camera lost: no route to host');
      assert.equal(list.summary().unacknowledged, 1);
      list.acknowledge(LOST, anna);
      list.clear('CAMERA_LOST', CAMERA);
      pass(5 * SECOND);
      assert.deepEqual(states(), ['CAMERA_UNWELL unacknowledged']);
      assert.ok((await recorded()).includes('alarm.suppressed system'));
    });

    it('are those of the same source, or of what depends on it', () => {
      const output = { id: 'w', name: 'Reject gate', within: 'plc' };
      list.raise({ code: 'PLC_LINK_DOWN', message: 'timeout', source: { id: 'plc', name: 'PLC 4' } });
      pass(2 * SECOND);
      list.raise({
        code: 'HEARTBEAT_LOST',
        message: 'none for 3 s',
        source: { ...output, id: 'other', within: 'plc-5' },
      });
      list.raise({ code: 'HEARTBEAT_LOST', message: 'none for 3 s', source: output });
      assert.deepEqual(states(), [
        'PLC_LINK_DOWN unacknowledged',
        'HEARTBEAT_LOST unacknowledged',
        'HEARTBEAT_LOST suppressed',
      ]);
    });

    it('pass unseen when they are over at once, and are on record', async () => {
      list.raise({ code: 'PLC_LINK_DOWN', message: 'timeout', source: { id: 'plc', name: 'PLC 4' } });
      pass(2 * SECOND);
      list.raise({
        code: 'COMMAND_UNKNOWN',
        message: 'no answer',
        source: { id: 'w', name: 'Gate', within: 'plc' },
      });
      assert.deepEqual(states(), ['PLC_LINK_DOWN unacknowledged']);
      await settled();
      const record = journal.entries.find(({ detail }) => detail?.['code'] === 'COMMAND_UNKNOWN');
      assert.deepEqual([record?.type, record?.reason], ['alarm.suppressed', 'PLC not reachable: timeout']);
    });

    it('are shown while the one that explains them is put aside', async () => {
      list.raise({ ...UNWELL });
      loseCamera();
      await list.shelve(LOST, { minutes: 5, ...anna });
      assert.deepEqual(states(), ['CAMERA_UNWELL unacknowledged', 'CAMERA_LOST shelved']);
    });
  });

  describe('in a flood', () => {
    const raise = (number: number): void =>
      list.raise({
        code: 'MODEL_MISSING',
        message: 'none',
        source: { id: `m${number}`, name: `Model ${number}` },
      });

    it('are told of as one, with a count; none is lost, and what is critical stands beside it', async () => {
      for (let number = 0; number < 10; number += 1) raise(number);
      assert.equal(list.summary().inFlood, 0);
      raise(10);
      raise(11);
      list.raise({ code: 'TRIPPED', message: 'CLAMPED' });
      const views = list.views();
      assert.deepEqual(
        views.filter(({ inFlood }) => !inFlood).map(({ code }) => code),
        ['TRIPPED', 'ALARM_FLOOD'],
      );
      assert.equal(list.summary().inFlood, 12);
      assert.equal(list.summary().lastHour, 13);
      await settled();
      const raised = journal.entries.filter(({ detail }) => detail?.['code'] === 'MODEL_MISSING');
      assert.equal(raised.length, 12);
    });

    it('are shown one by one again when it is over', () => {
      for (let number = 0; number < 12; number += 1) raise(number);
      pass(10 * MINUTE);
      assert.equal(list.summary().inFlood, 0);
      const flood = list.views().find(({ code }) => code === 'ALARM_FLOOD');
      assert.equal(flood?.state, 'returned');
    });
  });

  describe('after a restart', () => {
    const restart = async (): Promise<void> => {
      await settled();
      list = made();
      list.restore(structuredClone(journal.values.get(list.recordKey)));
    };

    it('are what they were, in doubt until their cause is seen again or said to be gone', async () => {
      loseCamera();
      list.acknowledge(LOST, anna);
      await restart();
      assert.deepEqual([only().state, only().active], ['latched-acknowledged', null]);
      list.raise({ code: 'CAMERA_LOST', message: 'still', source: CAMERA });
      assert.deepEqual(
        [only().state, only().active, only().acknowledged?.actor],
        ['acknowledged', true, 'anna'],
      );
      await restart();
      list.clear('CAMERA_LOST', CAMERA);
      assert.deepEqual(list.views(), []);
    });

    it('can be reset by a person where nobody is left who could say that the cause is gone', async () => {
      loseCamera();
      await restart();
      await restart();
      list.acknowledge(LOST, anna);
      list.reset(LOST, anna);
      assert.deepEqual(list.views(), []);
    });

    it('are shelved for as long as they were to be, and never longer, whatever the clocks did', async () => {
      loseCamera();
      await list.shelve(LOST, { minutes: 30, ...anna });
      await settled();
      clock.advance(0, 10 * MINUTE);
      await restart();
      assert.equal(only().hidden?.leftMs, 20 * MINUTE);
      clock.advance(0, -1000 * MINUTE);
      list = made();
      list.restore(journal.values.get(list.recordKey));
      assert.equal(only().hidden?.leftMs, 60 * MINUTE);
    });

    it('are joined with what has happened before the journal was open', async () => {
      loseCamera();
      list.acknowledge(LOST, anna);
      await settled();
      const kept = structuredClone(journal.values.get(list.recordKey));
      list = made();
      loseCamera();
      list.raise({ code: 'DRIFT', message: 'the scores creep' });
      list.restore(kept);
      assert.deepEqual(states(), ['DRIFT unacknowledged', 'CAMERA_LOST acknowledged']);
    });

    it('are known to stand where that was said before the journal was open, but not for long', async () => {
      loseCamera();
      list.acknowledge(LOST, anna);
      await settled();
      const kept = structuredClone(journal.values.get(list.recordKey));
      list = made();
      list.raise({ code: 'CAMERA_LOST', message: 'still', source: CAMERA });
      list.restore(kept);
      assert.deepEqual([only().state, only().active], ['acknowledged', true]);
    });

    it('are none where what was kept cannot be read', () => {
      const alarm = { key: LOST, code: 'CAMERA_LOST', source: CAMERA, message: 'x', state: 'acknowledged' };
      const rest = {
        condition: 'active',
        count: 1,
        raisedAt: 1,
        changedAt: 1,
        acknowledged: null,
        hidden: null,
      };
      for (const kept of [undefined, null, 7, 'x', {}, { alarms: 'x' }, { alarms: [null, 7, {}, alarm] }]) {
        list.restore(kept);
        assert.deepEqual(list.views(), []);
      }
      for (const wrong of [
        { state: 'off' },
        { condition: 1 },
        { count: NaN },
        { key: 'x' },
        { source: {} },
        { hidden: {} },
      ]) {
        list.restore({ alarms: [{ ...alarm, ...rest, ...wrong }] });
        assert.deepEqual(list.views(), [], JSON.stringify(wrong));
      }
      list.restore({ alarms: [{ ...alarm, ...rest }] });
      assert.equal(list.views().length, 1);
    });
  });

  it('are never in the way: a journal that fails is written to later, in order', async () => {
    journal.failure = new Error('disk full');
    loseCamera();
    list.acknowledge(LOST, anna);
    await settled();
    assert.deepEqual([only().state, journal.entries.length], ['acknowledged', 0]);
    journal.failure = undefined;
    pass(SECOND);
    assert.deepEqual(await recorded(), ['alarm.raised system', 'alarm.acknowledged anna']);
    assert.ok(journal.values.has(list.recordKey));
  });
});
