import assert from 'node:assert/strict';
import { Camera, type CameraOptions } from '../../../lib/capture/camera.ts';
import { CaptureError } from '../../../lib/capture/errors.ts';
import type {
  CameraSource,
  CapturedImage,
  FailedImage,
  SourceListener,
} from '../../../lib/capture/source.ts';
import { bytesOf, type Frame } from '../../../lib/frame/frame.ts';
import type { Region } from '../../../lib/frame/region.ts';
import { openInspection, type Inspection } from '../../../lib/inspection/inspection.ts';

const WIDTH = 8;
const HEIGHT = 4;

/** Grey rows that count upwards. */
function image(details: Partial<CapturedImage> = {}): CapturedImage {
  const bytes = Buffer.from(Array.from({ length: WIDTH * HEIGHT }, (_, index) => index + 1));
  return { bytes, format: 'gray', width: WIDTH, height: HEIGHT, capturedAt: new Date(), ...details };
}

/** A source whose pictures the test gives. */
class Source implements CameraSource {
  readonly name = 'cam';
  listener: SourceListener | undefined;
  next: CapturedImage | CaptureError = image();

  start(listener: SourceListener): Promise<void> {
    this.listener = listener;
    return Promise.resolve();
  }

  grab(): Promise<CapturedImage> {
    return this.next instanceof CaptureError ? Promise.reject(this.next) : Promise.resolve(this.next);
  }

  bring(captured: CapturedImage | FailedImage): void {
    void ('error' in captured ? this.listener?.failed?.(captured) : this.listener?.image?.(captured));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const rectangle = (name: string, left: number, top: number, width: number, height: number): Region => ({
  name,
  kind: 'part',
  points: [
    [left, top],
    [left + width, top],
    [left + width, top + height],
    [left, top + height],
  ],
});

function camera(source: Source, regions: Region[] = [], options: Partial<CameraOptions> = {}): Camera {
  let sequence = 0;
  return new Camera({
    source,
    name: 'cam-top',
    trigger: 'message',
    intervalMs: 1000,
    whenBusy: 'latest-wins',
    queueLength: 2,
    view: { rotate: 0, flip: 'none', regions, encode: 'captured', quality: 90 },
    meter: undefined,
    open: (part) => {
      sequence += 1;
      return Promise.resolve(openInspection({ station: 'press', sequence, deadlineMs: 900, ...part }));
    },
    ...options,
  });
}

const signal = new AbortController().signal;
const ids = (inspections: { inspection: Inspection }[]): string[] =>
  inspections.map(({ inspection }) => inspection.part.id);
const pixels = async (frame: Frame | undefined): Promise<number[]> =>
  frame === undefined ? [] : [...(await bytesOf(frame))];

describe('Camera', () => {
  let source: Source;

  beforeEach(() => {
    source = new Source();
  });

  it('gives a part its picture untouched, and says how old it was', async () => {
    source.next = image({ capturedAt: new Date(Date.now() - 250) });
    const { shots, failures } = await camera(source).take('SN-1', signal);
    assert.deepEqual([ids(shots), failures], [['SN-1'], []]);
    assert.deepEqual(await pixels(shots[0]?.frame), [...(image().bytes as Buffer)]);
    const age = shots[0]?.inspection.timings['age'] ?? 0;
    assert.ok(age >= 250 && age < 5000, String(age));
  });

  it('makes a part of each region, told apart by number, with its place in the picture', async () => {
    const regions = [rectangle('left', 0, 0, 2, 2), rectangle('right', 6, 2, 2, 2)];
    const { shots } = await camera(source, regions).take('SN-1', signal);
    assert.deepEqual(ids(shots), ['SN-1/1', 'SN-1/2']);
    const [left, right] = shots.map(({ inspection }) => inspection.frame);
    assert.deepEqual([left?.region, left?.box], ['left', [0, 0, 2, 2]]);
    assert.deepEqual([right?.region, right?.box], ['right', [6, 2, 2, 2]]);
    assert.deepEqual(await pixels(shots[0]?.frame), [1, 2, 9, 10]);
    assert.deepEqual(await pixels(shots[1]?.frame), [23, 24, 31, 32]);
  });

  it('takes the id the camera knows when the trigger names none', async () => {
    source.next = image({ partId: 'CAM-7' });
    const regions = [rectangle('left', 0, 0, 2, 2), rectangle('right', 6, 2, 2, 2)];
    assert.deepEqual(ids((await camera(source).take(undefined, signal)).shots), ['CAM-7']);
    assert.deepEqual(ids((await camera(source, regions).take('', signal)).shots), ['CAM-7/1', 'CAM-7/2']);
    assert.deepEqual(ids((await camera(source, regions).take(12, signal)).shots), ['12/1', '12/2']);
  });

  it('fails only the part whose region lies outside of the picture', async () => {
    const regions = [rectangle('in', 0, 0, 2, 2), rectangle('out', 20, 20, 4, 4)];
    const { shots, failures } = await camera(source, regions).take('A', signal);
    assert.deepEqual([ids(shots), ids(failures)], [['A/1'], ['A/2']]);
    assert.equal((failures[0]?.error as { code: string }).code, 'REGION_OUTSIDE');
  });

  it('fails every part of a trigger without a picture', async () => {
    source.next = new CaptureError('CAMERA_LOST', 'away');
    const regions = [rectangle('left', 0, 0, 2, 2), rectangle('right', 6, 2, 2, 2)];
    const { shots, failures } = await camera(source, regions).take('A', signal);
    assert.deepEqual([shots, ids(failures)], [[], ['A/1', 'A/2']]);
  });

  it('leaves a mask black in what goes on, and the picture it was painted on as it came', async () => {
    const came = image();
    source.next = came;
    const mask: Region = { ...rectangle('face', 0, 0, 8, 1), kind: 'mask' };
    const { shots } = await camera(source, [mask]).take('A', signal);
    assert.deepEqual((await pixels(shots[0]?.frame)).slice(0, 10), [0, 0, 0, 0, 0, 0, 0, 0, 9, 10]);
    assert.deepEqual(came.bytes, image().bytes);
  });

  it('counts what encoding saves', async () => {
    const big = { width: 64, height: 64, bytes: Buffer.alloc(64 * 64, 90) };
    source.next = image(big);
    const one = camera(source, [], {
      view: { rotate: 0, flip: 'none', regions: [], encode: 'jpeg', quality: 80 },
    });
    const { shots } = await one.take('A', signal);
    assert.equal(shots[0]?.frame.format, 'jpeg');
    assert.equal(one.counts.savedBytes, 64 * 64 - shots[0].frame.byteLength);
    assert.equal(one.counts.frames, 1);
  });

  it('turns a free image, and a failed one, into one outcome of a part each', async () => {
    const outcomes: unknown[] = [];
    const one = camera(source, [], { trigger: 'frame', whenBusy: 'block' });
    await one.start({
      shot: ({ inspection }) => outcomes.push(inspection.part.id),
      failed: (error, inspection) =>
        outcomes.push([(error as CaptureError).code, inspection?.part.id ?? 'none']),
      state: () => undefined,
    });
    source.bring(image({ partId: 'A' }));
    source.bring({ error: new CaptureError('IMAGE_TRUNCATED', 'broken'), partId: 'B' });
    source.bring(image({ partId: 'C' }));
    await new Promise((resolve) => setImmediate(resolve));
    await one.close();
    assert.deepEqual(outcomes, ['A', ['IMAGE_TRUNCATED', 'B'], 'C']);
  });

  it('holds up a source that keeps the newest frame itself, and only that', async () => {
    const pulled = Object.assign(new Source(), { isPulled: true });
    const pushed = new Source();
    for (const [one, isHeld] of [
      [pulled, true],
      [pushed, false],
    ] as const) {
      const user = camera(one, [], { trigger: 'frame' });
      await user.start({ shot: () => undefined, failed: () => undefined, state: () => undefined });
      assert.equal(one.listener?.image?.(image()) instanceof Promise, isHeld);
      await user.close();
    }
  });

  it('ends the parts that were opened when another of the same picture cannot be', async () => {
    const failed: unknown[] = [];
    let opened = 0;
    const regions = [rectangle('left', 0, 0, 2, 2), rectangle('right', 6, 2, 2, 2)];
    const one = camera(source, regions, {
      open: (part) => {
        opened += 1;
        if (opened === 2) return Promise.reject(new Error('the journal is full'));
        return Promise.resolve(openInspection({ station: 'press', sequence: 1, deadlineMs: 900, ...part }));
      },
    });
    await one.start({
      shot: () => undefined,
      failed: (error, inspection) => failed.push([(error as Error).message, inspection?.part.id]),
      state: () => undefined,
    });
    await assert.rejects(one.take('A', signal), /the journal is full/);
    assert.deepEqual(failed, [['the journal is full', 'A/1']]);
  });

  it('goes on with the next part when one cannot be handed on', async () => {
    const outcomes: unknown[] = [];
    const regions = [rectangle('left', 0, 0, 2, 2), rectangle('right', 6, 2, 2, 2)];
    const one = camera(source, regions, { trigger: 'frame' });
    await one.start({
      shot: ({ inspection }) => {
        if (inspection.frame?.region === 'left') throw new Error('no way on');
        outcomes.push(inspection.part.id);
      },
      failed: (error, inspection) => outcomes.push([(error as Error).message, inspection?.part.id]),
      state: () => undefined,
    });
    source.bring(image({ partId: 'A' }));
    while (outcomes.length < 2) await new Promise((resolve) => setImmediate(resolve));
    await one.close();
    assert.deepEqual(outcomes, [['no way on', 'A/1'], 'A/2']);
  });

  it('reports an outage once, and again after the camera was back', async () => {
    const reported: unknown[] = [];
    const one = camera(source, [], { trigger: 'frame' });
    await one.start({
      shot: () => undefined,
      failed: (error, inspection) => reported.push([(error as CaptureError).code, inspection]),
      state: () => undefined,
    });
    const away = new CaptureError('CAMERA_LOST', 'away');
    source.listener?.lost(away);
    source.listener?.lost(away);
    source.listener?.restored();
    source.listener?.lost(away);
    assert.deepEqual(reported, [
      ['CAMERA_LOST', undefined],
      ['CAMERA_LOST', undefined],
    ]);
    assert.equal(one.counts.outages, 3);
  });
});
