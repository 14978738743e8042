import assert from 'node:assert/strict';
import { GateSettings, type Settings, type SettingsBounds } from '../../../lib/gate/settings.ts';

const DEPLOYED: Settings = { alpha: 0.05, delta: 0.05, reviewsPerHour: 20 };
const BOUNDS: SettingsBounds = { alpha: [0.0001, 0.1], delta: [0.05, 0.05], reviewsPerHour: [0, 60] };
const mara = { actor: 'mara', reason: 'new coil' };

function again(before: GateSettings, deployed = DEPLOYED, bounds = BOUNDS): GateSettings {
  const settings = new GateSettings(deployed, bounds);
  settings.restore(JSON.parse(JSON.stringify(before.state())));
  return settings;
}

describe('the settings of a gate', () => {
  it('are changed within their bounds, with a version, a person and a reason', () => {
    const settings = new GateSettings(DEPLOYED, BOUNDS);
    assert.deepEqual([settings.version, settings.view.actor], [1, 'system']);
    settings.change({ alpha: 0.08, reviewsPerHour: 40 }, mara, new Date('2026-03-01T06:00:00Z'));
    const { version, settings: current, actor, reason, at } = settings.view;
    assert.deepEqual(current, { alpha: 0.08, delta: 0.05, reviewsPerHour: 40 });
    assert.deepEqual([version, actor, reason, at], [2, 'mara', 'new coil', '2026-03-01T06:00:00.000Z']);
  });

  for (const change of [
    { alpha: 0.2 },
    { alpha: 0 },
    { alpha: NaN },
    { delta: 0.01 },
    { reviewsPerHour: 61 },
  ]) {
    it(`are not changed by ${JSON.stringify(change)}`, () => {
      const settings = new GateSettings(DEPLOYED, BOUNDS);
      assert.throws(() => settings.change({ reviewsPerHour: 30, ...change }, mara), {
        code: 'TOLERANCE_OUT_OF_BOUNDS',
      });
      assert.deepEqual([settings.version, settings.settings], [1, DEPLOYED]);
    });
  }

  it('have no capacity where the review band is a fixed share', () => {
    const settings = new GateSettings({ ...DEPLOYED, reviewsPerHour: null }, BOUNDS);
    assert.throws(() => settings.check({ reviewsPerHour: 10 }), { code: 'TOLERANCE_OUT_OF_BOUNDS' });
  });

  it('outlive a restart', () => {
    const settings = new GateSettings(DEPLOYED, BOUNDS);
    settings.change({ alpha: 0.08 }, mara);
    assert.deepEqual(again(settings).view, settings.view);
  });

  it('do not outlive a deploy with other settings or closer bounds, and count on', () => {
    const settings = new GateSettings(DEPLOYED, BOUNDS);
    settings.change({ alpha: 0.08 }, mara);
    for (const made of [
      again(settings, { ...DEPLOYED, alpha: 0.02 }),
      again(settings, DEPLOYED, { ...BOUNDS, alpha: [0.0001, 0.06] }),
    ]) {
      assert.deepEqual([made.version, made.view.actor], [3, 'system']);
      assert.notEqual(made.settings.alpha, 0.08);
    }
  });

  it('forget what makes no sense', () => {
    for (const nonsense of [undefined, 3, { version: 'x' }]) {
      const settings = new GateSettings(DEPLOYED, BOUNDS);
      settings.restore(nonsense);
      assert.equal(settings.version, 1);
    }
  });
});
