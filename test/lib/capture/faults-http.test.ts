/** HTTP cameras through every fault, on the real clock. The control of each lacks the guard and must fail. */
import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { HttpMjpegSource } from '../../../lib/capture/http-mjpeg.ts';
import { HttpSnapshotSource } from '../../../lib/capture/http-snapshot.ts';
import { CameraServer, testImage } from '../../support/camera-server.ts';
import { FaultyLink, type Fault } from '../../support/faulty-link.ts';
import { assertNothingHeld, holdings, type Holdings } from '../../support/holdings.ts';
import {
  assertSurvived,
  fastClock,
  suffer,
  TriggeredSource,
  type Aftermath,
  type Ordeal,
} from '../../support/ordeal.ts';

const TIMEOUT_MS = 2000;
/** Long enough for the waits between attempts to have grown, and to meet them in different places. */
const OUTAGES_MS = [5000, 6300, 7100, 8400];
const FAULTS: Fault[] = ['kill', 'freeze', 'slow-loris', 'garbage'];
const NO_LIMIT_MS = 600_000;
const FRAME_MS = 50;
const RECONNECTS = 100;

describe('HTTP cameras under faults', function () {
  this.timeout(60_000);
  let image: Buffer;

  async function cameraBehindLink(): Promise<{ link: FaultyLink; close: () => Promise<void> }> {
    const camera = new CameraServer(image);
    await camera.start();
    const frames = setInterval(() => camera.send(), FRAME_MS);
    const link = new FaultyLink(Number(new URL(camera.url).port));
    await link.open();
    const close = async (): Promise<void> => {
      clearInterval(frames);
      await link.close();
      await camera.kill();
    };
    return { link, close };
  }

  type MakeSource = (port: number) => HttpMjpegSource | HttpSnapshotSource;

  async function ordeal(makeSource: MakeSource, fault: Fault): Promise<Ordeal> {
    const { link, close } = await cameraBehindLink();
    const triggered = new TriggeredSource(makeSource(link.port));
    return { triggered, break: () => link.break(fault), mend: () => link.mend(), close };
  }

  const mjpeg =
    (watchdog: boolean): MakeSource =>
    (port) =>
      new HttpMjpegSource({ url: `http://127.0.0.1:${port}/stream`, timeoutMs: TIMEOUT_MS, watchdog });
  const snapshot =
    (timeoutMs: number): MakeSource =>
    (port) =>
      new HttpSnapshotSource({ url: `http://127.0.0.1:${port}/snapshot`, timeoutMs });

  const outages = (makeSource: MakeSource, fault: Fault, outagesMs = OUTAGES_MS): Promise<Aftermath[]> =>
    Promise.all(
      outagesMs.map(async (outageMs) =>
        suffer(await ordeal(makeSource, fault), { outageMs, timeoutMs: TIMEOUT_MS }),
      ),
    );

  let held: Holdings;
  const survived = new Map<string, Aftermath[]>();
  const controls = new Map<string, Aftermath[]>();

  before(async () => {
    image = await testImage();
    // Once before, for what the process opens with its first connection and keeps.
    await outages(mjpeg(true), 'kill', [0]);
    held = await holdings();
    const [controlOutage = 0] = OUTAGES_MS;
    // All at once: an outage is waiting, and nothing else.
    await Promise.all(
      FAULTS.flatMap((fault) => [
        outages(mjpeg(true), fault).then((all) => survived.set(`MJPEG ${fault}`, all)),
        outages(snapshot(TIMEOUT_MS), fault).then((all) => survived.set(`snapshot ${fault}`, all)),
        outages(mjpeg(false), fault, [controlOutage]).then((all) => controls.set(`MJPEG ${fault}`, all)),
        outages(snapshot(NO_LIMIT_MS), fault, [controlOutage]).then((all) =>
          controls.set(`snapshot ${fault}`, all),
        ),
      ]),
    );
  });

  for (const kind of ['MJPEG', 'snapshot']) {
    for (const fault of FAULTS) {
      it(`${kind}: every trigger has one outcome through ${fault}, and an image 5 s after it at most`, () => {
        const aftermaths = survived.get(`${kind} ${fault}`) ?? [];
        assert.equal(aftermaths.length, OUTAGES_MS.length);
        assertSurvived(`${kind} ${fault}`, aftermaths, TIMEOUT_MS);
        assert.ok(
          aftermaths.every(({ noticedMs }) => noticedMs !== undefined),
          'the outage is announced',
        );
      });
    }
  }

  // Noise breaks the chunks of the answer, which the HTTP parser notices by itself: no guard of ours.
  for (const fault of ['freeze', 'slow-loris']) {
    it(`MJPEG without its watchdog never notices ${fault}`, () => {
      const [control] = controls.get(`MJPEG ${fault}`) ?? [];
      assert.ok(control);
      assert.equal(control.noticedMs, undefined);
    });
  }

  for (const fault of ['freeze', 'slow-loris']) {
    it(`snapshot without its time limit leaves triggers without an outcome through ${fault}`, () => {
      const [control] = controls.get(`snapshot ${fault}`) ?? [];
      assert.ok(control);
      assert.ok(control.forgotten > 0);
      assert.throws(() => assertSurvived(`snapshot ${fault}, no time limit`, [control], TIMEOUT_MS));
    });
  }

  it('comes back a hundred times out of a hundred', async () => {
    const { link, close } = await cameraBehindLink();
    const events = new EventEmitter();
    const url = `http://127.0.0.1:${link.port}`;
    const stream = new HttpMjpegSource({
      url: `${url}/stream`,
      timeoutMs: 10_000,
      watchdog: true,
      clock: fastClock(5),
      random: () => 0,
    });
    const single = new HttpSnapshotSource({ url: `${url}/snapshot`, timeoutMs: 5000 });
    await single.start({ lost: () => undefined, restored: () => undefined });
    let restored = once(events, 'restored');
    await stream.start({
      lost: () => events.emit('lost'),
      restored: () => events.emit('restored'),
    });
    await restored;
    const { signal } = new AbortController();
    for (let round = 0; round < RECONNECTS; round += 1) {
      const lost = once(events, 'lost');
      restored = once(events, 'restored');
      link.reset();
      await Promise.all([lost, restored]);
      await Promise.all([stream.grab(signal), single.grab(signal)]);
    }
    await Promise.all([stream.close(), single.close()]);
    await close();
  });

  it('holds no file, socket or timer more than before', async () => {
    await assertNothingHeld(held);
  });
});
