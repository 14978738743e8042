/**
 * The parent's end of one host process: starts it with an almost empty environment and a memory
 * limit, asks it one thing at a time, and knows how it ended.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceError } from '../errors.ts';
import {
  MessageReader,
  REPLY_LIMITS,
  sendMessage,
  type Envelope,
  type Hello,
  type Reply,
  type ReplyTo,
  type Request,
} from './protocol.ts';
import { checkHello, checkReply } from './replies.ts';
import { startWatchdog } from './watchdog.ts';

/** Kept of what the process says on stderr, for the error that names its end. */
const STDERR_BYTES = 2000;

/** Everything else of our environment (tokens, proxies) is none of a model's business. */
const ENVIRONMENT = [
  'LD_LIBRARY_PATH',
  'DYLD_LIBRARY_PATH',
  'VK_ICD_FILENAMES',
  'VK_DRIVER_FILES',
  'CUDA_VISIBLE_DEVICES',
  'NVIDIA_VISIBLE_DEVICES',
  'TMPDIR',
  // where Node keeps what it compiled, if it was told to: half of the time to start
  'NODE_COMPILE_CACHE',
  // without these Windows starts no process
  'SystemRoot',
  'TEMP',
  ...(process.platform === 'win32' ? ['PATH'] : []),
];

const PRLIMIT = ['/usr/bin/prlimit', '/bin/prlimit'].find((path) => existsSync(path));

/** Of which Node 24 reserves 1.2 GB before any model; 0.2 GB are resident with a small one. */
const DEFAULT_MEMORY_BYTES = 3 * 1024 ** 3;
/** Starting Node and loading ONNX Runtime takes 0.15–0.3 s; a loaded gateway is given time. */
const START_TIMEOUT_MS = 15_000;

export interface ChildOptions {
  device: string;
  /** Limit of its data segment on the CPU, where `prlimit` exists. Default 3 GiB. */
  memoryLimitBytes?: number | undefined;
}

/** Thrown into every question that was open when the process ended. */
export class ChildEnded extends Error {
  constructor(how: string) {
    super(how);
    this.name = 'ChildEnded';
  }
}

function environment(): NodeJS.ProcessEnv {
  const entries = ENVIRONMENT.map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function start({ device, memoryLimitBytes = DEFAULT_MEMORY_BYTES }: ChildOptions): ChildProcess {
  const entry = fileURLToPath(new URL(`./host-process${extname(import.meta.url)}`, import.meta.url));
  const own = [process.execPath, entry, device, String(process.pid)];
  // drivers map far more than they use, so the limit is for the CPU alone
  const limited =
    PRLIMIT === undefined || device !== 'cpu' ? own : [PRLIMIT, `--data=${memoryLimitBytes}`, '--', ...own];
  const [command, ...parameters] = limited as [string, ...string[]];
  return spawn(command, parameters, {
    env: environment(),
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
}

/** The body of a request; its number is given here. */
export type Question<Type extends Request['type']> = Omit<Extract<Request, { type: Type }>, 'id' | 'type'>;

interface AskOptions {
  payload?: Uint8Array;
  /** Ends the process when it has not answered by then; pauses of our own event loop count little. */
  limitMs?: number;
}

interface Open {
  resolve: (answer: Envelope<Reply>) => void;
  reject: (error: Error) => void;
}

export class HostChild {
  /** Rejects when it ends before it can be asked. */
  readonly #hello: Promise<Hello>;
  /** Resolves with a sentence about how it ended. Never rejects. */
  readonly ended: Promise<string>;
  readonly #process: ChildProcess;
  readonly #pipe: Duplex;
  readonly #open = new Map<number, Open>();
  #nextId = 1;
  #stderr = '';
  #cause: string | undefined;
  #hasEnded = false;

  constructor(options: ChildOptions) {
    this.#process = start(options);
    this.#pipe = this.#process.stdio[3] as Duplex;
    this.#hello = new Promise((resolve, reject) => {
      this.#open.set(0, { resolve: ({ header }) => resolve(header as Hello), reject });
    });
    this.#hello.catch(() => undefined);
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        if (this.#hasEnded) return;
        this.#hasEnded = true;
        const sentence = `the inference host ${this.#cause ?? how}${this.#lastWords()}`;
        for (const { reject } of this.#open.values()) reject(new ChildEnded(sentence));
        this.#open.clear();
        this.#pipe.destroy();
        resolve(sentence);
      };
      this.#process.on('error', (error) => end(`could not be started: ${error.message}`));
      this.#process.on('exit', (code, signal) =>
        end(signal === null ? `ended with exit code ${code ?? -1}` : `was ended by ${signal}`),
      );
    });
    this.#listen();
  }

  /**
   * Waits until it can be asked, and ends it where that takes too long.
   *
   * @throws InferenceError `HOST_UNAVAILABLE`
   */
  async started(): Promise<Hello> {
    const timer = setTimeout(() => this.kill('did not start in time'), START_TIMEOUT_MS);
    try {
      return await this.#hello;
    } catch (error) {
      throw new InferenceError('HOST_UNAVAILABLE', (error as Error).message, {
        hint: 'Check that onnxruntime-node is installed for this machine.',
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  #listen(): void {
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_BYTES);
    });
    const reader = new MessageReader<Reply>(REPLY_LIMITS, (message) => {
      const { header } = message;
      if (header.type === 'hello') checkHello(header);
      const id = header.type === 'hello' ? 0 : header.id;
      const question = this.#open.get(id);
      this.#open.delete(id);
      question?.resolve(message);
    });
    this.#pipe.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.kill(`broke the protocol (${(error as Error).message})`);
      }
    });
    // its end is told by 'exit'
    this.#pipe.on('error', () => undefined);
  }

  #lastWords(): string {
    const lines = this.#stderr.trim().split('\n');
    const line = lines.findLast((text) => /error|what\(\)/i.test(text)) ?? lines.at(-1) ?? '';
    return line === '' ? '' : `: ${line.trim().slice(0, 300)}`;
  }

  /**
   * Asks one thing; rejects with ChildEnded when the process ends first, and with the error it
   * answered otherwise. What answers anything else than was asked has ended when
   * `PROTOCOL_VIOLATED` is thrown.
   */
  async ask<Type extends keyof ReplyTo>(
    type: Type,
    question: Question<Type>,
    { payload, limitMs }: AskOptions = {},
  ): Promise<Envelope<ReplyTo[Type]>> {
    if (this.#hasEnded) throw new ChildEnded('the inference host has ended');
    const id = this.#nextId++;
    const request = { type, ...question, id } as unknown as Extract<Request, { type: Type }>;
    const giveUp = (): void => this.kill(`gave no answer within ${Math.round(limitMs ?? 0)} ms`);
    const stop = limitMs === undefined ? undefined : startWatchdog(limitMs, giveUp);
    const answer = await new Promise<Envelope<Reply>>((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      sendMessage(this.#pipe, request, payload);
    }).finally(stop);
    const { header } = answer;
    try {
      checkReply(request, header);
    } catch (error) {
      if ((error as InferenceError).code === 'PROTOCOL_VIOLATED') {
        this.kill(`broke the protocol (${(error as Error).message})`);
        await this.ended;
      }
      throw error;
    }
    return answer as Envelope<ReplyTo[Type]>;
  }

  /** Ends it at once. `cause` completes "the inference host …". */
  kill(cause: string): void {
    this.#cause ??= cause;
    this.#process.kill('SIGKILL');
  }
}
