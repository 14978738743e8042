/** MQTT cameras through every fault, on the real clock. The control of each lacks the guard and must fail. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { connect, type MqttClient } from 'mqtt';
import { MqttSource } from '../../../lib/capture/mqtt.ts';
import { testImage } from '../../support/camera-server.ts';
import { FaultyLink, type Fault } from '../../support/faulty-link.ts';
import { Mosquitto, mosquittoInstalled, MqttBroker, requireMosquitto } from '../../support/mqtt-broker.ts';
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
/** A message that trickles in is given up after ten seconds, and noise may look like the beginning of one. */
const LONG_OUTAGES_MS = [12_000, 13_500];
const FAULTS: Fault[] = ['kill', 'freeze', 'slow-loris', 'garbage'];
const MOSQUITTO_FAULTS = ['kill', 'freeze'] as const;
const MOSQUITTO_OUTAGES_MS = [5000, 6500];
const FRAME_MS = 50;
const RECONNECTS = 100;

describe('MQTT cameras under faults', function () {
  this.timeout(60_000);
  let image: Buffer;
  let held: Holdings;
  const survived = new Map<string, Aftermath[]>();
  const controls = new Map<string, Aftermath[]>();

  const sourceAt = (port: number, silenceMs?: number): MqttSource =>
    new MqttSource({
      url: `mqtt://127.0.0.1:${port}`,
      topic: 'cams/{partId}',
      timeoutMs: TIMEOUT_MS,
      watchdog: false,
      ...(silenceMs === undefined ? {} : { silenceMs }),
    });

  async function brokerBehindLink(): Promise<{ link: FaultyLink; close: () => Promise<void> }> {
    const broker = new MqttBroker();
    await broker.start();
    let part = 0;
    const frames = setInterval(() => {
      part += 1;
      broker.publish(`cams/${part}`, image).catch(() => undefined);
    }, FRAME_MS);
    const link = new FaultyLink(broker.port);
    await link.open();
    const close = async (): Promise<void> => {
      clearInterval(frames);
      await link.close();
      await broker.kill();
    };
    return { link, close };
  }

  async function linkOrdeal(fault: Fault, silenceMs?: number): Promise<Ordeal> {
    const { link, close } = await brokerBehindLink();
    const triggered = new TriggeredSource(sourceAt(link.port, silenceMs));
    return { triggered, break: () => link.break(fault), mend: () => link.mend(), close };
  }

  /** The broker itself is killed or stopped; the camera that publishes comes back to it by itself. */
  async function mosquittoOrdeal(fault: 'kill' | 'freeze'): Promise<Ordeal> {
    const mosquitto = await Mosquitto.start();
    const camera: MqttClient = connect(mosquitto.url, { reconnectPeriod: 200, queueQoSZero: false });
    camera.on('error', () => undefined);
    const frames = setInterval(() => {
      if (camera.connected) camera.publish('cams/1', image, () => undefined);
    }, FRAME_MS);
    return {
      triggered: new TriggeredSource(sourceAt(mosquitto.port)),
      break: () => (fault === 'kill' ? mosquitto.kill() : mosquitto.freeze()),
      mend: () => (fault === 'kill' ? mosquitto.run() : mosquitto.thaw()),
      close: async () => {
        clearInterval(frames);
        await camera.endAsync(true);
        await mosquitto.stop();
      },
    };
  }

  const all = (outagesMs: number[], ordeal: () => Promise<Ordeal>): Promise<Aftermath[]> =>
    Promise.all(
      outagesMs.map(async (outageMs) => suffer(await ordeal(), { outageMs, timeoutMs: TIMEOUT_MS })),
    );

  before(async () => {
    image = await testImage();
    // Once before, for what the process opens with its first connection and keeps.
    await all([0], () => linkOrdeal('kill'));
    held = await holdings();
    const mosquitto = MOSQUITTO_FAULTS.map(async (fault) => {
      if (!mosquittoInstalled()) return;
      survived.set(`mosquitto ${fault}`, await all(MOSQUITTO_OUTAGES_MS, () => mosquittoOrdeal(fault)));
    });
    // All at once: an outage is waiting, and nothing else.
    await Promise.all([
      ...mosquitto,
      ...FAULTS.map(async (fault) => {
        const outagesMs = fault === 'slow-loris' || fault === 'garbage' ? LONG_OUTAGES_MS : OUTAGES_MS;
        const [guarded, control] = await Promise.all([
          all(outagesMs, () => linkOrdeal(fault)),
          all(outagesMs.slice(0, 1), () => linkOrdeal(fault, Infinity)),
        ]);
        survived.set(fault, guarded);
        controls.set(fault, control);
      }),
    ]);
  });

  for (const fault of FAULTS) {
    it(`every trigger has one outcome through ${fault}, and an image 5 s after it at most`, () => {
      const aftermaths = survived.get(fault) ?? [];
      assert.ok(aftermaths.length > 1);
      assertSurvived(`MQTT ${fault}`, aftermaths, TIMEOUT_MS);
      assert.ok(
        aftermaths.every(({ noticedMs }) => noticedMs !== undefined),
        'the outage is announced',
      );
    });
  }

  // A reset tells by itself, and noise has no length that a packet may have: no guard of ours.
  for (const fault of ['freeze', 'slow-loris']) {
    it(`without watching the broker nobody notices ${fault}`, () => {
      const [control] = controls.get(fault) ?? [];
      assert.ok(control);
      assert.equal(control.noticedMs, undefined);
    });
  }

  for (const fault of MOSQUITTO_FAULTS) {
    it(`survives a mosquitto that goes through ${fault}`, function () {
      requireMosquitto(this);
      const aftermaths = survived.get(`mosquitto ${fault}`) ?? [];
      assert.equal(aftermaths.length, MOSQUITTO_OUTAGES_MS.length);
      assertSurvived(`mosquitto ${fault}`, aftermaths, TIMEOUT_MS);
      assert.ok(
        aftermaths.every(({ noticedMs }) => noticedMs !== undefined),
        'the outage is announced',
      );
    });
  }

  it('comes back a hundred times out of a hundred', async () => {
    const { link, close } = await brokerBehindLink();
    const events = new EventEmitter();
    const source = new MqttSource({
      url: `mqtt://127.0.0.1:${link.port}`,
      topic: 'cams/{partId}',
      timeoutMs: 10_000,
      watchdog: false,
      clock: fastClock(5),
      random: () => 0,
    });
    let restored = once(events, 'restored');
    await source.start({ lost: () => events.emit('lost'), restored: () => events.emit('restored') });
    await restored;
    for (let round = 0; round < RECONNECTS; round += 1) {
      const lost = once(events, 'lost');
      restored = once(events, 'restored');
      link.reset();
      await Promise.all([lost, restored]);
      await source.grab(new AbortController().signal);
    }
    await source.close();
    await close();
  });

  it('holds no file, socket or timer more than before', async () => {
    await assertNothingHeld(held);
  });
});
