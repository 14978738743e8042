/**
 * Siemens S7-300, 400, 1200 and 1500 through S7 communication (PUT/GET). The protocol carries no sign-in
 * and no types: what a tag is called is all that says how its bytes are read, and whoever reaches the
 * port may write. Telegrams are ours and not nodes7's: docs/decisions/nodes7.md.
 */
import type { Socket } from 'node:net';
import type { Backoff } from '../backoff.ts';
import { PlcError } from './plc-error.ts';
import { fromS7Bytes, parseS7Tag, toS7Bytes, type S7Tag } from './s7-tag.ts';
import {
  checkConnected,
  checkSetup,
  connectRequest,
  READ_ITEMS,
  readAnswer,
  readJob,
  S7Refusal,
  setupJob,
  TelegramReader,
  WRITE_ITEMS,
  writeAnswer,
  writeJob,
} from './s7-telegram.ts';
import type { TagType, TagValue } from './tag-type.ts';
import { TcpLink } from './tcp-link.ts';
import {
  countdown,
  linkDown,
  type LinkState,
  type Reading,
  type TagDescription,
  type TagWrite,
  type Transport,
  type WriteAnswer,
  type WriteGuard,
} from './transport.ts';

export interface S7Options {
  host: string;
  /** 102 on every PLC. */
  port: number;
  rack: number;
  slot: number;
  backoff?: Backoff;
}

const DESCRIBE_TIMEOUT_MS = 5000;
const GOOD: WriteAnswer = { result: 'good', status: 'Good' };

/** One connection: a job goes out, its answer comes back, and then the next. */
class Connection {
  readonly descriptions = new Map<string, Promise<TagDescription>>();
  readonly #socket: Socket;
  readonly #reader = new TelegramReader();
  #heard: ((body: Buffer) => void) | undefined;
  #sequence = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      try {
        for (const body of this.#reader.take(bytes)) this.#hear(body);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
  }

  async greet(rack: number, slot: number): Promise<void> {
    checkConnected(await this.#exchange(connectRequest(rack, slot)));
    const sequence = this.#next();
    checkSetup(await this.#exchange(setupJob(sequence)), sequence);
  }

  async read(tags: readonly S7Tag[]): Promise<(Buffer | S7Refusal)[]> {
    const sequence = this.#next();
    return readAnswer(await this.#exchange(readJob(sequence, tags)), sequence, tags);
  }

  async write(items: readonly { tag: S7Tag; bytes: Buffer }[]): Promise<(S7Refusal | undefined)[]> {
    const sequence = this.#next();
    return writeAnswer(await this.#exchange(writeJob(sequence, items)), sequence, items.length);
  }

  #exchange(telegram: Buffer): Promise<Buffer> {
    this.#socket.write(telegram);
    return new Promise((resolve) => {
      this.#heard = resolve;
    });
  }

  #hear(body: Buffer): void {
    const heard = this.#heard;
    if (heard === undefined) throw new PlcError('PLC_LINK_LOST', 'the PLC answered what nobody asked');
    this.#heard = undefined;
    heard(body);
  }

  #next(): number {
    this.#sequence = (this.#sequence % 0xffff) + 1;
    return this.#sequence;
  }
}

export class S7Transport implements Transport {
  readonly #link: TcpLink<Connection>;
  readonly #name: string;
  /** Whether each tag is there, asked once for a link. */
  #descriptions = new Map<string, Promise<TagDescription>>();

  constructor({ host, port, rack, slot, backoff }: S7Options) {
    this.#name = `${host}:${port}`;
    this.#link = new TcpLink({
      host,
      port,
      backoff,
      greet: async (socket) => {
        const connection = new Connection(socket);
        await connection.greet(rack, slot);
        this.#descriptions = connection.descriptions;
        return connection;
      },
      isAnswer: (error) => error instanceof S7Refusal,
    });
  }

  open(): void {
    this.#link.open();
  }

  close(): Promise<void> {
    this.#link.close();
    return Promise.resolve();
  }

  linkUp(): boolean {
    return this.#link.isUp();
  }

  link(): LinkState {
    return this.#link.notice.link;
  }

  onLink(listener: (link: LinkState) => void): () => void {
    return this.#link.notice.add(listener);
  }

  /** The protocol tells no types, so a tag is as its name says; it is read once to see that it is there. */
  describe(tag: string): Promise<TagDescription> {
    if (!this.linkUp()) return Promise.reject(linkDown(this.#name));
    const descriptions = this.#descriptions;
    let description = descriptions.get(tag);
    if (description === undefined) {
      description = this.#describe(tag);
      descriptions.set(tag, description);
      // A failure may be the link's, or mended in the PLC; the next command asks again.
      description.catch(() => descriptions.delete(tag));
    }
    return description;
  }

  async read(tag: string, timeoutMs: number): Promise<Reading> {
    const [reading] = await this.readAll([tag], timeoutMs);
    if (reading === undefined) throw new PlcError('PLC_READ_FAILED', `read ${tag}: no answer`);
    return reading;
  }

  write(
    tag: string,
    value: TagValue,
    dataType: TagType,
    timeoutMs: number,
    guard?: WriteGuard,
  ): Promise<WriteAnswer> {
    return this.writeAll([{ tag, value, dataType }], timeoutMs, guard);
  }

  async readAll(tags: readonly string[], timeoutMs: number): Promise<Reading[]> {
    const parsed = tags.map((name) => ({ name, ...parseS7Tag(name) }));
    const values = await this.#readAll(parsed, timeoutMs);
    return parsed.map((tag, index) => {
      const bytes = values[index];
      if (!Buffer.isBuffer(bytes))
        throw new PlcError('PLC_READ_FAILED', `read ${tag.name}: ${bytes?.status ?? 'no answer'}`);
      return { value: fromS7Bytes(bytes, tag), good: true, status: 'Good', sourceAt: null };
    });
  }

  /** All but the last in one job, then the last: nobody promises in which order a CPU takes the items of a job. */
  async writeAll(writes: readonly TagWrite[], timeoutMs: number, guard?: WriteGuard): Promise<WriteAnswer> {
    const items = writes.map(({ tag, value, dataType }) => ({ tag: parseS7Tag(tag), value, dataType }));
    for (const { tag, dataType } of items) {
      if (!tag.writable) return { result: 'refused', status: 'inputs are read only' };
      if (tag.dataType !== dataType) return { result: 'refused', status: `not a ${dataType}` };
    }
    const leftMs = countdown(timeoutMs);
    const named = writes.map(({ tag }) => tag).join(', ');
    const jobs = [...chunks(items.slice(0, -1), WRITE_ITEMS), items.slice(-1)].filter(
      ({ length }) => length > 0,
    );
    for (const job of jobs) {
      const telegram = job.map(({ tag, value }) => ({ tag, bytes: toS7Bytes(value, tag) }));
      try {
        const send = (link: Connection): ReturnType<Connection['write']> => link.write(telegram);
        const answers = await this.#link.request(`write ${named}`, leftMs(), send, guard);
        const refusal = answers.find((answer) => answer !== undefined);
        if (refusal !== undefined) throw refusal;
      } catch (error) {
        if (!(error instanceof S7Refusal)) throw error;
        return { result: error.certain ? 'refused' : 'doubtful', status: error.status };
      }
    }
    return GOOD;
  }

  async #describe(tag: string): Promise<TagDescription> {
    const parsed = parseS7Tag(tag);
    const [value] = await this.#readAll([{ name: tag, ...parsed }], DESCRIBE_TIMEOUT_MS);
    if (value instanceof S7Refusal) {
      throw new PlcError('PLC_TAG_UNUSABLE', `${tag}: ${value.status}`, {
        hint: 'Check the number and length of the data block; on an S7-1200 or 1500 switch off its optimised access.',
      });
    }
    return { dataType: parsed.dataType, writable: parsed.writable };
  }

  async #readAll(
    tags: readonly (S7Tag & { name: string })[],
    timeoutMs: number,
  ): Promise<(Buffer | S7Refusal)[]> {
    const leftMs = countdown(timeoutMs);
    const values: (Buffer | S7Refusal)[] = [];
    for (const part of chunks(tags, READ_ITEMS)) {
      const what = `read ${part.map(({ name }) => name).join(', ')}`;
      try {
        values.push(...(await this.#link.request(what, leftMs(), (link) => link.read(part))));
      } catch (error) {
        if (!(error instanceof S7Refusal)) throw error;
        values.push(...part.map(() => error));
      }
    }
    return values;
  }
}

function chunks<Item>(items: readonly Item[], most: number): Item[][] {
  const parts: Item[][] = [];
  for (let from = 0; from < items.length; from += most) parts.push(items.slice(from, from + most));
  return parts;
}
