/**
 * `npm run bench:capture [-- --frames N --only SOURCE --json FILE]`: for each source, from the making
 * of a picture to the message of camera-capture in Node-RED, against the bare decoder or client in
 * the same run. Every source has its real counterpart: GStreamer's RTSP server, Aravis' GigE Vision
 * camera, an HTTP camera, an MQTT broker, a folder.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Aedes } from 'aedes';
import mqtt from 'mqtt';
import { CameraServer, testImage } from '../test/support/camera-server.ts';
import { GigeCamera } from '../test/support/gige-camera.ts';
import { RtspServer } from '../test/support/rtsp-server.ts';
import { wallMs, type CaptureAnswer, type CaptureOrder } from './capture-orders.ts';
import { quantile, report, type Figure } from './figures.ts';

const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '200' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
});
const frames = Number(values.frames);
/** Pictures a second of the sources whose pace is ours. */
const FPS = 20;
const SIZE = { width: 1280, height: 720 };

interface Source {
  order: Omit<CaptureOrder, 'frames'>;
  stop(): Promise<void> | void;
}

/** When a picture was made, as a part id. */
const stampNow = (): string => wallMs().toFixed(3);

function paced(send: () => void): () => void {
  const timer = setInterval(send, 1000 / FPS);
  return () => clearInterval(timer);
}

async function httpCamera(): Promise<CameraServer> {
  const camera = new CameraServer(await testImage(1, SIZE.width, SIZE.height));
  await camera.start();
  return camera;
}

const SOURCES: Record<string, () => Promise<Source>> = {
  async rtsp() {
    const server = new RtspServer(SIZE);
    await server.start();
    const camera = { source: 'rtsp', url: server.url('/h264'), trigger: 'frame', ...SIZE };
    return { order: { camera, stamp: 'pixels' }, stop: () => server.kill() };
  },
  async gige() {
    const size = { width: 256, height: 256 };
    const fake = new GigeCamera();
    await fake.start();
    const camera = {
      source: 'gige',
      camera: '',
      sensorX: '0',
      sensorY: '0',
      sensorWidth: String(size.width),
      sensorHeight: String(size.height),
      packetSize: '8000',
      trigger: 'frame',
      ...size,
    };
    return { order: { camera, stamp: 'capturedAt' }, stop: () => fake.kill() };
  },
  async 'http-snapshot'() {
    const server = await httpCamera();
    // made when the camera answers
    Object.defineProperty(server, 'partId', { get: stampNow });
    const camera = {
      source: 'http-snapshot',
      url: `${server.url}/snapshot`,
      trigger: 'interval',
      intervalMs: String(1000 / FPS),
    };
    return { order: { camera, stamp: 'partId' }, stop: () => server.kill() };
  },
  async 'http-mjpeg'() {
    const server = await httpCamera();
    const stop = paced(() => server.send(server.image, stampNow()));
    const camera = { source: 'http-mjpeg', url: `${server.url}/stream`, trigger: 'frame' };
    return {
      order: { camera, stamp: 'partId' },
      stop: async () => {
        stop();
        await server.kill();
      },
    };
  },
  async mqtt() {
    const aedes = await Aedes.createBroker();
    const server = createServer(aedes.handle);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const image = await testImage(1, SIZE.width, SIZE.height);
    const client = await mqtt.connectAsync(url);
    (client.stream as Socket).setNoDelay(true);
    const stop = paced(() => client.publish(`press/${stampNow()}`, image));
    const camera = { source: 'mqtt', url, topic: 'press/{partId}', trigger: 'frame', watchdog: false };
    return {
      order: { camera, stamp: 'partId' },
      stop: async () => {
        stop();
        await client.endAsync(true);
        await new Promise<void>((resolve) => aedes.close(resolve));
        server.close();
      },
    };
  },
  async folder() {
    const folder = mkdtempSync(join(tmpdir(), 'jidoka-bench-'));
    const image = await testImage(1, SIZE.width, SIZE.height);
    const stop = paced(() => {
      const made = stampNow();
      writeFileSync(join(folder, `.${made}`), image);
      renameSync(join(folder, `.${made}`), join(folder, `${made}.jpg`));
    });
    const camera = { source: 'folder', folder, folderMode: 'watch', partIdFromName: true, trigger: 'frame' };
    return {
      order: { camera, stamp: 'partId' },
      stop: () => {
        stop();
        rmSync(folder, { recursive: true });
      },
    };
  },
};

function measure(entry: string, order: CaptureOrder): Promise<CaptureAnswer> {
  const child = fork(join(import.meta.dirname, entry), { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${entry} ended with exit code ${code ?? -1}`)));
    child.once('message', (answer) => {
      resolve(answer as CaptureAnswer);
      child.kill('SIGTERM');
    });
    child.send(order);
  });
}

const ms = (value: number): string => value.toFixed(1);
const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

function figuresOf(name: string, flow: CaptureAnswer, floor: CaptureAnswer): Figure[] {
  const of = ({ latencies }: CaptureAnswer, share: number): number => quantile(latencies, share);
  const id = `capture.${name}`;
  const common = { better: 'lower' as const, goal: null };
  return [
    {
      ...common,
      id: `${id}.latency.p50`,
      value: of(flow, 0.5),
      unit: 'ms',
      goal: name === 'rtsp' ? 20 : null,
      detail: `bare ${ms(of(floor, 0.5))} ms`,
    },
    {
      ...common,
      id: `${id}.latency.p99`,
      value: of(flow, 0.99),
      unit: 'ms',
      detail: `bare ${ms(of(floor, 0.99))} ms`,
    },
    {
      ...common,
      id: `${id}.ratio`,
      value: of(flow, 0.5) / of(floor, 0.5),
      unit: '×',
      detail: 'p50 ÷ the bare p50',
    },
    {
      ...common,
      id: `${id}.firstFrame`,
      value: flow.firstMs,
      unit: 'ms',
      detail: `bare ${ms(floor.firstMs)} ms`,
    },
    {
      ...common,
      id: `${id}.cpu`,
      value: flow.cpuShare * 100,
      unit: '%',
      detail: `of one core, Node-RED and all; bare ${percent(floor.cpuShare)}`,
    },
  ];
}

const figures: Figure[] = [];
for (const [name, open] of Object.entries(SOURCES)) {
  if (values.only !== undefined && values.only !== name) continue;
  const source = await open();
  try {
    const order = { ...source.order, frames };
    const floor = await measure('capture-floor-process.ts', order);
    const flow = await measure('capture-flow-process.ts', order);
    figures.push(...figuresOf(name, flow, floor));
  } finally {
    await source.stop();
  }
}
report(`From the picture to the message, ${frames} frames for each source`, figures, values.json);
process.exit(0);
