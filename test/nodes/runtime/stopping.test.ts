import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import registerCamera from '../../../nodes/camera-capture/camera-capture.ts';
import registerInfer from '../../../nodes/onnx-infer-gpu/onnx-infer-gpu.ts';
import { beforeFlowsStop } from '../../../nodes/runtime/stopping.ts';
import type { NodeAPI } from '../../../nodes/runtime/types.ts';
import { load, unload } from '../../support/helper.ts';

const apiWith = (events: EventEmitter): NodeAPI => ({ events }) as unknown as NodeAPI;

describe('what ends before flows stop', () => {
  it('is heard of by one listener, however often and for how many types it is registered', async () => {
    let events: NodeAPI['events'] | undefined;
    const counts: (number | undefined)[] = [];
    for (let time = 0; time < 3; time += 1) {
      await load([(RED: NodeAPI) => void (events = RED.events), registerCamera, registerInfer], []);
      counts.push(events?.listenerCount('flows:stopping'));
      await unload();
    }
    assert.deepEqual(counts, [counts[0], counts[0], counts[0]]);
    assert.equal(counts[0], 1);
  });

  it('is done for each name, the newest of it', () => {
    const events = new EventEmitter();
    const done: string[] = [];
    const doing = (what: string) => (): Promise<void> => Promise.resolve(void done.push(what));
    for (const [name, what] of [
      ['trials', 'old trials'],
      ['previews', 'previews'],
      ['trials', 'new trials'],
    ] as const) {
      beforeFlowsStop(apiWith(events), name, doing(what));
    }
    events.emit('flows:stopping');
    assert.deepEqual(done.sort(), ['new trials', 'previews']);
  });
});
