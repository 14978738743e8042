import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import nodeRedUtil from '@node-red/util';
import type { CodedError } from '../../lib/errors.ts';
import { Frame } from '../../lib/frame/frame.ts';
import { openInspection } from '../../lib/inspection/inspection.ts';
import register from '../../nodes/camera-capture/camera-capture.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { CameraServer, testImage } from '../support/camera-server.ts';
import { codeOf, flowAround, load, nextMessage, node, stationStandIn, unload } from '../support/helper.ts';
import { assertPlainMessage } from '../support/message-rule.ts';

function flow(camera: Record<string, unknown>): Parameters<typeof load>[1] {
  return flowAround({ id: 'camera', type: 'camera-capture', ...camera }, ['parts']);
}

describe('camera-capture', () => {
  let folder: string;
  let image: Buffer;
  let camera: CameraServer;

  const snapshot = (): Record<string, unknown> => ({
    source: 'http-snapshot',
    url: `${camera.url}/snapshot`,
  });
  const stream = (): Record<string, unknown> => ({ source: 'http-mjpeg', url: `${camera.url}/stream` });

  beforeEach(async () => {
    image = await testImage();
    folder = await mkdtemp(join(tmpdir(), 'jidoka-camera-'));
    camera = new CameraServer(image);
    await camera.start();
  });

  afterEach(async () => {
    await unload();
    await camera.kill();
    await rm(folder, { recursive: true });
  });

  it('answers a trigger with a frame, its record, the encoded image and everything the message held', async () => {
    await writeFile(join(folder, 'part 1.jpg'), image);
    await load(
      [register],
      flow({ name: 'cam-top', source: 'folder', folder, folderMode: 'cycle', deadlineMs: '900' }),
    );
    node('camera').receive({ partId: 'SN-4711', order: { id: 7 } });
    const message = await nextMessage('parts');
    assertPlainMessage(message);
    const { frame, inspection } = message;
    assert.ok(Frame.isFrame(frame) && inspection !== undefined);
    assert.equal(inspection.part.id, 'SN-4711');
    assert.equal(inspection.part.sequence, 1);
    assert.equal(inspection.part.deadlineMs, 900);
    assert.equal(inspection.frame?.sha256, createHash('sha256').update(image).digest('hex'));
    assert.equal(inspection.frame.id, frame.id);
    assert.deepEqual([inspection.frame.width, inspection.frame.height], [64, 48]);
    assert.equal(inspection.frame.source, 'part 1.jpg');
    assert.equal(inspection.frame.health?.frozen, false);
    assert.ok(inspection.frame.health.sharpness > 0);
    assert.ok((inspection.timings['capture'] ?? -1) >= 0);
    assert.deepEqual(message.payload, image);
    assert.equal(message.topic, 'cam-top');
    assert.deepEqual(message['order'], { id: 7 });
  });

  it('sends a frame that every further wire gets as the same object, while the payload is a copy', async () => {
    await writeFile(join(folder, 'a.jpg'), image);
    await load([register], flow({ source: 'folder', folder, folderMode: 'cycle', health: false }));
    node('camera').receive({});
    const message = await nextMessage('parts');
    const clone = nodeRedUtil.util.cloneMessage(message);
    assert.notEqual(clone, message);
    assert.equal(clone.frame, message.frame);
    (message.payload as Buffer).fill(0);
    assert.deepEqual(clone.frame?.toBuffer(), image);
    assert.equal(message.inspection?.frame?.health, undefined);
  });

  it('opens its parts at the station', async () => {
    const asked: unknown[] = [];
    const nextPart = (part: { id?: string; deadlineMs?: number } = {}) => {
      asked.push(part);
      return Promise.resolve(openInspection({ station: 'press 4', sequence: 18, deadlineMs: 700, ...part }));
    };
    await load(
      [stationStandIn({ nextPart }), register],
      [{ id: 'station', type: 'inspection-station' }, ...flow({ ...snapshot(), station: 'station' })],
    );
    node('camera').receive({ partId: 'A' });
    const { part } = (await nextMessage('parts')).inspection ?? {};
    assert.deepEqual([part?.station, part?.sequence, part?.deadlineMs, part?.id], ['press 4', 18, 700, 'A']);
    assert.deepEqual(asked, [{ id: 'A' }]);
  });

  it('takes the id of the part from the camera when the trigger brings none', async () => {
    camera.partId = 'CAM-1';
    await load([register], flow(snapshot()));
    node('camera').receive({});
    assert.equal((await nextMessage('parts')).inspection?.part.id, 'CAM-1');
    node('camera').receive({ partId: 'PLC-1' });
    assert.equal((await nextMessage('parts')).inspection?.part.id, 'PLC-1');
  });

  const rectangle = (name: string, left: number, width: number) => ({
    name,
    kind: 'part',
    points: [
      [left, 0],
      [left + width, 0],
      [left + width, 16],
      [left, 16],
    ],
  });

  it('sends a part for each region, in their order, with everything the message held', async () => {
    const regions = [rectangle('left', 0, 16), rectangle('right', 32, 32)];
    await load([register], flow({ ...snapshot(), regions }));
    node('camera').receive({ partId: 'S-1', order: { id: 7 } });
    for (const [index, { name, points }] of regions.entries()) {
      const message = await nextMessage('parts');
      assertPlainMessage(message);
      const { inspection, frame } = message;
      assert.equal(inspection?.part.id, `S-1/${index + 1}`);
      assert.equal(inspection.frame?.region, name);
      assert.deepEqual(inspection.frame.box?.slice(0, 2), points[0]);
      assert.deepEqual([frame?.width, frame?.height], inspection.frame.box?.slice(2));
      assert.deepEqual(message['order'], { id: 7 });
    }
  });

  it('ends the part whose region the picture does not hold in its error, and sends the others', async () => {
    const regions = [rectangle('in', 0, 16), rectangle('out', 500, 16)];
    await load([register], flow({ ...snapshot(), regions }));
    const failure = once(node('camera'), 'call:error') as Promise<[{ args: [CodedError, Message] }]>;
    node('camera').receive({ partId: 'S-1' });
    assert.equal((await nextMessage('parts')).inspection?.part.id, 'S-1/1');
    const [error, message] = (await failure)[0].args;
    assert.deepEqual([error.code, message.inspection?.part.id], ['REGION_OUTSIDE', 'S-1/2']);
  });

  it('takes its station down the ladder when the picture stands still', async () => {
    const steps: unknown[] = [];
    const nextPart = (part: { id?: string } = {}) =>
      Promise.resolve(openInspection({ station: 'press 4', sequence: 1, deadlineMs: 700, ...part }));
    const degrade = (mode: string, { code }: { code: string }) => steps.push([mode, code]);
    const withStation = (camera_: Record<string, unknown>): Parameters<typeof load>[1] => [
      { id: 'station', type: 'inspection-station' },
      ...flow({ ...snapshot(), station: 'station', ...camera_ }),
    ];
    const look = async (times: number): Promise<string[][]> => {
      const findings: string[][] = [];
      for (let count = 0; count < times; count += 1) {
        node('camera').receive({});
        findings.push((await nextMessage('parts')).inspection?.frame?.health?.findings ?? []);
      }
      return findings;
    };
    await load([stationStandIn({ nextPart, degrade }), register], withStation({}));
    assert.deepEqual(await look(3), [[], ['frozen'], ['frozen']]);
    assert.deepEqual(steps, []);
    await look(3);
    assert.deepEqual(steps, [['CONSERVATIVE', 'CAMERA_UNWELL']]);
    await unload();

    await load([stationStandIn({ nextPart, degrade }), register], withStation({ healthTrips: false }));
    await look(6);
    assert.equal(steps.length, 1);
  });

  it('signs in with the credentials of the node', async () => {
    camera.signIn = 'digest';
    await load([register], flow(snapshot()), { camera: { user: 'inspector', password: 's3cret"' } });
    node('camera').receive({});
    assert.ok(Frame.isFrame((await nextMessage('parts')).frame));
  });

  const failures: Record<string, [code: string, arrange: () => void | Promise<void>]> = {
    'the camera is away': ['CAMERA_LOST', () => camera.kill()],
    'the camera does not answer': ['CAPTURE_TIMEOUT', () => void (camera.frozen = true)],
    'the image breaks off': ['IMAGE_TRUNCATED', () => void (camera.truncateAt = 200)],
    'what comes is no image': ['IMAGE_INVALID', () => void (camera.image = Buffer.from('no image'))],
    'the image cannot be decoded': [
      'IMAGE_INVALID',
      () => void (camera.image = Buffer.concat([image.subarray(0, 180), Buffer.from([0xff, 0xd9])])),
    ],
  };
  for (const [situation, [code, arrange]] of Object.entries(failures)) {
    it(`ends a trigger in ${code} with its part on the message when ${situation}`, async () => {
      await load([register], flow({ ...snapshot(), timeoutMs: '200' }));
      await arrange();
      node('camera').receive({ partId: 'SN-1' });
      const caught = await nextMessage('caught');
      assert.equal(codeOf(caught), code);
      assert.equal(caught.inspection?.part.id, 'SN-1');
      assert.equal(caught.frame, undefined);
      assertPlainMessage(caught.inspection);
    });
  }

  it('refuses a part id that is none, but still says which part it made of it', async () => {
    await load([register], flow(snapshot()));
    node('camera').receive({ partId: { id: 1 } });
    const caught = await nextMessage('caught');
    assert.equal(codeOf(caught), 'PART_ID_INVALID');
    assert.equal(typeof caught.inspection?.part.id, 'string');
  });

  it('makes every frame of a stream a part, and a broken one the failure of its part', async () => {
    await load([register], flow({ ...stream(), trigger: 'frame', watchdog: false }));
    await camera.streaming();
    for (const id of ['A1', 'A2']) {
      camera.send(image, id);
      const message = await nextMessage('parts');
      assertPlainMessage(message);
      assert.equal(message.inspection?.part.id, id);
    }
    camera.send(image.subarray(0, 200), 'A3');
    const caught = await nextMessage('caught');
    assert.deepEqual([codeOf(caught), caught.inspection?.part.id], ['IMAGE_TRUNCATED', 'A3']);
    camera.send(image, 'A4');
    const last = await nextMessage('parts');
    assert.equal(last.inspection?.part.id, 'A4');
    assert.equal(last.inspection.frame?.health?.frozen, true);
  });

  it('makes every new file of a folder a part', async () => {
    await load(
      [register],
      flow({ source: 'folder', folder, folderMode: 'watch', trigger: 'frame', partIdFromName: true }),
    );
    const first = nextMessage('parts');
    let message: Message | undefined;
    // one that lies there when the node first looks into the folder is not new
    for (let file = 1; message === undefined; file += 1) {
      await writeFile(join(folder, `SN-${file}.jpg`), image);
      message = await Promise.race([first, sleep(1000, undefined)]);
    }
    assert.match(String(message.inspection?.part.id), /^SN-\d+$/);
    assert.equal(message.topic, folder.split('/').at(-1));
  });

  it('captures at an interval, reports a lost camera once per outage, and goes on when it is back', async () => {
    await load([register], flow({ ...snapshot(), trigger: 'interval', intervalMs: '20' }));
    await nextMessage('parts');
    const reported: (string | undefined)[] = [];
    node('caught').on('input', (message: Message) => reported.push(codeOf(message)));
    for (let outage = 1; outage <= 2; outage += 1) {
      const caught = nextMessage('caught');
      await camera.kill();
      await caught;
      const before = reported.length;
      // Several beats find no camera; a manual trigger has its own outcome.
      node('camera').receive({ partId: 'by hand' });
      assert.equal((await nextMessage('caught')).inspection?.part.id, 'by hand');
      assert.equal(reported.length, before + 1);
      await camera.start();
      await nextMessage('parts');
    }
    assert.deepEqual(reported, ['CAMERA_LOST', 'CAMERA_LOST', 'CAMERA_LOST', 'CAMERA_LOST']);
  });

  it('reports a stream that is lost, with nobody asking', async () => {
    await load([register], flow({ ...stream(), trigger: 'frame' }));
    await camera.streaming();
    camera.send();
    await nextMessage('parts');
    const caught = nextMessage('caught');
    await camera.kill();
    assert.equal(codeOf(await caught), 'CAMERA_LOST');
  });

  it('ends a trigger that waits for its frame when the node is closed, and leaves no connection', async () => {
    await load([register], flow(stream()));
    await camera.streaming();
    const [response] = camera.streams;
    const closed = new Promise((resolve) => response?.on('close', resolve));
    node('camera').receive({ partId: 'SN-1' });
    await (node('camera') as unknown as { close(removed: boolean): Promise<void> }).close(true);
    await closed;
    assert.equal(camera.streams.size, 0);
  });

  const wrong: Record<string, Record<string, unknown>> = {
    'has no folder': { source: 'folder', folder: '' },
    'has an address that is none': { source: 'http-snapshot', url: 'camera' },
    'has a password in its address': { source: 'http-mjpeg', url: 'http://a:b@127.0.0.1/' },
    'waits for frames of a camera that sends none by itself': {
      source: 'http-snapshot',
      url: 'http://127.0.0.1/',
      trigger: 'frame',
    },
    'has a station that is not there': {
      source: 'folder',
      folder: tmpdir(),
      folderMode: 'cycle',
      station: 'x',
    },
  };
  for (const [fault, config] of Object.entries(wrong)) {
    it(`ends every input in CONFIG_INVALID when it ${fault}`, async () => {
      await load([register], flow(config));
      node('camera').receive({});
      assert.equal(codeOf(await nextMessage('caught')), 'CONFIG_INVALID');
    });
  }
});
