import assert from 'node:assert/strict';
import { sharesOf } from '../../../../lib/inference/graph/profile.ts';

const node = (provider: string, operator: string, ts: number, dur: number) => ({
  cat: 'Node',
  name: `${operator}_kernel_time`,
  ts,
  dur,
  args: { provider, op_name: operator },
});
const run = (ts: number) => ({ cat: 'Session', name: 'model_run', ts, dur: 100 });

describe('profile of a run', () => {
  it('adds up what each provider did of the last run, by operator', () => {
    const events = [
      run(0),
      node('CPUExecutionProvider', 'Conv', 10, 9000),
      run(1000),
      node('WebGpuExecutionProvider', 'Conv', 1010, 3000),
      node('WebGpuExecutionProvider', 'Conv', 1020, 1000),
      { cat: 'Node', name: 'Conv_fence_before', ts: 1015, dur: 0, args: { op_name: 'Conv' } },
      node('CPUExecutionProvider', 'NonZero', 1030, 500),
    ];
    assert.deepEqual(sharesOf(events), [
      { provider: 'webgpu', nodes: 2, ms: 4, operators: { Conv: 2 } },
      { provider: 'cpu', nodes: 1, ms: 0.5, operators: { NonZero: 1 } },
    ]);
  });

  it('names providers as they are asked for', () => {
    const names = ['Tensorrt', 'CUDA', 'Dml', 'CoreML', 'WebGpu', 'CPU'];
    const events = names.map((name, i) => node(`${name}ExecutionProvider`, 'Conv', i, 1));
    assert.deepEqual(
      sharesOf(events).map(({ provider }) => provider),
      ['tensorrt', 'cuda', 'dml', 'coreml', 'webgpu', 'cpu'],
    );
  });
});
