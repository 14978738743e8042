import assert from 'node:assert/strict';
import { CaptureError } from '../../lib/capture/errors.ts';
import { CameraBadge } from '../../nodes/camera-capture/camera-badge.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('the badge of a camera', () => {
  let shown: string;
  let clock: FakeClock;
  const status = {
    show: (look: string, key: string, parameters?: Record<string, string | number>) => {
      shown = [look, key, ...Object.values(parameters ?? {})].join(' ');
    },
    fail: (code: string) => (shown = `failed ${code}`),
  };
  const badge = (isAsked = false): CameraBadge => new CameraBadge(status, isAsked, clock);

  beforeEach(() => {
    shown = '';
    clock = new FakeClock();
  });

  it('turns yellow while connecting, green when the camera is there, red when it is lost', () => {
    const one = badge();
    one.take({ kind: 'connecting' });
    assert.equal(shown, 'connecting connecting');
    one.take({ kind: 'ready' });
    assert.equal(shown, 'ready ready');
    one.take({ kind: 'lost', error: new CaptureError('CAMERA_LOST', 'away') });
    assert.equal(shown, 'failed CAMERA_LOST');
  });

  it('waits for a trigger where only that can tell whether the camera is there', () => {
    badge(true);
    assert.equal(shown, 'ready waiting');
  });

  it('goes on saying what is wrong with the picture while frames are dropped, and after a reconnect', () => {
    const one = badge();
    one.take({ kind: 'ready' });
    one.take({ kind: 'unwell', reasons: ['too-dark', 'blurred'] });
    assert.equal(shown, 'degraded too-dark');
    one.take({ kind: 'dropping', count: 3 });
    assert.equal(shown, 'degraded too-dark');
    one.take({ kind: 'lost', error: new CaptureError('CAMERA_LOST', 'away') });
    assert.equal(shown, 'failed CAMERA_LOST');
    one.take({ kind: 'ready' });
    assert.equal(shown, 'degraded too-dark');
    one.take({ kind: 'well' });
    assert.equal(shown, 'degraded skipped 3');
  });

  it('forgets dropped frames ten seconds after the last one', () => {
    const one = badge();
    one.take({ kind: 'ready' });
    one.take({ kind: 'dropping', count: 1 });
    clock.advance(9000);
    one.take({ kind: 'dropping', count: 2 });
    clock.advance(9000);
    assert.equal(shown, 'degraded skipped 2');
    clock.advance(1000);
    assert.equal(shown, 'ready ready');
  });
});
