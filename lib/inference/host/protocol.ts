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
 * over must not take the parent with it. The child measures its own answers by the same limits, so
 * that a graph with too much to say costs an error and not the process.
 */
import type { Writable } from 'node:stream';
import type { Alignment } from '../../frame/align.ts';
import type { FrameFormat } from '../../frame/frame.ts';
import type { Box } from '../../inspection/inspection.ts';
import { InferenceError } from '../errors.ts';
import type { ChosenHead, GraphOutputs, HeadOptions } from '../heads/head.ts';
import type { InputRecipe } from '../graph/input.ts';

const PROTOCOL_VERSION = 2;
const MAGIC = 0x4a;
const PREFIX_BYTES = 12;

/** One value of a graph, as ORT describes it; a symbolic dimension is its name. */
export interface ValueDescription {
  name: string;
  type: string;
  shape: (number | string)[];
}

/** How a graph is opened; its bytes are the payload. */
export interface GraphRequest {
  id: number;
  /** In the order in which they are tried. */
  providers: readonly string[];
  strict: boolean;
  head: HeadOptions;
  input: Partial<InputRecipe>;
  /** What an earlier load learned about the graph's values; saves a session that only asks for it. */
  graph?: GraphOutputs;
}

/** Creates the session, runs nothing. */
interface LoadRequest extends GraphRequest {
  type: 'load';
  model: number;
}

/** Runs the graph on a black picture. Few runs at a time: frames of other models go between. */
interface WarmRequest {
  type: 'warm';
  id: number;
  model: number;
  runs: number;
}

interface RunRequest {
  type: 'run';
  id: number;
  model: number;
  /** Id of the frame: a frame that several models look at is decoded once. */
  frame: string;
  format: FrameFormat;
  width: number;
  height: number;
  /** Where the pixels are when they are not the payload: a file in shared memory. */
  file?: { path: string; length: number };
  /** Pixels of the frame; the model looks at each instead of at the whole. */
  crops?: readonly Box[];
}

/** Opens the graph beside the others, runs it under the profiler, closes it. */
interface ProfileRequest extends GraphRequest {
  type: 'profile';
  /** Empty; where the runtime writes. Whoever asks removes it, since the child may not live to do so. */
  folder: string;
}

interface UnloadRequest {
  type: 'unload';
  id: number;
  model: number;
}

interface QuitRequest {
  type: 'quit';
  id: number;
}

export type Request = LoadRequest | WarmRequest | RunRequest | ProfileRequest | UnloadRequest | QuitRequest;

/** What the child says once it has loaded ONNX Runtime. */
export interface Hello {
  type: 'hello';
  runtime: string;
  backends: string[];
}

/** What a graph turned out to be, once its session was created. */
export interface GraphInfo {
  /** The execution provider that runs the graph. */
  provider: string;
  /** Providers tried before it, and why they would not do. */
  refused: { provider: string; message: string }[];
  inputs: ValueDescription[];
  outputs: ValueDescription[];
  /** All of how a frame becomes the input. */
  input: InputRecipe;
  /** `sha256:` and the hex SHA-256 of the recipe in canonical JSON. */
  recipe: string;
  /** True when the normalisation runs inside the graph, which is then fed plain pixels. */
  folded: boolean;
  /** How the outputs are read. */
  head: ChosenHead;
  /** Why this head, where it was left open. */
  why?: string;
  createMs: number;
}

interface LoadedReply {
  type: 'loaded';
  id: number;
  info: GraphInfo;
}

interface WarmedReply {
  type: 'warmed';
  id: number;
  /** The graph alone, run by run. */
  ms: number[];
}

export interface ChildTimings {
  decode: number;
  resize: number;
  run: number;
  head: number;
}

/** One answer of a head without its bytes. */
export interface PackedResult {
  prediction: Record<string, unknown>;
  tensors: { name: string; dims: number[]; length: number }[];
  pictures: { name: string; width: number; height: number; length: number }[];
  alignment?: Alignment;
}

/** In the payload: the tensors of all results as float32 little endian, then their pictures as PNG. */
interface ResultsReply {
  type: 'results';
  id: number;
  /** One, or one for each crop. */
  results: PackedResult[];
  timings: ChildTimings;
}

/** What one provider did of a run. */
export interface ProviderShare {
  provider: string;
  nodes: number;
  ms: number;
  /** Nodes by operator. */
  operators: Record<string, number>;
}

interface ProfiledReply {
  type: 'profiled';
  id: number;
  shares: ProviderShare[];
}

interface ErrorReply {
  type: 'error';
  id: number;
  code: string;
  message: string;
  hint?: string;
}

interface DoneReply {
  type: 'done';
  id: number;
}

/** What each request is answered with, if not with an error. */
export interface ReplyTo {
  load: LoadedReply;
  warm: WarmedReply;
  run: ResultsReply;
  profile: ProfiledReply;
  unload: DoneReply;
  quit: DoneReply;
}

export const REPLY_TYPE: { readonly [Type in keyof ReplyTo]: ReplyTo[Type]['type'] } = {
  load: 'loaded',
  warm: 'warmed',
  run: 'results',
  profile: 'profiled',
  unload: 'done',
  quit: 'done',
};

export type Reply = Hello | ReplyTo[keyof ReplyTo] | ErrorReply;

export interface Envelope<Header> {
  header: Header;
  payload: Buffer;
}

export interface MessageLimits {
  headerBytes: number;
  payloadBytes: number;
}

/** What an answer of the host may weigh; a map of 1 000 × 1 000 is 4 MB. */
export const REPLY_LIMITS: MessageLimits = { headerBytes: 4 * 1024 * 1024, payloadBytes: 64 * 1024 * 1024 };

/** @throws InferenceError `OUTPUT_TOO_LARGE` for an answer that the parent would not read */
export function checkReplySize(headerBytes: number, payloadBytes: number): void {
  const measures = [
    { what: 'predictions', bytes: headerBytes, limit: REPLY_LIMITS.headerBytes },
    { what: 'maps and pictures', bytes: payloadBytes, limit: REPLY_LIMITS.payloadBytes },
  ];
  const over = measures.find(({ bytes, limit }) => bytes > limit);
  if (over === undefined) return;
  throw new InferenceError(
    'OUTPUT_TOO_LARGE',
    `the ${over.what} of one frame take ${over.bytes} bytes, more than ${over.limit}`,
    { hint: 'Let the graph give a smaller map or fewer values, or look at fewer boxes at a time.' },
  );
}

const EMPTY = Buffer.alloc(0);

/**
 * Writes one message; the payload leaves as it is, without a copy of ours. `check` is told the bytes
 * of header and payload before anything is written, and may throw.
 */
export function sendMessage(
  stream: Writable,
  header: Request | Reply,
  payload: Uint8Array = EMPTY,
  check?: (headerBytes: number, payloadBytes: number) => void,
): void {
  const json = Buffer.from(JSON.stringify(header));
  check?.(json.length, payload.length);
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

/** Cuts a byte stream back into messages. `push` throws `PROTOCOL_VIOLATED` on anything else. */
export class MessageReader<Header> {
  readonly #limits: MessageLimits;
  readonly #onMessage: (message: Envelope<Header>) => void;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #body: Buffer | undefined;
  #filled = 0;
  #headerLength = 0;

  constructor(limits: MessageLimits, onMessage: (message: Envelope<Header>) => void) {
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
