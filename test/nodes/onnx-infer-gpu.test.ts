import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import helper from 'node-red-node-test-helper';
import { Frame } from '../../lib/frame/frame.ts';
import { acquireHost } from '../../lib/inference/host.ts';
import { openInspection } from '../../lib/inspection/inspection.ts';
import register from '../../nodes/onnx-infer-gpu/onnx-infer-gpu.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { codeOf, flowAround, load, nextMessage, node, unload } from '../support/helper.ts';
import { assertPlainMessage } from '../support/message-rule.ts';
import { isRunning } from '../lib/inference/fixtures.ts';
import { colourModel, slowModel, meanModel } from '../lib/inference/onnx.ts';

const CLASSIFY = {
  model: 'colour.onnx',
  task: 'classify',
  labels: 'red\ngreen\nblue\n',
  inputWidth: '16',
  inputHeight: '16',
  providers: ['cpu'],
};
const MEAN = { model: 'mean.onnx', task: 'raw', outputs: 'score', providers: ['cpu'] };

function flow(config: Record<string, unknown>): Parameters<typeof load>[1] {
  return flowAround({ id: 'infer', type: 'onnx-infer-gpu', ...config }, ['out']);
}

function colour(red: number, green: number, blue: number): Frame {
  const pixels = Buffer.from(Array.from({ length: 64 }, () => [red, green, blue]).flat());
  return new Frame(pixels, { width: 8, height: 8, format: 'rgb', source: 'test' });
}

/** The next badge of the node under test. */
async function nextStatus(): Promise<{ fill?: string; shape?: string; text?: string }> {
  const [call] = (await once(node('infer'), 'call:status')) as [{ args: [{ fill?: string; text?: string }] }];
  return call.args[0];
}

describe('onnx-infer-gpu', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-models-'));
    await writeFile(join(folder, 'colour.onnx'), colourModel());
    await writeFile(join(folder, 'mean.onnx'), meanModel());
    await writeFile(join(folder, 'slow.onnx'), slowModel());
    await writeFile(join(folder, 'text.onnx'), 'not a model');
    await symlink('/etc/passwd', join(folder, 'link.onnx'));
    helper.settings({ jidokaModelFolder: folder } as Parameters<typeof helper.settings>[0]);
  });
  after(async () => {
    helper.settings({});
    await rm(folder, { recursive: true });
  });
  afterEach(unload);

  it('puts the prediction on the payload and the model that made it into the envelope', async () => {
    await load([register], flow(CLASSIFY));
    const inspection = openInspection({ station: 'press 4', sequence: 1, deadlineMs: 1000 });
    node('infer').receive({ frame: colour(0, 255, 0), inspection, other: 'untouched' });
    const message = await nextMessage('out');
    assertPlainMessage(message);
    const { task, classes } = message.payload as { task: string; classes: { label: string }[] };
    assert.equal(task, 'classify');
    assert.equal(classes[0]?.label, 'green');
    const [entry] = message.inspection?.inference ?? [];
    assert.equal(entry?.provider, 'cpu');
    assert.equal(entry.model.name, 'colour');
    assert.match(entry.model.digest, /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual([entry.task, entry.count], ['classify', 3]);
    assert.equal(message.inspection?.part.id, inspection.part.id);
    assert.ok((message.inspection.timings['infer'] ?? 0) >= entry.ms);
    assert.equal(message['other'], 'untouched');
  });

  it('opens a part for a frame that comes without one, and adds to what other models said', async () => {
    await load([register], flow(MEAN));
    const said = {
      model: { name: 'a', version: '1', digest: 'b' },
      provider: 'cpu',
      ms: 1,
      task: 'raw',
      count: 1,
    };
    const inspection = { ...openInspection({ station: '', sequence: 1, deadlineMs: 1 }), inference: [said] };
    node('infer').receive({ frame: colour(1, 2, 3), inspection });
    const first = await nextMessage('out');
    assert.deepEqual(first.inspection?.inference?.[0], said);
    assert.deepEqual(first.payload, { task: 'raw', outputs: { score: { dims: [1], values: [2] } } });
    node('infer').receive({ frame: colour(1, 2, 3) });
    assert.equal((await nextMessage('out')).inspection?.inference?.length, 1);
  });

  it('shows the provider that runs the model and the time of a warm run', async () => {
    await load([register], flow(MEAN));
    let status = await nextStatus();
    while (status.text === 'onnx-infer-gpu.status.loading') status = await nextStatus();
    assert.equal(status.fill, 'green');
  });

  it('ends a message without a frame in an error', async () => {
    await load([register], flow(MEAN));
    for (const message of [{ payload: 1 }, { frame: { width: 8, height: 8 } }] as unknown as Message[]) {
      node('infer').receive(message);
      assert.equal(codeOf(await nextMessage('caught')), 'FRAME_MISSING');
    }
  });

  it('ends a frame that gave way to a newer one in an error', async () => {
    await load([register], flow(MEAN));
    node('infer').receive({ frame: colour(0, 0, 0) });
    await nextMessage('out');
    const caught = nextMessage('caught');
    for (const value of [1, 2, 3]) node('infer').receive({ frame: colour(value, value, value) });
    assert.equal(codeOf(await caught), 'FRAME_DROPPED');
    await nextMessage('out');
  });

  for (const [what, config, code] of [
    ['is missing', { model: 'none.onnx' }, 'MODEL_NOT_FOUND'],
    ['is no model', { model: 'text.onnx' }, 'MODEL_INVALID'],
    ['lies outside the model folder', { model: '/etc/passwd' }, 'MODEL_NOT_ALLOWED'],
    ['climbs out of the model folder', { model: `../${'../'.repeat(20)}etc/passwd` }, 'MODEL_NOT_ALLOWED'],
    ['is a link that leads out of the model folder', { model: 'link.onnx' }, 'MODEL_NOT_ALLOWED'],
    ['is not what the task reads', { model: 'mean.onnx', task: 'detect' }, 'MODEL_OUTPUT_UNSUPPORTED'],
    ['asks for a provider this machine has not', { providers: ['dml'] }, 'PROVIDER_UNKNOWN'],
    ['is not configured', { model: '' }, 'CONFIG_INVALID'],
    ['has no provider', { providers: [] }, 'CONFIG_INVALID'],
  ] as const) {
    it(`ends every input in an error when the model ${what}`, async () => {
      await load([register], flow({ ...MEAN, ...config }));
      for (let input = 0; input < 2; input += 1) {
        node('infer').receive({ frame: colour(1, 1, 1) });
        assert.equal(codeOf(await nextMessage('caught')), code);
      }
    });
  }

  it('ends the part in NO_RESULT when the model takes far too long, and goes on with the next', async () => {
    await load([register], flow({ ...MEAN, model: 'slow.onnx', watchdogMs: '300' }));
    node('infer').receive({ frame: colour(200, 200, 200) });
    assert.equal(codeOf(await nextMessage('caught')), 'NO_RESULT');
    node('infer').receive({ frame: colour(0, 0, 0) });
    await nextMessage('out');
  });

  it('leaves no process behind when it is closed while it runs', async () => {
    await load([register], flow(MEAN));
    node('infer').receive({ frame: colour(1, 1, 1) });
    await nextMessage('out');
    const host = acquireHost('cpu');
    const { pid } = host;
    assert.ok(pid !== undefined && isRunning(pid));
    await host.release();
    node('infer').receive({ frame: colour(1, 1, 1) });
    await unload();
    assert.equal(isRunning(pid), false);
    // for the hook that unloads
    await load([register], flow(MEAN));
  });
});
