import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CaptureError } from '../../../lib/capture/errors.ts';
import { checkGige, gigeSource, listGigeCameras, type GigeOptions } from '../../../lib/capture/gige.ts';
import type { MediaSource } from '../../../lib/capture/media-source.ts';
import type { CapturedImage } from '../../../lib/capture/source.ts';
import { never, pixelsOf, startAndWait, Watcher } from '../../support/captured.ts';
import { ADDRESS, GigeCamera, jet, requireGige, shiftOf, SMALL } from '../../support/gige-camera.ts';

/** True where the picture is a ramp of the camera, every pixel of it. */
async function isGrayRamp(image: CapturedImage): Promise<boolean> {
  const pixels = await pixelsOf(image);
  return shiftOf(image, (x, y, place) => pixels[y * image.width + x] === place) !== undefined;
}

describe('a GigE camera', function () {
  this.timeout(30_000);
  let camera: GigeCamera;
  const sources: MediaSource[] = [];

  const open = (options: Partial<GigeOptions> = {}): MediaSource => {
    const source = gigeSource({
      camera: ADDRESS,
      cameraTrigger: 'free-run',
      timeoutMs: 5000,
      pixelFormat: 'Mono8',
      ...SMALL,
      ...options,
    });
    sources.push(source);
    return source;
  };
  const start = async (options: Partial<GigeOptions> = {}): Promise<MediaSource> => {
    const source = open(options);
    await startAndWait(source);
    return source;
  };
  /** Why a camera set like this is refused. */
  const refusal = async (options: Partial<GigeOptions>): Promise<string> => {
    const watcher = new Watcher();
    const source = open(options);
    await source.start(watcher);
    const error = await watcher.outages(1);
    await source.close();
    assert.equal(error.code, 'CAMERA_REFUSED');
    return error.message;
  };
  const closeAll = async (): Promise<void> => {
    await Promise.all(sources.splice(0).map((source) => source.close()));
  };

  before(function () {
    requireGige(this);
  });

  describe('in good order', () => {
    before(async () => {
      camera = new GigeCamera();
      await camera.start();
    });
    afterEach(closeAll);
    after(async () => {
      await camera.kill();
    });

    it('is listed with id, maker, model, serial number and address', async () => {
      assert.deepEqual(await listGigeCameras(), [
        { id: camera.id, name: 'Aravis Fake', address: ADDRESS, serial: camera.serial },
      ]);
    });

    for (const [what, name] of [
      ['address', () => ADDRESS],
      ['id', () => camera.id],
      ['serial number', () => camera.serial],
      ['being the first that answers', () => ''],
    ] as const) {
      it(`is found by its ${what}`, async () => {
        const source = await start({ camera: name() });
        assert.equal((await source.grab(never)).width, 320);
      });
    }

    it('that does not answer is lost, and what answers is named', async () => {
      const watcher = new Watcher();
      await open({ camera: 'Basler-acA1300-23' }).start(watcher);
      const error = await watcher.outages(1);
      assert.equal(error.code, 'CAMERA_LOST');
      assert.match(error.message, /Basler-acA1300-23.*found: Aravis-Fake-JIDOKA01/);
    });

    it('gives gray pixels from Mono8, and never the same frame twice', async () => {
      const source = await start();
      const images = [await source.grab(never), await source.grab(never), await source.grab(never)];
      for (const image of images) {
        assert.deepEqual([image.format, image.width, image.height], ['gray', 320, 240]);
        assert.ok(await isGrayRamp(image));
      }
      const times = images.map(({ capturedAt }) => capturedAt.getTime());
      assert.ok((times[0] as number) < (times[1] as number) && (times[1] as number) < (times[2] as number));
      assert.ok(Date.now() - (times[2] as number) < 1000);
    });

    it('gives RGB pixels from RGB8', async () => {
      const source = await start({ pixelFormat: 'RGB8' });
      const image = await source.grab(never);
      assert.equal(image.format, 'rgb');
      const pixels = await pixelsOf(image);
      const isRight = (x: number, y: number, place: number): boolean =>
        jet(place).every((value, channel) => pixels[(y * 320 + x) * 3 + channel] === value);
      assert.notEqual(shiftOf(image, isRight), undefined);
    });

    for (const [sensorWidth, sensorHeight] of [
      [320, 240],
      [301, 201],
      [302, 200],
    ] as const) {
      it(`puts the colours of a Bayer mosaic where they belong (${sensorWidth} x ${sensorHeight})`, async () => {
        const source = await start({ pixelFormat: 'BayerRG8', sensorWidth, sensorHeight });
        const image = await source.grab(never);
        assert.deepEqual([image.format, image.width, image.height], ['rgb', sensorWidth, sensorHeight]);
        const pixels = await pixelsOf(image);
        // The mosaic is known: the fake camera fills it with blue where BayerRG8 has red (first row,
        // first column) and with red where it has blue. So red of our picture is its blue there.
        const sampled = (x: number, y: number): { ours: number; its: number } => {
          if (x % 2 !== y % 2) return { ours: 1, its: 1 };
          return x % 2 === 0 ? { ours: 0, its: 2 } : { ours: 2, its: 0 };
        };
        const shift = shiftOf(image, (x, y, place) => {
          const { ours, its } = sampled(x, y);
          return pixels[(y * sensorWidth + x) * 3 + ours] === jet(place)[its];
        });
        assert.ok(shift !== undefined, 'the samples of the mosaic are not in the picture');
        // Between samples the colours are means of neighbours, which differ by at most 4 on the ramp.
        for (let y = 2; y < sensorHeight - 2; y += 1) {
          for (let x = 2; x < sensorWidth - 2; x += 1) {
            const place = (x + y + shift) % 255;
            if (place < 3 || place > 251) continue; // where the ramp begins again
            const [red, green, blue] = jet(place);
            const [r, g, b] = pixels.subarray((y * sensorWidth + x) * 3);
            const off = Math.max(
              Math.abs((r as number) - blue),
              Math.abs((g as number) - green),
              Math.abs((b as number) - red),
            );
            assert.ok(off <= 5, `pixel ${x}, ${y} is off by ${off}`);
          }
        }
      });
    }

    it('is set as asked, and says what it is set to', async () => {
      let told: Readonly<Record<string, unknown>> = {};
      const source = await start({
        exposureUs: 1234,
        gain: 3,
        maxFps: 40,
        sensorX: 16,
        sensorY: 8,
        sensorWidth: 200,
        sensorHeight: 100,
        packetSize: 4000,
        settings: (settings) => (told = settings),
      });
      const { width, height } = await source.grab(never);
      assert.deepEqual([width, height], [200, 100]);
      const { AcquisitionFrameRate: fps, ...exact } = told;
      assert.ok(Math.abs((fps as number) - 40) < 0.1);
      assert.deepEqual(exact, {
        GevCurrentIPAddress: ADDRESS,
        DeviceModelName: 'Fake',
        PixelFormat: 'Mono8',
        OffsetX: 16,
        OffsetY: 8,
        Width: 200,
        Height: 100,
        ExposureTimeAbs: 1234,
        GainRaw: 3,
        GevSCPSPacketSize: 4000,
      });
    });

    for (const [options, message] of [
      [{ exposureUs: 1 }, 'ExposureTimeAbs cannot be 1: the camera takes 10 to 10000000'],
      [{ gain: 11 }, 'GainRaw cannot be 11: the camera takes whole numbers from 0 to 10'],
      [{ gain: 3.5 }, 'GainRaw cannot be 3.5: the camera takes whole numbers from 0 to 10'],
      [{ maxFps: 5000 }, 'AcquisitionFrameRate cannot be 5000: the camera takes 0.1 to 1000'],
      [{ sensorWidth: 4000 }, 'Width cannot be 4000: the camera takes whole numbers from 1 to 2048'],
      [{ sensorX: 2000 }, 'OffsetX 2000 and Width 320 go beyond the sensor, which has 2048'],
      [
        { packetSize: 8001 },
        'GevSCPSPacketSize cannot be 8001: the camera takes whole numbers from 220 to 16404 in steps of 4',
      ],
    ] as const) {
      it(`refuses ${JSON.stringify(options)} and says what it takes`, async () => {
        assert.equal(await refusal(options), message);
        // Nothing is left behind that would keep the camera from the next attempt.
        assert.ok(await isGrayRamp(await (await start({ exposureUs: 10_000, gain: 0 })).grab(never)));
      });
    }

    it('exposes once for each software trigger, and gives each the frame it caused', async () => {
      const source = await start({ cameraTrigger: 'software' });
      for (let trigger = 0; trigger < 5; trigger += 1) {
        const sentAt = Date.now();
        const image = await source.grab(never);
        assert.ok(await isGrayRamp(image));
        assert.ok(image.capturedAt.getTime() >= sentAt);
        const { triggerToFrameMs = Number.NaN } = image;
        assert.ok(triggerToFrameMs > 0 && triggerToFrameMs <= Date.now() - sentAt + 1);
      }
      const together = await Promise.all([source.grab(never), source.grab(never), source.grab(never)]);
      const times = together.map(({ capturedAt }) => capturedAt.getTime());
      assert.deepEqual(times, [...new Set(times)].sort());
    });

    it('never gives a trigger the frame of another that gave up', async () => {
      const source = await start({ cameraTrigger: 'software' });
      for (let round = 0; round < 5; round += 1) {
        const giveUp = new AbortController();
        const first = source.grab(giveUp.signal);
        await new Promise((resolve) => setTimeout(resolve, 5));
        giveUp.abort();
        await assert.rejects(first, { code: 'CLOSED' });
        const sentAt = Date.now();
        const { capturedAt } = await source.grab(never);
        assert.ok(capturedAt.getTime() >= sentAt);
      }
    });

    it('is refused to a second program, and free as soon as the first has closed it', async () => {
      const first = await start();
      const watcher = new Watcher();
      await open().start(watcher);
      const error = await watcher.outages(1);
      assert.equal(error.code, 'CAMERA_REFUSED');
      assert.match(error.message, /in use/);
      await first.close();
      await watcher.restoredTimes(1);
    });

    it('is free again within seconds after its program was killed', async () => {
      const program = new URL('../../support/gige-parent.ts', import.meta.url).pathname;
      const parent = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(line.toString());
      parent.kill('SIGKILL');
      const killedAt = performance.now();
      const watcher = new Watcher();
      await open({ random: () => 0 }).start(watcher);
      await watcher.restoredTimes(1);
      assert.ok(performance.now() - killedAt < 8000);
      assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    });
  });

  describe('on a bad network', () => {
    afterEach(async () => {
      await closeAll();
      await camera.kill();
    });

    it('never shows a frame that misses a packet', async () => {
      camera = new GigeCamera({ lostPerMille: 20 });
      await camera.start();
      // As the fast camera it is here: 100 frames of 12 packets, a fifth of them broken.
      const source = await start({ maxFps: 100 });
      for (let frame = 0; frame < 40; frame += 1) assert.ok(await isGrayRamp(await source.grab(never)));
    });

    it('tells the trigger whose frame came broken, and goes on', async () => {
      camera = new GigeCamera({ lostPerMille: 40 });
      await camera.start();
      const source = await start({ cameraTrigger: 'software', maxFps: 100 });
      const outcomes = new Set<string>();
      for (let trigger = 0; trigger < 30; trigger += 1) {
        try {
          outcomes.add((await isGrayRamp(await source.grab(never))) ? 'whole' : 'not a frame');
        } catch (error) {
          outcomes.add((error as CaptureError).code);
        }
      }
      assert.deepEqual([...outcomes].sort(), ['IMAGE_TRUNCATED', 'whole']);
    });

    it('is lost with a reason when nothing but broken frames comes', async () => {
      camera = new GigeCamera({ lostPerMille: 900 });
      await camera.start();
      const watcher = new Watcher();
      await open().start(watcher);
      const error = await watcher.outages(1);
      assert.equal(error.code, 'CAMERA_LOST');
      assert.match(error.message, /only broken frames/);
      assert.match(error.hint ?? '', /rmem_max/);
    });
  });

  describe('that lacks a feature', () => {
    afterEach(async () => {
      await closeAll();
      await camera.kill();
    });

    for (const [feature, options] of [
      ['TriggerSoftware', { cameraTrigger: 'software' }],
      ['ExposureTime', { exposureUs: 1000 }],
      ['Gain', { gain: 1 }],
      ['AcquisitionFrameRate', { maxFps: 10 }],
    ] as const) {
      it(`is refused with the name of the feature: ${feature}`, async () => {
        camera = new GigeCamera({
          describe: (xml) => xml.replace(new RegExp(`Name="${feature}(?:Abs|Raw)?"`, 'g'), 'Name="Other"'),
        });
        await camera.start();
        assert.match(await refusal(options), new RegExp(`the camera has no ${feature}, `));
      });
    }

    it('is refused with the pixel formats it has', async () => {
      camera = new GigeCamera({
        // Mono12 and RGB10 by their codes, and for ever set to Mono16.
        describe: (xml) =>
          xml
            .replace('<Value>17301505<', '<Value>17825797<')
            .replace('<Value>35127316<', '<Value>36700184<')
            .replace('<pValue>PixelFormatRegister</pValue>', '<Value>17825799</Value>'),
      });
      await camera.start();
      assert.equal(
        await refusal({ pixelFormat: 'Mono8' }),
        'PixelFormat cannot be Mono8: of what the camera has we read BayerRG8, BayerGR8, BayerGB8, BayerBG8',
      );
      assert.match(await refusal({ pixelFormat: undefined }), /PixelFormat is Mono16, which is not read/);
    });
  });
});

describe('the settings of a GigE camera', () => {
  it('may all be left as they are', () => {
    assert.doesNotThrow(() => checkGige({ camera: '' }));
  });

  for (const [name, value] of [
    ['camera', 'a\nb'],
    ['camera', 'x'.repeat(129)],
    ['pixelFormat', 'Mono16'],
    ['exposureUs', 0],
    ['exposureUs', Number.NaN],
    ['gain', Number.POSITIVE_INFINITY],
    ['sensorX', -1],
    ['sensorWidth', 0],
    ['sensorHeight', 10.5],
    ['maxFps', -5],
    ['packetSize', 1.5],
  ] as const) {
    it(`are refused before anything is opened: ${name} ${JSON.stringify(value).slice(0, 20)}`, () => {
      const options = { camera: '', [name]: value } as Parameters<typeof checkGige>[0];
      assert.throws(() => checkGige(options), { code: 'CAMERA_REFUSED' });
    });
  }
});
