/** What the dialog of onnx-infer-gpu asks the runtime: models, their cards, what they see, and a swap. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { ModelSource } from '../../lib/inference/model/model.ts';
import { openModel, type OpenModel } from '../../lib/inference/open-model.ts';
import type { TrialOptions } from '../../nodes/onnx-infer-gpu/trial.ts';
import { IDLE_MS, MAX_TRIALS, Trials } from '../../nodes/onnx-infer-gpu/trials.ts';
import { sample, writeFolder } from '../lib/inference/bundle/samples.ts';
import { hostProcesses, source } from '../lib/inference/fixtures.ts';
import { colourModel, endlessAtOnceModel, endlessModel } from '../lib/inference/onnx.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';

const PATH = '/jidoka/onnx-infer-gpu';
const MARKUP = '<img src=x onerror=alert(1)>';

describe('the trials of models', () => {
  let clock: FakeClock;
  let trials: Trials;
  /** Ends the loads that wait. */
  let letGo: () => void;

  beforeEach(() => {
    clock = new FakeClock();
    trials = new Trials(clock);
  });

  /** Reads for as long as nobody lets it go, and is then no model. */
  function slow(): TrialOptions {
    const read = (): Promise<ModelSource> =>
      new Promise((_, reject) => (letGo = () => reject(new Error('let go'))));
    return { read, open: () => Promise.reject<OpenModel>(new Error('never')) };
  }

  it('are two at once; one that is given up while it loads counts until it has ended', async () => {
    trials.start('a', slow());
    const { id } = trials.start('b', slow());
    assert.throws(() => trials.start('c', slow()), { code: 'TRIAL_LIMIT' });
    const closed = trials.close(id);
    assert.equal(trials.count, MAX_TRIALS);
    letGo();
    await closed;
    assert.equal(trials.count, MAX_TRIALS - 1);
  });

  it('give up the model that one still opens when it is closed', async () => {
    const endless: ModelSource = source(endlessAtOnceModel());
    const options = { providers: ['cpu'], head: { task: 'raw' }, loadTimeoutMs: 60_000 } as const;
    const before = hostProcesses();
    const { id } = trials.start('a', {
      read: () => Promise.resolve(endless),
      open: (model, signal) => openModel(model, options, { signal }),
    });
    while (hostProcesses().length === before.length) await new Promise(setImmediate);
    await trials.close(id);
    assert.equal(trials.count, 0);
    assert.deepEqual(hostProcesses(), before);
  });

  it('follow each other in a dialog: however fast settings change, none is refused and one loads', async () => {
    let loading = 0;
    let most = 0;
    const read = async (): Promise<ModelSource> => {
      most = Math.max(most, (loading += 1));
      await new Promise(setImmediate);
      loading -= 1;
      throw new Error('no model');
    };
    const open = (): Promise<OpenModel> => Promise.reject(new Error('never'));
    trials.start('b', slow());
    for (let change = 0; change < 10; change += 1) {
      trials.start('a', { read, open });
      await new Promise(setImmediate);
      assert.equal(trials.count, MAX_TRIALS);
    }
    assert.equal(most, 1);
    letGo();
    await trials.closeAll();
    assert.equal(trials.count, 0);
  });

  it('stay for as long as one of several requests is under way', async () => {
    const { id } = trials.start('a', slow());
    let answer = (): void => undefined;
    const long = trials.use(id, () => new Promise<void>((resolve) => (answer = resolve)));
    await trials.use(id, ({ state }) => state);
    clock.advance(IDLE_MS + 1);
    assert.equal((await trials.use(id, ({ state }) => state)).state, 'loading');
    answer();
    await long;
    clock.advance(IDLE_MS + 1);
    await assert.rejects(
      trials.use(id, () => 0),
      { code: 'NOT_FOUND' },
    );
    letGo();
  });

  it('end when nobody asks any more', async () => {
    const { id } = trials.start('a', slow());
    clock.advance(IDLE_MS - 1);
    assert.equal((await trials.use(id, ({ state }) => state)).state, 'loading');
    clock.advance(IDLE_MS - 1);
    assert.equal((await trials.use(id, ({ state }) => state)).state, 'loading');
    clock.advance(IDLE_MS);
    await assert.rejects(
      trials.use(id, () => 0),
      { code: 'NOT_FOUND' },
    );
    letGo();
  });
});

describe('the routes of onnx-infer-gpu', function () {
  this.timeout(60_000);
  let folder: string;
  let nodeRed: NodeRed;
  let picture: Buffer;

  const CLASSIFY = {
    model: 'colour.onnx',
    task: 'auto',
    inputWidth: '16',
    inputHeight: '16',
    providers: ['cpu'],
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-routes-'));
    const models = join(folder, 'models');
    await mkdir(join(models, 'caps'), { recursive: true });
    await writeFile(join(models, 'colour.onnx'), colourModel());
    await writeFile(join(models, 'endless.onnx'), endlessModel());
    await writeFile(join(models, 'changing.onnx'), colourModel());
    await writeFile(join(folder, 'outside.onnx'), colourModel());
    await writeFolder(
      join(models, 'caps', 'good'),
      await sample((manifest) => {
        manifest.labels = [MARKUP, 'green', 'blue'];
        manifest.intendedUse = MARKUP;
        delete manifest.golden;
      }),
    );
    await writeFolder(
      join(models, 'caps', 'wrong'),
      await sample((manifest) => {
        const [golden] = manifest.golden ?? [];
        if (golden !== undefined)
          golden.expected = { task: 'classify', classes: [{ label: 'blue' }, { label: 'green' }] };
      }),
    );
    const background = { r: 0, g: 255, b: 0 };
    picture = await sharp({ create: { width: 1200, height: 60, channels: 3, background } })
      .jpeg()
      .toBuffer();
    nodeRed = await startNodeRed({
      version: '5',
      settings: { jidokaModelFolder: models },
      users: [
        { username: 'engineer', password: 'e', permissions: '*' },
        { username: 'writer', password: 'w', permissions: 'write' },
        { username: 'visitor', password: 'v', permissions: 'read' },
      ],
    });
    await nodeRed.signIn('engineer', 'e');
    const node = { type: 'onnx-infer-gpu', z: 'tab', x: 0, y: 0, version: 1, wires: [[]] };
    await nodeRed.deploy([
      { id: 'tab', type: 'tab' },
      { ...node, ...CLASSIFY, id: 'infer' },
      { ...node, ...CLASSIFY, id: 'changing', model: 'changing.onnx' },
    ]);
    await nodeRed.waitForStatus('infer', ({ fill }) => fill === 'green');
    await nodeRed.waitForStatus('changing', ({ fill }) => fill === 'green');
  });
  after(async () => {
    await nodeRed.stop();
    await rm(folder, { recursive: true });
  });
  beforeEach(() => nodeRed.signIn('engineer', 'e'));

  type Answer = Record<string, unknown>;

  async function get(path: string): Promise<{ status: number; answer: Answer }> {
    const response = await nodeRed.request(`${PATH}${path}`);
    return { status: response.status, answer: (await response.json().catch(() => ({}))) as Answer };
  }

  async function post(path: string, body: unknown): Promise<{ status: number; answer: Answer }> {
    const isFile = Buffer.isBuffer(body);
    const response = await nodeRed.request(`${PATH}${path}`, {
      method: 'POST',
      headers: { 'content-type': isFile ? 'image/jpeg' : 'application/json' },
      body: isFile ? new Uint8Array(body) : JSON.stringify(body),
    });
    return { status: response.status, answer: (await response.json().catch(() => ({}))) as Answer };
  }

  /** Opens a model; resolves with its path below the routes and what it came to. */
  async function tried(more: Answer): Promise<{ path: string; state: Answer }> {
    const { status, answer } = await post('/trials', { dialog: 'test', ...CLASSIFY, ...more });
    assert.equal(status, 200, JSON.stringify(answer));
    const path = `/trials/${String(answer['id'])}`;
    for (;;) {
      const { answer: state } = await get(path);
      if (state['state'] !== 'loading') return { path, state };
    }
  }

  it('list the models of the folder and nothing outside it', async () => {
    const { answer } = await get('/models');
    const models = answer['models'] as { path: string; kind: string }[];
    assert.deepEqual(
      models.map(({ path, kind }) => [path, kind]),
      [
        ['changing.onnx', 'onnx'],
        ['colour.onnx', 'onnx'],
        ['endless.onnx', 'onnx'],
        ['caps/good', 'bundle'],
        ['caps/wrong', 'bundle'],
      ],
    );
  });

  it('tell of the model a deployed node serves with', async () => {
    const { answer } = await get('/nodes/infer');
    const card = answer['card'] as { name: string; head: { task: string }; provider: string; digest: string };
    assert.deepEqual([card.name, card.head.task, card.provider], ['colour', 'classify', 'cpu']);
    assert.match(card.digest, /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual((await get('/nodes/none')).answer, { card: null });
  });

  it('open a model, say what it is and what it sees in a picture that was sent', async () => {
    const { path, state } = await tried({ model: 'caps/good', inputWidth: '', inputHeight: '' });
    assert.equal(state['state'], 'ready', JSON.stringify(state));
    const card = state['card'] as {
      labels: { count: number; first: string[] };
      manifest: { intendedUse: string };
      inputs: { name: string; shape: unknown[] }[];
    };
    assert.deepEqual(card.labels, { count: 3, first: [MARKUP, 'green', 'blue'] });
    assert.equal(card.manifest.intendedUse, MARKUP);
    assert.deepEqual(card.inputs[0]?.shape, [1, 3, 'height', 'width']);
    const { answer } = await post(`${path}/picture`, picture);
    const { classes } = answer['prediction'] as { classes: { label: string }[] };
    assert.equal(classes[0]?.label, 'green');
    assert.deepEqual([answer['width'], answer['height'], answer['provider']], [1200, 60, 'cpu']);
    const shown = await nodeRed.request(`${PATH}${path}/picture`);
    assert.equal(shown.headers.get('content-type'), 'image/jpeg');
    const { width, height } = await sharp(Buffer.from(await shown.arrayBuffer())).metadata();
    assert.deepEqual([width, height], [960, 48]);
    assert.equal((await nodeRed.request(`${PATH}${path}/mask`)).status, 404);
  });

  for (const format of ['png', 'webp', 'tiff'] as const) {
    it(`show a picture that was sent as ${format}, no wider than the dialog`, async () => {
      const { path } = await tried({});
      const { answer } = await post(
        `${path}/picture`,
        await sharp(picture).ensureAlpha().toFormat(format).toBuffer(),
      );
      assert.equal(answer['width'], 1200, JSON.stringify(answer));
      const shown = await nodeRed.request(`${PATH}${path}/picture`);
      const { data, info } = await sharp(Buffer.from(await shown.arrayBuffer()))
        .raw()
        .toBuffer({ resolveWithObject: true });
      assert.deepEqual([info.width, info.height, info.channels], [960, 48, 3]);
      assert.ok((data[1] ?? 0) > 240 && (data[0] ?? 255) < 15, 'green');
    });
  }

  it('say which provider computed what', async () => {
    const { path } = await tried({});
    const { answer } = await post(`${path}/prove`, {});
    const shares = answer['shares'] as { provider: string; nodes: number }[];
    assert.equal(shares.length, 1);
    assert.match(String(shares[0]?.provider), /cpu/i);
    assert.ok((shares[0]?.nodes ?? 0) > 0);
  });

  it('look at the last picture a deployed node was given, and say so where there is none', async () => {
    const { path } = await tried({});
    assert.equal((await post(`${path}/look`, { node: 'changing' })).answer['code'], 'NOT_FOUND');
    await writeFile(join(folder, 'part.jpg'), picture);
    const camera = {
      id: 'camera',
      type: 'camera-capture',
      z: 'tab',
      x: 0,
      y: 0,
      version: 1,
      source: 'file',
      file: join(folder, 'part.jpg'),
      trigger: 'message',
      health: false,
      wires: [['infer']],
    };
    const flows = (await (await nodeRed.request('/flows')).json()) as Parameters<NodeRed['deploy']>[0];
    await nodeRed.deploy([
      ...flows,
      camera,
      { id: 'seen', type: 'debug', z: 'tab', x: 0, y: 0, active: true, wires: [] },
    ]);
    await nodeRed.waitForStatus('infer', ({ fill }) => fill === 'green');
    nodeRed.send('camera', {});
    const again = await tried({});
    for (;;) {
      const { status, answer } = await post(`${again.path}/look`, { node: 'infer' });
      if (status === 404) continue;
      assert.equal(answer['width'], 1200);
      break;
    }
    assert.equal((await post(`${again.path}/look`, { node: 'camera' })).answer['width'], 1200);
  });

  for (const [what, settings, code] of [
    ['is hostile', { model: 'endless.onnx' }, 'MODEL_OPERATOR_REFUSED'],
    ['lies outside', { model: '../outside.onnx' }, 'MODEL_NOT_ALLOWED'],
    ['is not there', { model: 'none.onnx' }, 'MODEL_NOT_FOUND'],
    ['is not what the task reads', { task: 'detect' }, 'MODEL_OUTPUT_UNSUPPORTED'],
  ] as const) {
    it(`say why a model is refused that ${what}`, async () => {
      const { state } = await tried(settings);
      assert.equal(state['state'], 'failed');
      assert.equal((state['problem'] as Answer)['code'], code);
    });
  }

  it('show where a bundle answers otherwise than it says', async () => {
    const { state } = await tried({ model: 'caps/wrong', inputWidth: '', inputHeight: '' });
    const problem = state['problem'] as { code: string; differences: Record<string, string>[] };
    assert.equal(problem.code, 'MODEL_GOLDEN_MISMATCH');
    const texts = problem.differences.map(({ expected, got }) => [expected, got]);
    assert.ok(
      texts.some(([expected, got]) => expected === '"blue"' && got === '"red"'),
      JSON.stringify(problem),
    );
  });

  it('refuse settings that are none, files that are no pictures, and pictures that are too large', async () => {
    assert.equal((await post('/trials', { dialog: 'x' })).status, 400);
    const wrong = await post('/trials', { dialog: 'x', ...CLASSIFY, confidence: '7', task: 'detect' });
    assert.deepEqual([wrong.status, wrong.answer['code']], [400, 'CONFIG_INVALID']);
    const { path } = await tried({});
    assert.equal((await post(`${path}/picture`, Buffer.from('no picture'))).answer['code'], 'IMAGE_INVALID');
    const vast = await sharp({ create: { width: 10_000, height: 5_001, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    assert.equal((await post(`${path}/picture`, vast)).answer['code'], 'IMAGE_TOO_LARGE');
    const large = await post(`${path}/picture`, Buffer.alloc(8 * 1024 * 1024 + 1)).catch(() => undefined);
    assert.ok(large === undefined || large.answer['code'] === 'TOO_LARGE');
  });

  it('let visitors read, and those who may deploy try models', async () => {
    await nodeRed.signIn('visitor', 'v', 'read');
    assert.equal((await get('/models')).status, 200);
    assert.equal((await get('/nodes/infer')).status, 200);
    assert.equal((await post('/trials', { dialog: 'v', ...CLASSIFY })).status, 401);
    await nodeRed.signIn('writer', 'w', 'write');
    assert.equal((await post('/trials', { dialog: 'w', ...CLASSIFY })).status, 200);
  });

  it('put the model in the folder into service for a person with the right to, and nobody else', async () => {
    const path = join(folder, 'models', 'changing.onnx');
    const before = (await get('/nodes/changing')).answer['card'] as Answer;
    const same = await post('/nodes/changing/swap', { reason: 'to see' });
    assert.equal(same.answer['isNew'], false, JSON.stringify(same.answer));
    await writeFile(path, await readFile(join(folder, 'outside.onnx')));
    for (const [name, password, scope] of [
      ['visitor', 'v', 'read'],
      ['writer', 'w', 'write'],
    ] as const) {
      await nodeRed.signIn(name, password, scope);
      assert.equal((await post('/nodes/changing/swap', { reason: 'because' })).status, 401);
    }
    await nodeRed.signIn('engineer', 'e');
    assert.equal((await post('/nodes/changing/swap', {})).status, 400);
    const bytes = colourModel();
    // another producer name makes another file of the same graph
    await writeFile(path, Buffer.concat([bytes, Buffer.from([0x12, 0x01, 0x61])]));
    const { status, answer } = await post('/nodes/changing/swap', { reason: 'retrained' });
    assert.deepEqual([status, answer['isNew']], [200, true], JSON.stringify(answer));
    assert.notEqual((answer['model'] as Answer)['digest'], before['digest']);
    const now = (await get('/nodes/changing')).answer['card'] as Answer;
    assert.equal(now['digest'], (answer['model'] as Answer)['digest']);
  });
});
