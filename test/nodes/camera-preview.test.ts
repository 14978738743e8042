/** The preview of the camera's dialog: who may look, what they get, and that it leaves nothing behind. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import sharp from 'sharp';
import type { CameraSource, CapturedImage, SourceListener } from '../../lib/capture/source.ts';
import { CaptureError } from '../../lib/capture/errors.ts';
import { USB_MODE } from '../../lib/capture/usb.ts';
import { Baseline } from '../../lib/frame/baseline.ts';
import { Frame } from '../../lib/frame/frame.ts';
import {
  IDLE_MS,
  MAX_PREVIEWS,
  Previews,
  type PreviewOptions,
} from '../../nodes/camera-capture/preview-session.ts';
import { CameraServer, testImage } from '../support/camera-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';
import { repositoryRoot } from '../support/shared.ts';

/** A camera that gives different pictures as often as asked, or the error it is set to. */
class StandInSource implements CameraSource {
  readonly name = 'stand-in';
  error: CaptureError | undefined;
  listener: SourceListener | undefined;
  grabs = 0;
  closed = 0;

  start(listener: SourceListener): Promise<void> {
    this.listener = listener;
    return Promise.resolve();
  }

  async grab(): Promise<CapturedImage> {
    this.grabs += 1;
    if (this.error !== undefined) throw this.error;
    const bytes = await testImage(this.grabs, 1280, 720);
    return { bytes, format: 'jpeg', width: 1280, height: 720, capturedAt: new Date() };
  }

  close(): Promise<void> {
    this.closed += 1;
    return Promise.resolve();
  }
}

describe('a preview of a camera', () => {
  let clock: FakeClock;
  let previews: Previews;
  let source: StandInSource;
  let opened: number;

  function options(more: Partial<PreviewOptions> = {}): PreviewOptions {
    const open = (): CameraSource => {
      opened += 1;
      return source;
    };
    const look = { rotate: 0, flip: 'none', health: false, baseline: undefined } as const;
    return { open, isExclusive: false, ...look, ...more };
  }

  afterEach(() => previews.closeAll());

  /** Of a plain picture that was taken so many milliseconds ago. */
  async function frameOf(ageMs: number): Promise<Frame> {
    const size = { width: 64, height: 48 };
    const capturedAt = new Date(Date.now() - ageMs);
    return new Frame(await testImage(), { ...size, format: 'jpeg', source: 'line', capturedAt });
  }

  beforeEach(() => {
    clock = new FakeClock();
    previews = new Previews(clock);
    source = new StandInSource();
    opened = 0;
  });

  it('tells of the whole picture and gives a small one, turned as the settings say', async () => {
    const preview = await previews.start('a', options({ rotate: 90 }));
    const { width, height, format, held } = await preview.next();
    assert.deepEqual([width, height, format, held], [720, 1280, 'jpeg', false]);
    const turned = await sharp(preview.picture).metadata();
    assert.deepEqual([turned.format, turned.width, turned.height], ['jpeg', 720, 1280]);
    const straight = await previews.start('b', options());
    await straight.next();
    const { width: across, height: down } = await sharp(straight.picture).metadata();
    assert.deepEqual([across, down], [960, 540]);
  });

  it('keeps the size of a small picture', async () => {
    const held = await frameOf(0);
    const preview = await previews.start('a', options({ held: () => held }));
    await preview.next();
    const small = await sharp(preview.picture).metadata();
    assert.deepEqual([small.width, small.height], [64, 48]);
  });

  it('gives two who ask at once the same picture', async () => {
    const preview = await previews.start('a', options());
    const [one, other] = await Promise.all([preview.next(), preview.next()]);
    assert.equal(one, other);
    assert.equal(source.grabs, 1);
  });

  it('says why the camera is lost, rather than that no picture came', async () => {
    const preview = await previews.start('a', options());
    await preview.next();
    source.listener?.lost(new CaptureError('CAMERA_REFUSED', 'wrong password'));
    source.error = new CaptureError('CAPTURE_TIMEOUT', 'no picture within 5000 ms');
    await assert.rejects(preview.next(), { code: 'CAMERA_REFUSED' });
    source.listener?.restored();
    source.error = undefined;
    await preview.next();
  });

  it('ends ten seconds after the last request, and lets the camera go', async () => {
    const { id } = await previews.start('a', options());
    await previews.use(id, (preview) => preview.next());
    clock.advance(IDLE_MS - 1);
    await previews.use(id, ({ picture }) => picture);
    clock.advance(IDLE_MS - 1);
    assert.equal(previews.count, 1);
    clock.advance(1);
    assert.equal(previews.count, 0);
    await assert.rejects(
      previews.use(id, () => 0),
      { code: 'NOT_FOUND' },
    );
    assert.equal(source.closed, 1);
  });

  it('does not end while a request is under way', async () => {
    const { id } = await previews.start('a', options());
    let answer: () => void = () => undefined;
    const slow = previews.use(id, () => new Promise<void>((resolve) => (answer = resolve)));
    clock.advance(2 * IDLE_MS);
    assert.equal(previews.count, 1);
    answer();
    await slow;
    clock.advance(IDLE_MS);
    assert.equal(previews.count, 0);
  });

  it('is one for each dialog, and few in all', async () => {
    for (let dialog = 0; dialog < MAX_PREVIEWS; dialog += 1) await previews.start(`${dialog}`, options());
    await assert.rejects(previews.start('one more', options()), { code: 'PREVIEW_LIMIT' });
    await previews.start('0', options());
    assert.equal(previews.count, MAX_PREVIEWS);
    await previews.closeAll();
    assert.equal(previews.count, 0);
  });

  it('shows the newest picture of a running node that has the camera to itself, however old, and opens nothing', async () => {
    const old = await frameOf(60_000);
    const preview = await previews.start('a', options({ isExclusive: true, held: () => old }));
    const { held, ageMs, width } = await preview.next();
    assert.deepEqual([held, width, opened], [true, 64, 0]);
    assert.ok(ageMs >= 60_000);
  });

  it('says what to do while a running node has the camera and took no picture yet', async () => {
    const preview = await previews.start('a', options({ isExclusive: true, held: () => undefined }));
    await assert.rejects(preview.next(), { code: 'NO_IMAGE', hint: /Trigger it once/ });
    assert.equal(opened, 0);
  });

  it('asks a camera that serves many itself when the running node has no fresh picture', async () => {
    const old = await frameOf(60_000);
    const preview = await previews.start('a', options({ held: () => old }));
    assert.equal((await preview.next()).held, false);
    assert.equal(opened, 1);
  });

  it('learns from good pictures what is normal, and says how far it is', async () => {
    const preview = await previews.start('a', options({ health: true }));
    assert.equal((await preview.next()).learning, undefined);
    await preview.learn();
    const taken: number[] = [];
    let text: string | undefined;
    for (let asked = 0; asked < 40 && text === undefined; asked += 1) {
      const facts = await preview.next();
      if (facts.learning !== undefined) taken.push(facts.learning.taken);
      text = facts.baseline;
    }
    assert.ok(text !== undefined, `no baseline after ${source.grabs} pictures`);
    assert.deepEqual(taken.slice(0, 3), [1, 2, 3]);
    const baseline = Baseline.fromText(text);
    assert.deepEqual([baseline.width, baseline.height], [1280, 720]);
    const judged = await (await previews.start('a', options({ health: true, baseline }))).next();
    const sharpness = judged.measures?.find(({ name }) => name === 'sharpness');
    assert.equal(sharpness?.band?.length, 2);
  });
});

describe('the routes of the preview', function () {
  this.timeout(60_000);
  const PREVIEWS = '/jidoka/camera-capture/previews';
  let camera: CameraServer;
  let nodeRed: NodeRed;
  let folder: string;

  const asked = (): Record<string, unknown> => ({
    dialog: 'test',
    nodeId: 'cam',
    source: 'http-snapshot',
    url: `${camera.url}/snapshot`,
    timeoutMs: '1000',
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-preview-'));
    camera = new CameraServer(await testImage(1, 1280, 720));
    await camera.start();
    nodeRed = await startNodeRed({
      version: '5',
      users: [
        { username: 'engineer', password: 'e', permissions: '*' },
        { username: 'visitor', password: 'v', permissions: 'read' },
      ],
    });
    await nodeRed.signIn('engineer', 'e');
    await nodeRed.deploy([
      { id: 'tab', type: 'tab' },
      {
        ...asked(),
        id: 'cam',
        type: 'camera-capture',
        z: 'tab',
        x: 0,
        y: 0,
        wires: [[]],
        credentials: { user: 'inspector', password: 's3cret"' },
      },
    ]);
  });
  after(async () => {
    await nodeRed.stop();
    await camera.kill();
    await rm(folder, { recursive: true });
  });
  beforeEach(() => nodeRed.signIn('engineer', 'e'));
  afterEach(() => void (camera.signIn = 'none'));

  function post(path: string, body: unknown): Promise<Response> {
    const headers = { 'content-type': 'application/json' };
    return nodeRed.request(path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  async function start(body: Record<string, unknown> = {}): Promise<string> {
    const response = await post(PREVIEWS, { ...asked(), ...body });
    assert.equal(response.status, 200);
    return `${PREVIEWS}/${((await response.json()) as { id: string }).id}`;
  }

  async function problemOf(response: Response): Promise<{ status: number; code: unknown; message: string }> {
    const { code, message } = (await response.json()) as { code: unknown; message: string };
    return { status: response.status, code, message };
  }

  it('give a picture with the settings as typed, and no cache may keep it', async () => {
    const preview = await start({ rotate: '270' });
    const facts = (await (await nodeRed.request(preview)).json()) as Record<string, unknown>;
    assert.deepEqual([facts['width'], facts['height'], facts['format']], [720, 1280, 'jpeg']);
    assert.ok(Number(facts['ageMs']) >= 0);
    const picture = await nodeRed.request(`${preview}/picture`);
    assert.equal(picture.headers.get('content-type'), 'image/jpeg');
    assert.equal(picture.headers.get('cache-control'), 'no-store');
    const { width, height } = await sharp(Buffer.from(await picture.arrayBuffer())).metadata();
    assert.deepEqual([width, height], [720, 1280]);
    assert.equal((await post(`${preview}/close`, {})).status, 200);
    assert.equal((await nodeRed.request(preview)).status, 404);
  });

  for (const [who, signIn] of [
    ['nobody', () => Promise.resolve('none')],
    ['a visitor who may only read', () => nodeRed.signIn('visitor', 'v', 'read')],
  ] as const) {
    it(`refuse ${who}`, async () => {
      const preview = await start();
      await nodeRed.request(preview);
      const token = await signIn();
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      for (const [method, path] of [
        ['POST', PREVIEWS],
        ['GET', preview],
        ['GET', `${preview}/picture`],
        ['POST', `${preview}/baseline`],
        ['POST', `${preview}/close`],
        ['GET', '/jidoka/camera-capture/discovery?kind=usb'],
      ] as const) {
        const body = method === 'POST' ? { body: JSON.stringify(asked()) } : {};
        const { status } = await nodeRed.request(path, { method, headers, ...body });
        assert.equal(status, 401, `${method} ${path}`);
      }
    });
  }

  it('tell what a running camera has counted', async () => {
    const counts = (id: string): Promise<Response> =>
      nodeRed.request(`/jidoka/camera-capture/nodes/${id}/counts`);
    const framesOf = async (): Promise<number> => {
      const { frames, ...others } = (await (await counts('cam')).json()) as Record<string, number>;
      assert.deepEqual(others, { dropped: 0, skipped: 0, outages: 0, savedBytes: 0 });
      return frames ?? NaN;
    };
    const before = await framesOf();
    nodeRed.send('cam', {});
    const until = performance.now() + 10_000;
    while ((await framesOf()) === before && performance.now() < until) await setTimeout(20);
    assert.equal(await framesOf(), before + 1);
    assert.equal((await counts('nobody')).status, 404);
  });

  it('say what is wrong with a body', async () => {
    for (const [body, code] of [
      [{ ...asked(), dialog: undefined }, 'BAD_REQUEST'],
      [{ ...asked(), dialog: 'no such name!' }, 'BAD_REQUEST'],
      [{ ...asked(), url: { toString: 'x' } }, 'BAD_REQUEST'],
      [{ ...asked(), url: 'ftp://camera' }, 'CONFIG_INVALID'],
      [{ ...asked(), source: 'telescope' }, 'CONFIG_INVALID'],
      [{ ...asked(), source: 'usb', device: '/etc/passwd' }, 'CONFIG_INVALID'],
      [{ ...asked(), source: 'usb', device: '/dev/video0', usbMode: 'mjpg 1x1 30/1' }, 'CONFIG_INVALID'],
      [{ ...asked(), rotate: '45' }, 'CONFIG_INVALID'],
      [{ ...asked(), baseline: '{}' }, 'CONFIG_INVALID'],
    ] as const) {
      const problem = await problemOf(await post(PREVIEWS, body));
      assert.deepEqual([problem.status, problem.code], [400, code], problem.message);
    }
    const problem = await problemOf(await nodeRed.request('/jidoka/camera-capture/discovery?kind=x'));
    assert.deepEqual([problem.status, problem.code], [400, 'BAD_REQUEST']);
  });

  it('know no preview but their own', async () => {
    for (const path of ['/none', '/none/picture']) {
      assert.equal((await nodeRed.request(PREVIEWS + path)).status, 404);
    }
    assert.equal((await post(`${PREVIEWS}/none/baseline`, {})).status, 404);
    const preview = await start();
    assert.equal((await nodeRed.request(`${preview}/picture`)).status, 404, 'before a picture was taken');
  });

  it('open a fifth preview for nobody, and end with a deploy', async () => {
    await nodeRed.deploy([{ id: 'tab', type: 'tab' }]);
    for (let dialog = 0; dialog < MAX_PREVIEWS; dialog += 1) await start({ dialog: `d${dialog}` });
    const problem = await problemOf(await post(PREVIEWS, { ...asked(), dialog: 'one-more' }));
    assert.deepEqual([problem.status, problem.code], [429, 'PREVIEW_LIMIT']);
    await start({ dialog: 'd0' });
    await nodeRed.deploy([{ id: 'tab', type: 'tab' }]);
    await start({ dialog: 'one-more' });
  });

  it('sign in with the stored password where it was left untouched, and never tell it', async () => {
    await nodeRed.deploy([
      { id: 'tab', type: 'tab' },
      {
        ...asked(),
        id: 'cam',
        type: 'camera-capture',
        z: 'tab',
        x: 0,
        y: 0,
        wires: [[]],
        credentials: { user: 'inspector', password: 's3cret"' },
      },
    ]);
    camera.signIn = 'digest';
    const preview = await start({ user: 'inspector', password: '__PWRD__' });
    const answer = await nodeRed.request(preview);
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    assert.doesNotMatch(text, /s3cret/);
    const wrong = await start({ user: 'inspector', password: 'guessed' });
    const problem = await problemOf(await nodeRed.request(wrong));
    assert.deepEqual([problem.status, problem.code], [409, 'CAMERA_REFUSED']);
    assert.doesNotMatch(problem.message, /guessed|s3cret/);
  });

  it('use the stored password of no node but a camera', async () => {
    await nodeRed.deploy([
      { id: 'tab', type: 'tab' },
      {
        id: 'other',
        type: 'http request',
        z: 'tab',
        x: 0,
        y: 0,
        wires: [[]],
        credentials: { user: 'inspector', password: 's3cret"' },
      },
    ]);
    camera.signIn = 'basic';
    const preview = await start({ nodeId: 'other', user: 'inspector', password: '__PWRD__' });
    const problem = await problemOf(await nodeRed.request(preview));
    assert.deepEqual([problem.status, problem.code], [409, 'CAMERA_REFUSED']);
  });

  it('leave a camera alone that the deployed node has to itself, by whichever name', async () => {
    const shelf = await mkdtemp('/dev/shm/jidoka-preview-');
    try {
      const [device, byId] = [join(shelf, 'video0'), join(shelf, 'by-id')];
      await writeFile(device, '');
      await symlink(device, byId);
      const node = { ...asked(), type: 'camera-capture', z: 'tab', x: 0, y: 0, wires: [[]] };
      await nodeRed.deploy([
        { id: 'tab', type: 'tab' },
        { ...node, id: 'first-found', source: 'gige', camera: '' },
        { ...node, id: 'named', source: 'gige', camera: 'Maker-1' },
        { ...node, id: 'usb', source: 'usb', device },
      ]);
      const codeOf = async (body: Record<string, unknown>): Promise<unknown> =>
        (await problemOf(await nodeRed.request(await start(body)))).code;
      for (const held of [
        { nodeId: 'first-found', source: 'gige', camera: 'Maker-1' },
        { nodeId: 'named', source: 'gige', camera: '' },
        { nodeId: 'named', source: 'gige', camera: 'Maker-1', exposureUs: '500' },
        { nodeId: 'usb', source: 'usb', device: byId },
      ]) {
        assert.equal(await codeOf(held), 'NO_IMAGE', JSON.stringify(held));
      }
      for (const free of [
        { nodeId: 'named', source: 'gige', camera: 'Maker-2' },
        { nodeId: 'usb', source: 'usb', device: join(shelf, 'video1') },
        { nodeId: 'usb', source: 'gige', camera: '' },
      ]) {
        assert.notEqual(await codeOf(free), 'NO_IMAGE', JSON.stringify(free));
      }
    } finally {
      await rm(shelf, { recursive: true });
    }
  });

  it('give the newest picture of the deployed node where its camera is the same', async () => {
    const node = { type: 'camera-capture', z: 'tab', x: 0, y: 0, wires: [[]], health: false };
    await nodeRed.deploy([
      { id: 'tab', type: 'tab' },
      { ...asked(), ...node, id: 'cam', trigger: 'interval', intervalMs: '100' },
    ]);
    await nodeRed.waitForStatus('cam', ({ fill }) => fill === 'green');
    const isHeld = async (body: Record<string, unknown>): Promise<unknown> => {
      const answer = await nodeRed.request(await start(body));
      return ((await answer.json()) as { held: unknown }).held;
    };
    let asking = 0;
    while ((await isHeld({})) !== true)
      assert.ok((asking += 1) < 100, 'the node takes ten pictures a second');
    assert.equal(await isHeld({ url: `${camera.url}/snapshot?other` }), false);
    assert.equal(await isHeld({ nodeId: 'another' }), false);
  });

  it('tell why there is no picture', async () => {
    const preview = await start({ url: 'http://127.0.0.1:9/snapshot' });
    const problem = await problemOf(await nodeRed.request(preview));
    assert.deepEqual([problem.status, problem.code], [409, 'CAMERA_LOST']);
  });

  it('look at the images of a folder and leave them where they are', async () => {
    await writeFile(join(folder, 'a.jpg'), await testImage());
    const preview = await start({ source: 'folder', folder, folderMode: 'once', doneFolder: 'done' });
    for (let time = 0; time < 2; time += 1) {
      const facts = (await (await nodeRed.request(preview)).json()) as Record<string, unknown>;
      assert.equal(facts['width'], 64);
    }
    assert.deepEqual(await readdir(folder), ['a.jpg']);
  });
});

describe("the camera's dialog", () => {
  it('takes the modes of USB cameras that the source takes', async () => {
    const dialog = join(repositoryRoot, 'nodes', 'camera-capture', 'camera-capture.html');
    assert.ok((await readFile(dialog, 'utf8')).includes(`/${USB_MODE.source}/;`));
  });
});
