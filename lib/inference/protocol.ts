/**
 * How the parent and the inference host talk: messages over one duplex pipe, each a fixed prefix,
 * a JSON header and a binary payload that nobody copies into JSON.
 *
 *     byte 0      'J'
 *     byte 1      protocol version
 *     bytes 2–3   0
 *     bytes 4–7   length of the header, uint32 little endian
 *     bytes 8–11  length of the payload, uint32 little endian
 *
 * Node's own IPC was not taken: it serialises a 1.2 MB frame in 1 ms, a pipe moves it in 0.4 ms.
 * Lengths are checked against limits before anything is allocated: a model that took the child
 * over must not take the parent with it.
 */
import type { Writable } from 'node:stream';
import type { FrameFormat } from '../frame/frame.ts';
import { InferenceError } from './errors.ts';
import type { HeadOptions } from './heads/head.ts';
import type { InputRecipe } from './input.ts';

const PROTOCOL_VERSION = 1;
const MAGIC = 0x4a;
const PREFIX_BYTES = 12;

/** One value of a graph, as ORT describes it; a symbolic dimension is its name. */
export interface ValueDescription {
  name: string;
  type: string;
  shape: (number | string)[];
}

interface LoadRequest {
  type: 'load';
  id: number;
  model: number;
  providers: readonly string[];
  strict: boolean;
  head: HeadOptions;
  input: Partial<InputRecipe>;
}

interface RunRequest {
  type: 'run';
  id: number;
  model: number;
  format: FrameFormat;
  width: number;
  height: number;
  /** Where the pixels are when they are not the payload: a file in shared memory. */
  file?: { path: string; length: number };
}

export type Request =
  LoadRequest | RunRequest | { type: 'unload'; id: number; model: number } | { type: 'quit'; id: number };

/** What the child says once it has loaded ONNX Runtime. */
export interface Hello {
  type: 'hello';
  runtime: string;
  backends: string[];
}

export interface LoadedReply {
  type: 'loaded';
  id: number;
  /** The execution provider that runs the graph. */
  provider: string;
  /** Providers tried before it, and why they would not do. */
  refused: { provider: string; message: string }[];
  inputs: ValueDescription[];
  outputs: ValueDescription[];
  input: InputRecipe;
  /** Median and highest of the warm-up runs after the first: the graph alone. */
  warmMs: number;
  warmMaxMs: number;
}

export interface ChildTimings {
  decode: number;
  resize: number;
  run: number;
  head: number;
}

export interface ResultReply {
  type: 'result';
  id: number;
  prediction: Record<string, unknown>;
  timings: ChildTimings;
  /** In the order in which they follow each other in the payload, as float32. */
  tensors: { name: string; dims: number[]; length: number }[];
}

interface ErrorReply {
  type: 'error';
  id: number;
  code: string;
  message: string;
  hint?: string;
}

export type Reply = Hello | LoadedReply | ResultReply | ErrorReply | { type: 'done'; id: number };

export interface Envelope<Header> {
  header: Header;
  payload: Buffer;
}

const EMPTY = Buffer.alloc(0);

/** Writes one message; the payload leaves as it is, without a copy of ours. */
export function sendMessage(stream: Writable, header: Request | Reply, payload: Uint8Array = EMPTY): void {
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt8(MAGIC, 0);
  prefix.writeUInt8(PROTOCOL_VERSION, 1);
  prefix.writeUInt32LE(json.length, 4);
  prefix.writeUInt32LE(payload.length, 8);
  stream.cork();
  stream.write(Buffer.concat([prefix, json]));
  if (payload.length > 0) stream.write(payload);
  stream.uncork();
}

export interface ReaderLimits {
  headerBytes: number;
  payloadBytes: number;
}

/** Cuts a byte stream back into messages. `push` throws `PROTOCOL_VIOLATED` on anything else. */
export class MessageReader<Header> {
  readonly #limits: ReaderLimits;
  readonly #onMessage: (message: Envelope<Header>) => void;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #body: Buffer | undefined;
  #filled = 0;
  #headerLength = 0;

  constructor(limits: ReaderLimits, onMessage: (message: Envelope<Header>) => void) {
    this.#limits = limits;
    this.#onMessage = onMessage;
  }

  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      const target = this.#body ?? this.#prefix;
      const copied = chunk.copy(target, this.#filled, offset);
      this.#filled += copied;
      offset += copied;
      if (this.#filled < target.length) return;
      this.#filled = 0;
      if (this.#body === undefined) this.#openBody();
      else this.#finish(this.#body);
    }
  }

  #openBody(): void {
    const header = this.#prefix.readUInt32LE(4);
    const payload = this.#prefix.readUInt32LE(8);
    if (this.#prefix[0] !== MAGIC || this.#prefix[1] !== PROTOCOL_VERSION) {
      throw new InferenceError('PROTOCOL_VIOLATED', 'this is not a message of this protocol version');
    }
    if (header === 0 || header > this.#limits.headerBytes || payload > this.#limits.payloadBytes) {
      throw new InferenceError(
        'PROTOCOL_VIOLATED',
        `a message of ${header} + ${payload} bytes is over the limit`,
      );
    }
    this.#headerLength = header;
    this.#body = Buffer.allocUnsafeSlow(header + payload);
  }

  #finish(body: Buffer): void {
    this.#body = undefined;
    let header: Header;
    try {
      header = JSON.parse(body.toString('utf8', 0, this.#headerLength)) as Header;
    } catch (error) {
      throw new InferenceError('PROTOCOL_VIOLATED', 'the header of a message is not JSON', { cause: error });
    }
    this.#onMessage({ header, payload: body.subarray(this.#headerLength) });
  }
}

/** Float tensors behind one another in one payload. */
export function packTensors(tensors: Readonly<Record<string, { dims: number[]; data: Float32Array }>>): {
  list: ResultReply['tensors'];
  payload: Buffer;
} {
  const entries = Object.entries(tensors);
  const list = entries.map(([name, { dims, data }]) => ({ name, dims, length: data.length }));
  const payload = Buffer.concat(
    entries.map(([, { data }]) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)),
  );
  return { list, payload };
}

/** The way back; copies, because a Float32Array wants its own alignment. */
export function unpackTensors(
  list: ResultReply['tensors'],
  payload: Buffer,
): Record<string, { dims: number[]; data: Float32Array }> {
  const tensors: Record<string, { dims: number[]; data: Float32Array }> = {};
  let offset = 0;
  for (const { name, dims, length } of list) {
    const bytes = payload.subarray(offset, offset + length * 4);
    if (bytes.length !== length * 4) throw new InferenceError('PROTOCOL_VIOLATED', 'a tensor is cut short');
    tensors[name] = { dims, data: new Float32Array(new Uint8Array(bytes).buffer) };
    offset += length * 4;
  }
  return tensors;
}
