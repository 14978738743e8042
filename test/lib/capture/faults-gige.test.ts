/** What happens to triggers when a GigE camera dies, freezes, restarts or is shouted at, and when it is back. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { gigeSource, type GigeOptions } from '../../../lib/capture/gige.ts';
import type { MediaSource } from '../../../lib/capture/media-source.ts';
import type { CapturedImage } from '../../../lib/capture/source.ts';
import { never, pixelsOf, startAndWait } from '../../support/captured.ts';
import { held, Triggers, within } from '../../support/faults.ts';
import { pause } from '../../support/ordeal.ts';
import { ADDRESS, GigeCamera, requireGige, shiftOf, SMALL } from '../../support/gige-camera.ts';

const RECOVERY_MS = 5000;
/** The watchdog barks after 2 s. Aravis itself gives up a silent camera after 6 s (measured), after this limit. */
const NOTICED_MS = 4500;
/** How long the camera stays under the control of a process that is gone: 3.07 s measured. */
const HEARTBEAT_MS = 3000;
const TIMEOUT_MS = 3000;
const CYCLES = 100;

async function isRamp(image: CapturedImage): Promise<boolean> {
  const pixels = await pixelsOf(image);
  return shiftOf(image, (x, y, place) => pixels[y * image.width + x] === place) !== undefined;
}

/** The UDP ports a process listens on. */
function portsOf(pid: number): number[] {
  const folder = `/proc/${pid}/fd`;
  const inodes = new Set(
    readdirSync(folder).map((file) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${file}`))?.[1]),
  );
  return readFileSync(`/proc/${pid}/net/udp`, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => inodes.has(fields[9]))
    .map((fields) => Number.parseInt(fields[1]?.split(':')[1] ?? '0', 16));
}

describe('faults of a GigE camera', function () {
  this.timeout(120_000);
  let camera: GigeCamera;
  let source: MediaSource | undefined;

  const open = (options: Partial<GigeOptions> = {}): MediaSource => {
    source = gigeSource({
      camera: ADDRESS,
      cameraTrigger: 'free-run',
      timeoutMs: TIMEOUT_MS,
      pixelFormat: 'Mono8',
      random: () => 1,
      ...SMALL,
      ...options,
    });
    return source;
  };

  before(function () {
    requireGige(this);
  });
  beforeEach(async () => {
    camera = new GigeCamera();
    await camera.start();
  });
  afterEach(async () => {
    await source?.close();
    source = undefined;
    camera.thaw();
    await camera.kill();
  });

  for (const cameraTrigger of ['free-run', 'software'] as const) {
    describe(`(${cameraTrigger})`, () => {
      it('killed: is lost within seconds, and back within five seconds, however long it was away', async () => {
        const watcher = await startAndWait(open({ cameraTrigger }));
        const triggers = new Triggers(source as MediaSource, isRamp);
        await pause(300);
        await camera.kill();
        const error = await within(watcher.outages(1), NOTICED_MS, 'to notice');
        assert.equal(error.code, 'CAMERA_LOST');
        // Attempts come 0.5, 1, 2, 4 s apart and take 2.5 s each: after 10 s the next is seconds away.
        await pause(10_000);
        await camera.start();
        await within(watcher.restoredTimes(2), RECOVERY_MS, 'the way back');
        await pause(300);
        assert.deepEqual(await triggers.stop(), ['CAMERA_LOST', 'image']);
        assert.equal(triggers.outcomes.length, triggers.sent);
        assert.equal(triggers.outcomes.at(-1), 'image');
      });

      it('frozen: is lost within seconds, and back within five seconds after it thaws', async () => {
        const watcher = await startAndWait(open({ cameraTrigger }));
        const triggers = new Triggers(source as MediaSource, isRamp);
        await pause(300);
        camera.freeze();
        const error = await within(watcher.outages(1), NOTICED_MS, 'to notice');
        assert.equal(error.code, 'CAMERA_LOST');
        await pause(6000);
        camera.thaw();
        await within(watcher.restoredTimes(2), RECOVERY_MS, 'the way back');
        await pause(300);
        assert.deepEqual(await triggers.stop(), ['CAMERA_LOST', 'image']);
        assert.equal(triggers.outcomes.length, triggers.sent);
        assert.equal(triggers.outcomes.at(-1), 'image');
      });

      it('restarted: comes back set as it was asked', async () => {
        const watcher = await startAndWait(open({ cameraTrigger }));
        await camera.kill();
        await camera.start();
        await within(watcher.outages(1), NOTICED_MS, 'to notice');
        await within(watcher.restoredTimes(2), RECOVERY_MS, 'the way back');
        const { width } = await (source as MediaSource).grab(never);
        assert.equal(width, SMALL.sensorWidth);
      });
    });
  }

  for (const [what, fail] of [
    ['killed', () => camera.kill()],
    [
      'frozen',
      () => {
        camera.freeze();
        return Promise.resolve();
      },
    ],
  ] as const) {
    it(`${what}: would not be noticed in time without the watchdog`, async () => {
      const watcher = await startAndWait(open({ watchdog: false }));
      await fail();
      await assert.rejects(within(watcher.outages(1), NOTICED_MS, 'to notice'), /took longer/);
    });
  }

  it('is back within five seconds after it has let go of a process that was killed', async () => {
    const watcher = await startAndWait(open());
    const triggers = new Triggers(source as MediaSource, isRamp);
    await pause(300);
    process.kill((source as MediaSource).pid ?? 0, 'SIGKILL');
    await within(watcher.outages(1), NOTICED_MS, 'to notice');
    await within(watcher.restoredTimes(2), HEARTBEAT_MS + RECOVERY_MS, 'the way back');
    await triggers.stop();
    assert.equal(triggers.outcomes.length, triggers.sent);
    assert.ok(!triggers.outcomes.includes('wrong image'));
  });

  // Aravis 0.8.26 can be brought down so: a forged header makes it ask for more memory than there is.
  it('gives no trigger rubbish that somebody sends to where its frames arrive, and is back soon', async () => {
    const watcher = await startAndWait(open());
    const ports = portsOf((source as MediaSource).pid ?? 0);
    assert.ok(ports.length >= 2, 'control and stream');
    const triggers = new Triggers(source as MediaSource, isRamp);
    const shouter = createSocket('udp4');
    for (let round = 0; round < 200; round += 1) {
      for (const port of ports) shouter.send(randomBytes(1 + ((round * 37) % 8000)), port, ADDRESS);
      await pause(5);
    }
    shouter.close();
    await pause(200);
    await within(
      watcher.restoredTimes(watcher.errors.length + 1),
      HEARTBEAT_MS + RECOVERY_MS,
      'the way back',
    );
    await pause(300);
    await triggers.stop();
    assert.equal(triggers.outcomes.length, triggers.sent);
    assert.ok(!triggers.outcomes.includes('wrong image'));
    assert.equal(triggers.outcomes.at(-1), 'image');
  });

  it(`can be opened and closed ${CYCLES} times, and nothing is left behind`, async () => {
    await startAndWait(open());
    await source?.close();
    const before = held();
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      // A camera that was not given back would be refused to the next one.
      await startAndWait(open());
      assert.ok(await isRamp(await (source as MediaSource).grab(never)));
      if (cycle === 0) assert.equal(held().children, before.children + 1, 'the count sees one camera');
      await source?.close();
    }
    const after = held();
    assert.equal(after.children, before.children);
    assert.ok(after.descriptors <= before.descriptors + 1, `${before.descriptors} → ${after.descriptors}`);
  });
});
