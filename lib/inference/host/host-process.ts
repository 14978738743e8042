/**
 * The inference host: a child process that holds the sessions of one device. It speaks
 * `protocol.ts` on file descriptor 3, does one thing at a time, and ends when that pipe closes.
 */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants, setPriority, tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { asCodedError } from '../../errors.ts';
import { PictureCache } from '../graph/picture-cache.ts';
import {
  checkReplySize,
  MessageReader,
  sendMessage,
  type Envelope,
  type Reply,
  type Request,
} from './protocol.ts';
import { packResults } from './results.ts';
import { GraphSession } from '../graph/session.ts';

/** A model of up to 1 GiB, or a frame. */
const LIMITS = { headerBytes: 4 * 1024 * 1024, payloadBytes: 1024 * 1024 * 1024 };

/** Of the text of an error: ORT may list every node of a graph. */
const ERROR_CHARACTERS = 4000;

const device = process.argv[2] ?? 'cpu';
const pictures = new PictureCache();
const sessions = new Map<number, GraphSession>();
const pipe = new Socket({ fd: 3, readable: true, writable: true });

/** An empty, nameless working directory: a graph with external data finds nothing beside it. */
function leaveDirectory(): void {
  const folder = mkdtempSync(join(tmpdir(), 'jidoka-host-'));
  process.chdir(folder);
  try {
    rmdirSync(folder);
  } catch {
    // Windows keeps the directory of a running process; it is empty all the same
  }
}

/** Node-RED's event loop goes first where both want the core. */
function yieldToParent(): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
    // Linux counts by thread; those that start from here on are like the one that starts them
    for (const thread of readdirSync('/proc/self/task')) {
      setPriority(Number(thread), constants.priority.PRIORITY_BELOW_NORMAL);
    }
  } catch {
    // not allowed here, or no Linux, and not worth ending for
  }
}

function sessionOf(model: number): GraphSession {
  const session = sessions.get(model);
  if (session === undefined) throw new Error(`model ${model} is not loaded`);
  return session;
}

async function release(model: number): Promise<void> {
  await sessions.get(model)?.release();
  sessions.delete(model);
}

async function answer({ header, payload }: Envelope<Request>): Promise<{ reply: Reply; payload?: Buffer }> {
  const { id } = header;
  switch (header.type) {
    case 'load': {
      const session = await GraphSession.load(payload, header, device);
      sessions.set(header.model, session);
      return { reply: { type: 'loaded', id, info: session.info } };
    }
    case 'warm':
      return { reply: { type: 'warmed', id, ms: await sessionOf(header.model).warmUp(header.runs) } };
    case 'run': {
      const session = sessionOf(header.model);
      const started = performance.now();
      const picture = await pictures.picture({ ...header, bytes: payload });
      const decodeMs = performance.now() - started;
      const { results, timings } = await session.run(picture, header.crops);
      const packed = packResults(results);
      return {
        reply: { type: 'results', id, results: packed.list, timings: { decode: decodeMs, ...timings } },
        payload: packed.payload,
      };
    }
    case 'profile':
      return {
        reply: {
          type: 'profiled',
          id,
          shares: await GraphSession.profile(payload, header, { device, folder: header.folder }),
        },
      };
    case 'unload':
      await release(header.model);
      return { reply: { type: 'done', id } };
    case 'quit':
      for (const session of sessions.values()) await session.release();
      sessions.clear();
      return { reply: { type: 'done', id } };
  }
}

async function handle(message: Envelope<Request>): Promise<void> {
  const { header } = message;
  try {
    const { reply, payload } = await answer(message);
    sendMessage(pipe, reply, payload, checkReplySize);
  } catch (error) {
    // the parent takes it for not loaded
    if (header.type === 'load') await release(header.model);
    const {
      code,
      message: text,
      hint,
    } = asCodedError(error, 'RUN_FAILED') as Error & { code: string; hint?: string };
    const reply: Reply = { type: 'error', id: header.id, code, message: text.slice(0, ERROR_CHARACTERS) };
    sendMessage(pipe, hint === undefined ? reply : { ...reply, hint });
  }
  // sessions are released and the answer is on its way: nothing keeps this process alive any more
  if (header.type === 'quit') pipe.end();
}

async function main(): Promise<void> {
  const importing = import('onnxruntime-node');
  const watch = new Worker(new URL(`./orphan-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: Number(process.argv[3]),
  });
  // a thread asks for the working directory while it starts
  await once(watch, 'online');
  watch.unref();
  const { env, listSupportedBackends } = await importing;
  leaveDirectory();

  let last = Promise.resolve();
  const reader = new MessageReader<Request>(LIMITS, (message) => {
    last = last.then(() => handle(message));
  });
  pipe.on('data', (chunk: Buffer) => reader.push(chunk));
  pipe.on('error', () => process.exit(1));
  // an await, not a run, is what this can interrupt: runs hold the event loop
  pipe.on('close', () => process.exit(0));

  const backends = listSupportedBackends().map(({ name }) => name);
  sendMessage(pipe, { type: 'hello', runtime: env.versions.node ?? '', backends });
  // only now: a part may be waiting for this process to be back
  yieldToParent();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
