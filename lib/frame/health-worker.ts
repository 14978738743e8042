/**
 * The thread that measures the health of frames, one at a time for all cameras of the process, so that
 * Node-RED's own thread neither decodes nor counts pixels.
 */
import { parentPort } from 'node:worker_threads';
import { asCodedError } from '../errors.ts';
import { Baseline } from './baseline.ts';
import { HealthGauge } from './health-gauge.ts';
import type { FromHealthWorker, Pixels, ToHealthWorker } from './health-protocol.ts';
import { readPixels } from './slots.ts';

if (parentPort === null) throw new Error('this file is a worker');
const port = parentPort;
const gauges = new Map<number, HealthGauge>();
let shared: Buffer = Buffer.alloc(0);
let last: Promise<void> = Promise.resolve();

/** Pixels in shared memory are good until the next call. */
function bytesOf(pixels: Pixels): Buffer {
  if ('bytes' in pixels) return Buffer.from(pixels.bytes.buffer);
  const bytes = readPixels(pixels, shared);
  if (bytes.length > shared.length) shared = bytes;
  return bytes;
}

async function measure({ id, gauge, picture }: ToHealthWorker & { type: 'measure' }): Promise<void> {
  let answer: FromHealthWorker;
  try {
    const { pixels, ...rest } = picture;
    const found = gauges.get(gauge) as HealthGauge;
    const { learned, ...measurement } = await found.measure({ ...rest, bytes: bytesOf(pixels) });
    const text = learned === undefined ? {} : { learned: learned.toText() };
    answer = { type: 'measured', id, ...measurement, ...text };
  } catch (error) {
    const { code, message } = asCodedError(error, 'HEALTH_FAILED');
    answer = { type: 'failed', id, code, message };
  }
  port.postMessage(answer);
}

port.on('message', (message: ToHealthWorker) => {
  if (message.type === 'measure') {
    last = last.then(() => measure(message));
  } else if (message.type === 'open') {
    const { gauge, baseline, learn } = message;
    gauges.set(
      gauge,
      new HealthGauge(baseline === undefined ? undefined : Baseline.fromText(baseline), learn),
    );
  } else {
    gauges.delete(message.gauge);
  }
});
