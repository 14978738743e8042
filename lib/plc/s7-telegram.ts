/**
 * The telegrams of S7 communication that read and write variables: TPKT (RFC 1006), COTP class 0
 * (ISO 8073) and on top the jobs of the S7 protocol, which Siemens never published. Layout after the
 * dissector of Wireshark (packet-s7comm.c) and Snap7; proved against the Snap7 server.
 */
import { PlcError } from './plc-error.ts';
import type { S7Tag } from './s7-tag.ts';

const TPKT_HEADER = 4;
const COTP_DATA = Buffer.from([0x02, 0xf0, 0x80]);
/** No PDU of the protocol is longer; more than that is not this protocol. */
const MAX_TELEGRAM = 8192;

const S7_ID = 0x32;
const JOB = 1;
const ANSWER_WITHOUT_DATA = 2;
const ANSWER = 3;
const SETUP = 0xf0;
const READ = 4;
const WRITE = 5;

/** How many bytes the telegrams of a link may have; every PLC can do 240. */
const WANTED_PDU = 480;
const SMALLEST_PDU = 240;
/** In an answer to a read: 14 bytes of header; for each item at most 4 and a value of 8. In a job, 12 for each. */
export const READ_ITEMS = 18;
/** In a job that writes: 12 bytes of header; for each item 12, and 4 and a value of at most 8. */
export const WRITE_ITEMS = 9;

const GOOD = 0xff;
/** What a PLC says about one item. All but the first mean that it has not done it. */
const ITEM_ERRORS: Record<number, string> = {
  0x01: 'hardware fault',
  0x03: 'access denied',
  0x05: 'address out of range',
  0x06: 'data type not supported',
  0x07: 'data type does not fit',
  0x0a: 'no such object',
};

/** An answer of the PLC that says no: to the whole job, or to one item of it. */
export class S7Refusal extends Error {
  readonly status: string;
  /** True when the PLC has done nothing, for sure. */
  readonly certain: boolean;
  constructor(status: string, certain: boolean) {
    super(status);
    this.name = 'S7Refusal';
    this.status = status;
    this.certain = certain;
  }
}

function malformed(what: string): PlcError {
  return new PlcError('PLC_LINK_LOST', `the other side does not speak S7: ${what}`);
}

function packet(body: Buffer): Buffer {
  const header = Buffer.from([3, 0, 0, 0]);
  header.writeUInt16BE(TPKT_HEADER + body.length, 2);
  return Buffer.concat([header, body]);
}

/** Asks for a connection of type PG to the CPU in a rack and slot. */
export function connectRequest(rack: number, slot: number): Buffer {
  const remote = rack * 32 + slot;
  return packet(Buffer.from([0x11, 0xe0, 0, 0, 0, 2, 0, 0xc0, 1, 0x0a, 0xc1, 2, 1, 0, 0xc2, 2, 1, remote]));
}

/** Throws `PLC_LINK_LOST` when `body` is not the confirmation of a connection. */
export function checkConnected(body: Buffer): void {
  if (body[1] === 0xd0) return;
  throw new PlcError('PLC_LINK_LOST', 'the PLC does not accept the connection', {
    hint: 'Check rack and slot: S7-300 has the CPU in slot 2, S7-1200 and S7-1500 in slot 1.',
  });
}

function job(sequence: number, parameter: Buffer, data = Buffer.alloc(0)): Buffer {
  const header = Buffer.from([S7_ID, JOB, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt16BE(sequence, 4);
  header.writeUInt16BE(parameter.length, 6);
  header.writeUInt16BE(data.length, 8);
  return packet(Buffer.concat([COTP_DATA, header, parameter, data]));
}

export function setupJob(sequence: number): Buffer {
  const parameter = Buffer.from([SETUP, 0, 0, 1, 0, 1, 0, 0]);
  parameter.writeUInt16BE(WANTED_PDU, 6);
  return job(sequence, parameter);
}

/** Bits are read as the byte they lie in, and written by themselves. */
function address({ area, block, offset, bit, bytes, dataType }: S7Tag, forWriting: boolean): Buffer {
  const single = forWriting && dataType === 'Boolean';
  const item = Buffer.from([0x12, 0x0a, 0x10, single ? 1 : 2, 0, 0, 0, 0, area, 0, 0, 0]);
  item.writeUInt16BE(bytes, 4);
  item.writeUInt16BE(block, 6);
  item.writeUIntBE(offset * 8 + (single ? bit : 0), 9, 3);
  return item;
}

/** At most {@link READ_ITEMS}. */
export function readJob(sequence: number, tags: readonly S7Tag[]): Buffer {
  const items = tags.map((tag) => address(tag, false));
  return job(sequence, Buffer.concat([Buffer.from([READ, tags.length]), ...items]));
}

/** At most {@link WRITE_ITEMS}. */
export function writeJob(sequence: number, items: readonly { tag: S7Tag; bytes: Buffer }[]): Buffer {
  const addresses = items.map(({ tag }) => address(tag, true));
  const data = items.map(({ tag, bytes }, index) => {
    const bit = tag.dataType === 'Boolean';
    const header = Buffer.from([0, bit ? 3 : 4, 0, 0]);
    header.writeUInt16BE(bit ? 1 : bytes.length * 8, 2);
    const fill = bytes.length % 2 === 1 && index < items.length - 1 ? 1 : 0;
    return Buffer.concat([header, bytes, Buffer.alloc(fill)]);
  });
  const parameter = Buffer.concat([Buffer.from([WRITE, items.length]), ...addresses]);
  return job(sequence, parameter, Buffer.concat(data));
}

interface Answer {
  sequence: number;
  parameter: Buffer;
  data: Buffer;
}

/** Throws `PLC_LINK_LOST` for what is not an answer, and `S7Refusal` when the PLC refuses the whole job. */
function answerIn(body: Buffer): Answer {
  const kind = body[1];
  if (body.length < 12 || body[0] !== S7_ID || (kind !== ANSWER && kind !== ANSWER_WITHOUT_DATA))
    throw malformed('not an answer');
  const parameterLength = body.readUInt16BE(6);
  const end = 12 + parameterLength + body.readUInt16BE(8);
  if (end > body.length) throw malformed('an answer that is too short');
  const error = body.readUInt16BE(10);
  // Classes 81 (the job is not allowed) and 85 (it is too long) are decided before anything is done.
  if (error !== 0)
    throw new S7Refusal(
      error === 0x8104
        ? 'access not allowed: permit PUT/GET access in the protection settings of the CPU'
        : `error 0x${error.toString(16)}`,
      error >> 8 === 0x81 || error >> 8 === 0x85,
    );
  return {
    sequence: body.readUInt16BE(4),
    parameter: body.subarray(12, 12 + parameterLength),
    data: body.subarray(12 + parameterLength, end),
  };
}

function answerTo(body: Buffer, sequence: number, service: number, items: number): Buffer {
  const answer = answerIn(body);
  if (answer.sequence !== sequence) throw malformed('the answer to another job');
  if (answer.parameter[0] !== service || answer.parameter[1] !== items)
    throw malformed('the answer to a job of another kind');
  return answer.data;
}

/** Throws as {@link readAnswer}; `PLC_LINK_LOST` also when the PLC's telegrams are too short for a value. */
export function checkSetup(body: Buffer, sequence: number): void {
  const { sequence: answered, parameter } = answerIn(body);
  if (answered !== sequence || parameter[0] !== SETUP || parameter.length < 8) throw malformed('no set-up');
  if (parameter.readUInt16BE(6) < SMALLEST_PDU) throw malformed('telegrams that are too short');
}

function itemError(code: number): S7Refusal {
  const text = ITEM_ERRORS[code] ?? `error 0x${code.toString(16)}`;
  return new S7Refusal(text, code !== 0x01 && code in ITEM_ERRORS);
}

/** The bytes of each item, or why the PLC did not give it. Throws `PLC_LINK_LOST` for nonsense, `S7Refusal` for a refused job. */
export function readAnswer(body: Buffer, sequence: number, tags: readonly S7Tag[]): (Buffer | S7Refusal)[] {
  const data = answerTo(body, sequence, READ, tags.length);
  let at = 0;
  return tags.map(({ bytes }) => {
    if (at + 4 > data.length) throw malformed('an item is missing');
    const code = data.readUInt8(at);
    // Lengths are in bits for bytes, words and integers (3 to 5), in bytes for the rest.
    const inBits = [3, 4, 5].includes(data.readUInt8(at + 1));
    const length = code === GOOD ? Math.ceil(data.readUInt16BE(at + 2) / (inBits ? 8 : 1)) : 0;
    const value = data.subarray(at + 4, at + 4 + length);
    at += 4 + length + (length % 2);
    if (code !== GOOD) return itemError(code);
    if (value.length !== bytes) throw malformed('an item of another length');
    return value;
  });
}

/** What the PLC refused, undefined for each item that it has written. Throws as {@link readAnswer}. */
export function writeAnswer(body: Buffer, sequence: number, items: number): (S7Refusal | undefined)[] {
  const data = answerTo(body, sequence, WRITE, items);
  if (data.length < items) throw malformed('an item is missing');
  return [...data.subarray(0, items)].map((code) => (code === GOOD ? undefined : itemError(code)));
}

/** Puts telegrams together from the bytes of a stream, however they were cut on the way. */
export class TelegramReader {
  #bytes: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];

  /** The bodies of the telegrams that are complete now. Throws `PLC_LINK_LOST` for bytes of another protocol. */
  take(bytes: Buffer): Buffer[] {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    const complete: Buffer[] = [];
    while (this.#bytes.length >= TPKT_HEADER) {
      const length = this.#bytes.readUInt16BE(2);
      if (this.#bytes[0] !== 3 || length < 7 || length > MAX_TELEGRAM) throw malformed('no telegram');
      if (this.#bytes.length < length) break;
      const body = this.#bytes.subarray(TPKT_HEADER, length);
      this.#bytes = this.#bytes.subarray(length);
      if (body[1] !== 0xf0) complete.push(body);
      else {
        this.#parts.push(body.subarray(3));
        // The last part carries the mark; an empty part without it is a mere receipt of older CPUs.
        if (((body[2] ?? 0) & 0x80) !== 0) complete.push(Buffer.concat(this.#parts.splice(0)));
        else if (this.#parts.length > MAX_TELEGRAM / 64) throw malformed('an endless telegram');
      }
    }
    return complete;
  }
}
