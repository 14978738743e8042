import assert from 'node:assert/strict';
import { ModelBadge } from '../../nodes/onnx-infer-gpu/model-badge.ts';

describe('the badge of a model', () => {
  let shown: string;
  const status = {
    show: (look: string, key: string, parameters?: Record<string, string | number>) => {
      shown = [look, key, ...Object.values(parameters ?? {})].join(' ');
    },
    fail: (code: string) => (shown = `failed ${code}`),
  };
  const badge = (...providers: string[]): ModelBadge => new ModelBadge(status, providers);
  const cpu = { provider: 'cpu', warmMs: 6.123 };

  it('says which provider runs the model, and how fast', () => {
    const one = badge('cpu');
    one.loading();
    assert.equal(shown, 'connecting loading');
    one.ready(cpu);
    assert.equal(shown, 'ready provider cpu 6.12');
  });

  it('is degraded where another provider was asked for first, but not where the fastest was', () => {
    badge('cuda', 'cpu').ready(cpu);
    assert.equal(shown, 'degraded provider cpu 6.12');
    badge('auto').ready({ provider: 'webgpu', warmMs: 1 });
    assert.equal(shown, 'ready provider webgpu 1.00');
  });

  it('counts the frames that gave way, in few letters', () => {
    const one = badge('cpu');
    for (let frame = 0; frame < 12; frame += 1) one.dropped(cpu);
    assert.equal(shown, 'ready dropping cpu 6.12 12');
    for (let frame = 0; frame < 1222; frame += 1) one.dropped(cpu);
    assert.equal(shown, 'ready dropping cpu 6.12 1k');
  });

  it('shows a code until a result comes, and not that frames gave way meanwhile', () => {
    const one = badge('cpu');
    one.failed('NO_RESULT');
    one.dropped(cpu);
    assert.equal(shown, 'failed NO_RESULT');
    one.succeeded(cpu);
    assert.equal(shown, 'ready dropping cpu 6.12 1');
  });

  it('names the model that was swapped in, until its first result', () => {
    const one = badge('cpu');
    one.swapped('4.2');
    assert.equal(shown, 'ready swapped 4.2');
    one.succeeded(cpu);
    assert.equal(shown, 'ready provider cpu 6.12');
  });

  it('says no more that a model was refused once the file holds the one that serves', () => {
    const one = badge('cpu');
    one.kept('MODEL_INVALID', cpu);
    one.restored(cpu);
    assert.equal(shown, 'ready provider cpu 6.12');
    one.failed('NO_RESULT');
    one.restored(cpu);
    assert.equal(shown, 'failed NO_RESULT');
  });

  it('says that the old model serves, as long as the new one is refused', () => {
    const one = badge('cpu');
    one.kept('MODEL_INVALID', cpu);
    assert.equal(shown, 'degraded kept MODEL_INVALID');
    one.failed('NO_RESULT');
    one.succeeded(cpu);
    assert.equal(shown, 'degraded kept MODEL_INVALID');
    one.swapped('5');
    one.succeeded(cpu);
    assert.equal(shown, 'ready provider cpu 6.12');
  });
});
