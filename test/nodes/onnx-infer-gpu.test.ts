import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Frame } from '../../lib/frame/frame.ts';
import { acquireHost } from '../../lib/inference/host/host.ts';
import { probeImage } from '../../lib/frame/probe.ts';
import { openInspection, type Box, type Inspection } from '../../lib/inspection/inspection.ts';
import type { LedgerEntry } from '../../lib/journal/types.ts';
import type { Station } from '../../lib/station/types.ts';
import type { ServingNode } from '../../nodes/onnx-infer-gpu/routes.ts';
import register from '../../nodes/onnx-infer-gpu/onnx-infer-gpu.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import {
  codeOf,
  flowAround,
  load,
  nextMessage,
  node,
  stationStandIn,
  unload,
  useSettings,
} from '../support/helper.ts';
import { assertPlainMessage } from '../support/message-rule.ts';
import { requirePath, shared } from '../support/shared.ts';
import { sample, writeFolder } from '../lib/inference/bundle/samples.ts';
import { hostProcesses, isRunning } from '../lib/inference/fixtures.ts';
import {
  colourModel,
  FLOAT,
  meanModel,
  model,
  node as operator,
  slowModel,
  value,
} from '../lib/inference/onnx.ts';

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

/** Left half red, right half green. */
function halves(): Frame {
  const row = Array.from({ length: 8 }, (_, x) => (x < 4 ? [255, 0, 0] : [0, 255, 0])).flat();
  const pixels = Buffer.from(Array.from({ length: 8 }, () => row).flat());
  return new Frame(pixels, { width: 8, height: 8, format: 'rgb', source: 'test' });
}

/** A part in which a detector has found these. */
function detected(...objects: [label: string, score: number, box: Box][]): Inspection {
  const section = {
    model: { name: 'detector', version: '1', digest: 'sha256:0' },
    provider: 'cpu',
    ms: 1,
    task: 'detect',
    count: objects.length,
    objects: objects.map(([label, score, box]) => ({ label, score, box })),
  };
  return { ...openInspection({ station: '', sequence: 1, deadlineMs: 1000 }), inference: [section] };
}

/** Probability of each pixel: how bright it is. */
function brightnessModel(): Buffer {
  return model(
    value(11, 'x', FLOAT, [1, 3, 8, 8]),
    operator('ReduceMean', ['x'], ['mask'], { axes: [1], keepdims: 1 }),
    value(12, 'mask', FLOAT, [1, 1, 8, 8]),
  );
}

/** As the colour model, and with one more node. */
function otherColourModel(): Buffer {
  return model(
    value(11, 'x', FLOAT, [1, 3, 'height', 'width']),
    operator('GlobalAveragePool', ['x'], ['pooled']),
    operator('Identity', ['pooled'], ['same']),
    operator('Flatten', ['same'], ['logits'], { axis: 1 }),
    value(12, 'logits', FLOAT, [1, 3]),
  );
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
    await writeFile(join(folder, 'brightness.onnx'), brightnessModel());
    await writeFile(join(folder, 'text.onnx'), 'not a model');
    await symlink('/etc/passwd', join(folder, 'link.onnx'));
    useSettings({ jidokaModelFolder: folder });
  });
  after(async () => {
    useSettings({});
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
    ['asks for a provider this machine has not', { providers: ['dml'] }, 'PROVIDER_UNAVAILABLE'],
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

  it('gives up the model it still tries when it is closed', async () => {
    const before = hostProcesses();
    // no other test has tried it like this
    await load([register], flow({ ...CLASSIFY, inputWidth: '24' }));
    const heard: string[] = [];
    const tell = ({ args: [what] }: { args: unknown[] }): unknown => heard.push(JSON.stringify(what));
    node('infer').on('call:error', tell);
    node('infer').on('call:status', tell);
    while (hostProcesses().length === before.length) await new Promise(setImmediate);
    await unload();
    assert.deepEqual(hostProcesses(), before);
    assert.doesNotMatch(heard.join(), /green|CLOSED/);
    // for the hook that unloads
    await load([register], flow(MEAN));
  });

  it('finds out by itself what a model does, where it is left open', async () => {
    const { labels, inputWidth, inputHeight } = CLASSIFY;
    await load([register], flow({ ...CLASSIFY, task: 'auto', labels, inputWidth, inputHeight }));
    node('infer').receive({ frame: colour(0, 0, 255) });
    const { task, classes } = (await nextMessage('out')).payload as {
      task: string;
      classes: { label: string }[];
    };
    assert.deepEqual([task, classes[0]?.label], ['classify', 'blue']);
  });

  it('runs a node that was saved before there were new fields', async () => {
    const before = { model: 'colour.onnx', inputWidth: '16', inputHeight: '16', task: 'classify', topK: '1' };
    await load(
      [register],
      flow({ version: 1, ...before, providers: ['cpu'], strict: false, queue: 'block' }),
    );
    node('infer').receive({ frame: colour(0, 255, 0) });
    const { classes } = (await nextMessage('out')).payload as { classes: { index: number }[] };
    assert.deepEqual(
      classes.map(({ index }) => index),
      [1],
    );
  });

  for (const [what, topK, count] of [
    ['leaves a limit that is empty to the bundle', '', 2],
    ['has a limit that is given instead of the one of the bundle', '3', 3],
  ] as const) {
    it(what, async () => {
      const files = await sample((manifest) => delete manifest.golden);
      await writeFolder(join(folder, 'limited'), files);
      await load([register], flow({ model: 'limited', task: 'classify', topK, providers: ['cpu'] }));
      const answer = Promise.race([nextMessage('out'), nextMessage('caught')]);
      node('infer').receive({ frame: colour(0, 255, 0) });
      const message = await answer;
      const { classes } = (message.payload ?? {}) as { classes?: unknown[] };
      assert.equal(classes?.length, count, JSON.stringify(message['error']));
    });
  }

  it('leaves the length of a vector to the bundle, unless it is told otherwise', async () => {
    const files = await sample((manifest) => {
      Object.assign(manifest, { task: 'embed', postprocessing: { normalise: false } });
      delete manifest.labels;
      delete manifest.golden;
    });
    await writeFolder(join(folder, 'vectors'), files);
    await load([register], flow({ model: 'vectors', task: 'embed', normalise: true, providers: ['cpu'] }));
    node('infer').receive({ frame: colour(0, 51, 0) });
    const { vector } = (await nextMessage('out')).payload as { vector: number[] };
    assert.deepEqual(
      vector.map((each) => Number(each.toFixed(3))),
      [0, 0.2, 0],
    );
  });

  it('keeps what a detector found in the record of the part', async function () {
    const path = shared('data', 'models', 'yolox_nano.onnx');
    const picture = shared('data', 'images', 'anomalib_dobot_cubes', 'normal', 'input_20230210130546.jpg');
    requirePath(this, path, 'YOLOX nano');
    requirePath(this, picture, 'the pictures of cubes');
    await writeFile(join(folder, 'yolox.onnx'), await readFile(path));
    await load([register], flow({ model: 'yolox.onnx', task: 'detect', providers: ['cpu'] }));
    const bytes = await readFile(picture);
    const header = probeImage(bytes);
    assert.ok(header);
    node('infer').receive({ frame: new Frame(bytes, { ...header, source: picture }) });
    const message = await nextMessage('out');
    const { objects } = message.payload as { objects: { label: string; score: number; box: Box }[] };
    assert.ok(objects.length > 0);
    const [entry] = message.inspection?.inference ?? [];
    assert.deepEqual(
      entry?.objects,
      objects.map(({ label, score, box }) => ({ label, score, box })),
    );
    assert.equal(entry.count, objects.length);
    assertPlainMessage(message);
  });

  it('gives the mask of a picture as a frame', async () => {
    await load([register], flow({ model: 'brightness.onnx', task: 'segment', providers: ['cpu'] }));
    node('infer').receive({ frame: colour(255, 255, 255) });
    const message = await nextMessage('out');
    assertPlainMessage(message);
    const { task, segments } = message.payload as { task: string; segments: unknown[] };
    assert.deepEqual([task, segments.length], ['segment', 1]);
    const mask = message['mask'];
    assert.ok(Frame.isFrame(mask));
    assert.deepEqual([mask.width, mask.height, mask.format, mask.source], [8, 8, 'png', 'test']);
  });

  describe('that looks at each object', () => {
    const LOOK = { ...CLASSIFY, topK: '1', lookAt: 'objects', lookMargin: '0' };
    type Looked = {
      task: string;
      objects: { label: string; box: Box; prediction: { classes: { label: string }[] } }[];
    };

    it('says of each box that a detector found what is in it', async () => {
      await load([register], flow(LOOK));
      const inspection = detected(['right', 0.6, [4, 0, 4, 8]], ['left', 0.9, [0.5, 0, 3, 8]]);
      node('infer').receive({ frame: halves(), inspection });
      const message = await nextMessage('out');
      assertPlainMessage(message);
      const { task, objects } = message.payload as Looked;
      assert.equal(task, 'objects');
      assert.deepEqual(
        objects.map(({ label, box, prediction }) => [label, box, prediction.classes[0]?.label]),
        [
          ['left', [0.5, 0, 3, 8], 'red'],
          ['right', [4, 0, 4, 8], 'green'],
        ],
      );
      const [, entry] = message.inspection?.inference ?? [];
      assert.deepEqual([entry?.task, entry?.count, entry?.model.name], ['classify', 2, 'colour']);
    });

    it('looks only at the labels it was given', async () => {
      await load([register], flow({ ...LOOK, lookLabels: 'left, other' }));
      const inspection = detected(['right', 0.6, [4, 0, 4, 8]], ['left', 0.9, [0, 0, 4, 8]]);
      node('infer').receive({ frame: halves(), inspection });
      const { objects } = (await nextMessage('out')).payload as Looked;
      assert.deepEqual(
        objects.map(({ label }) => label),
        ['left'],
      );
    });

    it('gives an empty list where the detector found nothing', async () => {
      await load([register], flow(LOOK));
      node('infer').receive({ frame: halves(), inspection: detected() });
      const message = await nextMessage('out');
      assert.deepEqual(message.payload, { task: 'objects', objects: [] });
      const [, entry] = message.inspection?.inference ?? [];
      assert.deepEqual([entry?.task, entry?.count], ['classify', 0]);
    });

    it('ends the part in an error where no detector was before it', async () => {
      await load([register], flow(LOOK));
      node('infer').receive({ frame: halves() });
      assert.equal(codeOf(await nextMessage('caught')), 'OBJECTS_MISSING');
    });
  });

  describe('in a station', () => {
    let trips: { code: string }[];
    let disarmed: string[];
    let ledger: LedgerEntry[];
    let state: 'ARMED' | 'DISARMED' | 'TRIPPED';

    beforeEach(() => {
      [trips, disarmed, ledger, state] = [[], [], [], 'DISARMED'];
    });

    async function deploy(config: Record<string, unknown>): Promise<void> {
      const station = {
        arming: () => ({ state }),
        trip: (cause: { code: string }) => {
          trips.push(cause);
          state = 'TRIPPED';
        },
        disarm: ({ reason }: { reason: string }) => Promise.resolve(void disarmed.push(reason)),
        nextPart: () =>
          Promise.resolve(openInspection({ station: 'press 4', sequence: 7, deadlineMs: 60_000 })),
        journal: () =>
          Promise.resolve({ appendLedger: (entry: LedgerEntry) => Promise.resolve(void ledger.push(entry)) }),
      } as unknown as Station;
      await load(
        [stationStandIn(station), register],
        [{ id: 'station', type: 'inspection-station' }, ...flow({ station: 'station', ...config })],
      );
    }

    async function digestNow(): Promise<string | undefined> {
      node('infer').receive({ frame: colour(9, 9, 9) });
      return (await nextMessage('out')).inspection?.inference?.at(-1)?.model.digest;
    }

    it('opens a part of the station for a frame that comes without one', async () => {
      await deploy(MEAN);
      node('infer').receive({ frame: colour(1, 1, 1) });
      const { part } = (await nextMessage('out')).inspection as Inspection;
      assert.deepEqual([part.station, part.sequence], ['press 4', 7]);
    });

    it('disarms it when it is deployed, since it may see otherwise than what was armed', async () => {
      state = 'ARMED';
      await deploy(MEAN);
      await digestNow();
      assert.deepEqual(disarmed, ['onnx-infer-gpu was deployed']);
    });

    it('trips it, once, when the inference process keeps crashing', async () => {
      await deploy(MEAN);
      const host = acquireHost('cpu');
      try {
        for (let crash = 0; crash < 3; crash += 1) {
          await digestNow();
          assert.ok(host.pid !== undefined);
          process.kill(host.pid, 'SIGKILL');
          while (host.counts.crashes <= crash) await new Promise(setImmediate);
        }
        for (let part = 0; part < 2; part += 1) {
          node('infer').receive({ frame: colour(1, 1, 1) });
          assert.equal(codeOf(await nextMessage('caught')), 'HOST_TRIPPED');
        }
        assert.deepEqual(
          trips.map(({ code }) => code),
          ['HOST_TRIPPED'],
        );
      } finally {
        await host.release();
      }
    });

    it('puts a new file into service, disarms, and writes into the ledger who changed what', async () => {
      const path = join(folder, 'changing.onnx');
      await writeFile(path, colourModel());
      await deploy({ ...CLASSIFY, model: 'changing.onnx' });
      const before = await digestNow();
      state = 'ARMED';
      disarmed.length = 0;
      const { served } = node('infer') as unknown as ServingNode;
      assert.ok(served);
      assert.equal((await served.swap({ actor: 'ann', reason: 'nothing new' })).isNew, false);
      assert.deepEqual([disarmed, ledger], [[], []]);
      await writeFile(path, otherColourModel());
      const { isNew, model: now } = await served.swap({ actor: 'ann', reason: 'retrained' });
      assert.equal(isNew, true);
      assert.notEqual(now.digest, before);
      assert.equal(await digestNow(), now.digest);
      assert.match(disarmed[0] ?? '', /^MODEL_CHANGED: changing /);
      const [entry] = ledger;
      assert.deepEqual([entry?.type, entry?.actor, entry?.object], ['model.swap', 'ann', 'changing']);
      assert.deepEqual(
        { ...(entry?.detail as object) },
        { version: now.version, digest: now.digest, before, reason: 'retrained' },
      );
    });
  });

  for (const [what, broken, code] of [
    ['is no model', 'no model yet', 'MODEL_INVALID'],
    ['is not there', undefined, 'MODEL_NOT_FOUND'],
  ] as const) {
    it(`follows a file that ${what} when it is deployed, until it is one`, async function () {
      this.timeout(60_000);
      const path = join(folder, `repaired-${code}.onnx`);
      if (broken !== undefined) await writeFile(path, broken);
      await load([register], flow({ ...CLASSIFY, model: basename(path), follow: true }));
      node('infer').receive({ frame: colour(0, 255, 0) });
      assert.equal(codeOf(await nextMessage('caught')), code);
      await writeFile(path, colourModel());
      let status = await nextStatus();
      while (status.fill !== 'green') status = await nextStatus();
      node('infer').receive({ frame: colour(0, 255, 0) });
      const { classes } = (await nextMessage('out')).payload as { classes: { label: string }[] };
      assert.equal(classes[0]?.label, 'green');
    });
  }

  it('follows its file, and keeps the model it has when the new one is refused', async function () {
    this.timeout(60_000);
    const path = join(folder, 'followed.onnx');
    await writeFile(path, colourModel());
    await load([register], flow({ ...CLASSIFY, model: 'followed.onnx', follow: true }));
    const digestNow = async (): Promise<string | undefined> => {
      node('infer').receive({ frame: colour(0, 255, 0) });
      return (await nextMessage('out')).inspection?.inference?.at(-1)?.model.digest;
    };
    const first = await digestNow();
    await writeFile(path, otherColourModel());
    let second = first;
    while (second === first) second = await digestNow();
    const warned = once(node('infer'), 'call:warn');
    await writeFile(path, 'no model any more');
    await warned;
    assert.equal(await digestNow(), second);
  });
});
