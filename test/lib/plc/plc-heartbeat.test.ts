import assert from 'node:assert/strict';
import { PlcHeartbeat } from '../../../lib/plc/plc-heartbeat.ts';
import type { SeenListener } from '../../../lib/plc/transport.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('the heartbeat of the PLC', () => {
  let clock: FakeClock;
  let tell: SeenListener;
  let watched: boolean;
  let told: boolean[];
  let heartbeat: PlcHeartbeat;

  beforeEach(() => {
    clock = new FakeClock();
    told = [];
    heartbeat = new PlcHeartbeat({
      watch: {
        watch: (_tag, listener) => {
          tell = listener;
          watched = true;
          return () => (watched = false);
        },
      },
      tag: 'PlcHeartbeat',
      timeoutMs: 1500,
      onLost: (isLost) => told.push(isLost),
      clock,
    });
    heartbeat.start();
  });
  afterEach(() => {
    heartbeat.stop();
    assert.deepEqual([watched, clock.pending], [false, 0]);
  });

  const shows = (value: number, good = true): void =>
    tell({ value, good, status: good ? 'Good' : 'Bad', sourceAt: null });

  it('is there while the counter changes', () => {
    for (let count = 1; count < 10; count += 1) {
      shows(count);
      clock.advance(1000);
    }
    assert.deepEqual(told, []);
  });

  it('is lost once when the counter stands still, and back with its next change', () => {
    shows(7);
    clock.advance(10_000);
    assert.deepEqual(told, [true]);
    shows(8);
    assert.deepEqual(told, [true, false]);
    clock.advance(1501);
    assert.deepEqual(told, [true, false, true]);
  });

  it('is not what the link finds when it comes back, nor what the PLC doubts, nor an error', () => {
    shows(7);
    clock.advance(1501);
    tell(new Error('the link is lost'));
    shows(7);
    shows(8, false);
    assert.deepEqual(told, [true]);
  });

  it('is lost where it was never seen', () => {
    clock.advance(1500);
    assert.deepEqual(told, [true]);
  });
});
