/**
 * The thread that owns the journal's file, so that no commit (up to 44 ms, measured) holds up the
 * flow. Takes requests, answers them after their commit.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { asJournalError } from './journal-error.ts';
import type { FromWorker, Request, ToWorker, WorkerOptions } from './protocol.ts';
import { Recorder } from './recorder.ts';

const TICK_MS = 1000;

if (parentPort === null) throw new Error('this file is a worker');
const port = parentPort;
const options = workerData as WorkerOptions;

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function run(recorder: Recorder): void {
  let closing = false;
  const next = (): Request | undefined => {
    if (closing) return undefined;
    const received = receiveMessageOnPort(port) as { message: ToWorker } | undefined;
    if (received === undefined) return undefined;
    if (received.message !== 'close') return received.message;
    closing = true;
    return undefined;
  };
  const ticks = setInterval(() => recorder.tick(), TICK_MS);
  port.on('message', (message: ToWorker) => {
    if (message === 'close') closing = true;
    else recorder.serve(message, next);
    if (!closing) return;
    clearInterval(ticks);
    recorder.close();
    send({ type: 'closed' });
    port.close();
  });
}

try {
  run(new Recorder(options, send));
} catch (error) {
  const { code, message, hint } = asJournalError(error, options.folder);
  send({ type: 'refused', error: { code, message, hint } });
  port.close();
}
