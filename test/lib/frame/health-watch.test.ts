import assert from 'node:assert/strict';
import { HealthWatch } from '../../../lib/frame/health-watch.ts';
import type { HealthReason } from '../../../lib/inspection/inspection.ts';

/** `.` is a good frame, `b` a blurred one, `f` a frozen one; the answer has `!` where the camera is bad. */
function states(watch: HealthWatch, frames: string): string {
  const findings: Record<string, HealthReason[]> = { '.': [], b: ['blurred'], f: ['frozen'] };
  return Array.from(frames)
    .map((frame) => (watch.observe(findings[frame] ?? []).state === 'bad' ? '!' : '.'))
    .join('');
}

describe('health watch', () => {
  it('calls a camera bad after three of five frames with the same finding', () => {
    assert.equal(states(new HealthWatch(), '.b.b.b'), '.....!');
    assert.equal(states(new HealthWatch(), 'b..b..b..b'), '..........');
    assert.equal(states(new HealthWatch(), 'bbb'), '..!');
  });

  it('does not add up different findings', () => {
    assert.equal(states(new HealthWatch(), 'bfbfb'), '....!');
    assert.equal(states(new HealthWatch(), 'bf.bf.bf.'), '.........');
  });

  it('calls it good again after three frames in a row without the finding', () => {
    assert.equal(states(new HealthWatch(), 'bbb..b...'), '..!!!!!!.');
  });

  it('says once that something changed, and why', () => {
    const watch = new HealthWatch({ trips: 2, of: 2 });
    assert.deepEqual(watch.observe(['blurred']), { state: 'good', changed: false, reasons: [] });
    assert.deepEqual(watch.observe(['blurred']), { state: 'bad', changed: true, reasons: ['blurred'] });
    assert.deepEqual(watch.observe(['blurred', 'frozen']), {
      state: 'bad',
      changed: false,
      reasons: ['blurred'],
    });
    assert.deepEqual(watch.observe(['frozen']), {
      state: 'bad',
      changed: true,
      reasons: ['blurred', 'frozen'],
    });
    assert.deepEqual(watch.observe(['frozen']), { state: 'bad', changed: true, reasons: ['frozen'] });
    watch.observe([]);
    assert.deepEqual(watch.observe([]), { state: 'good', changed: true, reasons: [] });
  });
});
