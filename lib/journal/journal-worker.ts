/**
 * The thread that owns the journal's file, so that no commit (up to 44 ms, measured) holds up the
 * flow. Takes requests, answers them after their commit.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Ballast } from './ballast.ts';
import { openDatabase } from './database.ts';
import { commitBatch } from './group-commit.ts';
import { asJournalError } from './journal-error.ts';
import type { FromWorker, JournalState, Request, ToWorker, WorkerOptions } from './protocol.ts';
import { Store } from './store.ts';

/** How often a spent ballast is tried again. */
const REFILL_INTERVAL_MS = 60_000;

if (parentPort === null) throw new Error('this file is a worker');
const port = parentPort;
const { folder, ballastBytes, maxWaiting } = workerData as WorkerOptions;
const ballast = new Ballast(folder, ballastBytes);

let open: ReturnType<typeof openStore> | undefined;
let state: JournalState = 'ready';
let closing = false;
let refillAt = 0;

function openStore() {
  const database = openDatabase(folder);
  return { database, store: new Store(database, { folder, maxWaiting }), folder };
}

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function become(next: JournalState): void {
  if (next === state) return;
  state = next;
  send({ type: 'state', state });
}

function nextRequest(): Request | undefined {
  if (closing) return undefined;
  const received = receiveMessageOnPort(port) as { message: ToWorker } | undefined;
  if (received === undefined) return undefined;
  if (received.message !== 'close') return received.message;
  closing = true;
  return undefined;
}

/** After an error of the disk the same file handle is not trusted again: the next request opens anew. */
function reopened(): NonNullable<typeof open> {
  open ??= openStore();
  return open;
}

/** Whatever happens, every request that is taken gets an answer: somebody holds a message for it. */
function serve(first: Request): void {
  const taken = [first];
  const next = (): Request | undefined => {
    const request = nextRequest();
    if (request !== undefined) taken.push(request);
    return request;
  };
  try {
    const { replies, failure, madeRoom } = commitBatch(reopened(), first, next, () => ballast.free());
    note(failure?.code, madeRoom);
    const buffers = replies.flatMap(({ result }) =>
      result instanceof Uint8Array ? [result.buffer as ArrayBuffer] : [],
    );
    send({ type: 'replies', replies }, buffers);
    if (failure !== undefined && failure.code !== 'JOURNAL_FULL') dropDatabase();
    refill();
  } catch (error) {
    const { code, message, hint } = asJournalError(error, folder);
    note(code, false);
    send({ type: 'replies', replies: taken.map(({ id }) => ({ id, error: { code, message, hint } })) });
  }
}

/** Before the answers, so that who gets an error knows the state already. */
function note(failureCode: string | undefined, madeRoom: boolean): void {
  if (failureCode !== undefined) {
    become(failureCode === 'JOURNAL_FULL' ? 'full' : 'unavailable');
  } else if (madeRoom) {
    refillAt = performance.now() + REFILL_INTERVAL_MS;
    become('low');
  } else if (state !== 'ready') {
    become(ballast.isThere ? 'ready' : 'low');
  }
}

/** After the answers: it takes a while. */
function refill(): void {
  if (state !== 'low' || performance.now() < refillAt) return;
  refillAt = performance.now() + REFILL_INTERVAL_MS;
  if (ballast.fill()) become('ready');
}

function dropDatabase(): void {
  try {
    open?.database.close();
  } catch {
    // It is being given up because it fails.
  }
  open = undefined;
}

function close(): void {
  try {
    open?.store.saveDelays();
  } catch {
    // A full disk: the entries keep the whole delay.
  }
  dropDatabase();
  send({ type: 'closed' });
  port.close();
}

port.on('message', (message: ToWorker) => {
  if (message === 'close') closing = true;
  else serve(message);
  if (closing) close();
});

try {
  open = openStore();
  if (!ballast.fill()) state = 'low';
  send({ type: 'opened' });
  if (state !== 'ready') send({ type: 'state', state });
} catch (error) {
  const { code, message, hint } = asJournalError(error, folder);
  send({ type: 'refused', error: { code, message, hint } });
  port.close();
}
