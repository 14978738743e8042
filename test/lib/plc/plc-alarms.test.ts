import assert from 'node:assert/strict';
import { PlcAlarms } from '../../../lib/plc/plc-alarms.ts';
import { AlarmList } from '../../../lib/station/alarms/alarm-list.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemoryJournal } from '../../support/memory-journal.ts';

describe('the alarms of a PLC', () => {
  const source = { id: 'n-7', name: 'Line PLC' };
  let clock: FakeClock;
  let plc: PlcAlarms;

  beforeEach(() => {
    clock = new FakeClock();
    plc = new PlcAlarms(source);
  });

  function station(): { alarms: AlarmList; stand: () => string[] } {
    const journal = new MemoryJournal();
    const alarms = new AlarmList({
      station: { id: 's', name: 'press-4' },
      clock,
      journal: () => Promise.resolve(journal),
    });
    const stand = (): string[] => {
      // Longer than any of them has to stand, or to be gone, before it counts.
      for (let second = 0; second < 30; second += 1) {
        clock.advance(1000);
        alarms.tick();
      }
      return alarms
        .views()
        .filter(({ active, state }) => active !== false && state !== 'suppressed')
        .map(({ key }) => key);
    };
    return { alarms, stand };
  }

  it('say at every station that its link is down, and are gone when it is up', () => {
    const [early, late] = [station(), station()];
    plc.join(early);
    plc.link({ state: 'connecting' });
    assert.deepEqual(early.stand(), []);
    plc.link({ state: 'connecting', error: new Error('no route') });
    plc.join(late);
    assert.deepEqual([early.stand(), late.stand()], [['PLC_LINK_DOWN:n-7'], ['PLC_LINK_DOWN:n-7']]);
    plc.link({ state: 'up' });
    assert.deepEqual([early.stand(), late.stand()], [[], []]);
  });

  it('say that a heart does not beat as long as one of the two does not', () => {
    const one = station();
    plc.join(one);
    plc.heartLost({ code: 'HEARTBEAT_LOST', message: 'ours' });
    plc.heartLost({ code: 'PLC_STOPPED', message: 'its own' });
    plc.heartFound('HEARTBEAT_LOST');
    assert.deepEqual(one.stand(), ['HEARTBEAT_LOST:n-7']);
    plc.heartFound('PLC_STOPPED');
    assert.deepEqual(one.stand(), []);
  });

  it('leave with the station that does not use it any more', () => {
    const one = station();
    plc.join(one);
    plc.link({ state: 'failed', error: new Error('no sign-in') });
    plc.leave(one);
    assert.deepEqual(one.stand(), []);
  });

  it('tell of a command whose effect nobody knows', () => {
    const one = station();
    plc.unknownOutcome(one, 'RejectGate: no answer');
    assert.deepEqual(
      one.alarms.views().map(({ key, message }) => [key, message]),
      [['COMMAND_UNKNOWN:n-7', 'RejectGate: no answer']],
    );
  });
});
