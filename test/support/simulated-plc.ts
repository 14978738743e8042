/**
 * A PLC and the network to it on virtual time: delays, losses in both directions, cuts, restarts. It keeps what a
 * {@link Transport} promises, and switches off the promise that nothing is held for later when told to.
 */
import { PlcError } from '../../lib/plc/plc-error.ts';
import type { TagType, TagValue } from '../../lib/plc/tag-type.ts';
import {
  askToLeave,
  linkDown,
  LinkNotice,
  type Reading,
  type TagDescription,
  type TagWrite,
  type Transport,
  type WriteAnswer,
  type WriteGuard,
} from '../../lib/plc/transport.ts';
import type { Random } from '../../lib/statistics/random.ts';
import { CommandBlock, type BlockCommand, type BlockStatus } from '../../plant/command-block.ts';
import type { VirtualTime } from './virtual-time.ts';

export const BLOCK_TAGS = {
  commandId: 'CmdId',
  ttl: 'TtlMs',
  reference: 'DecisionRef',
  ackId: 'AckId',
  ackResult: 'AckResult',
  applied: 'AppliedValue',
} as const;
/** A bare tag, and the value of the block. */
export const PLAIN_TAG = 'Plain';
export const BLOCK_TAG = 'Value';

const RECONNECT_MS = 100;
/** Of requests: lost on the way there, and on the way back. */
const LOSS = 0.03;

export class SimulatedPlc {
  readonly block: CommandBlock;
  /** Told of every effect at the moment of it. */
  onEffect: (value: number) => void = () => undefined;
  readonly #time: VirtualTime;
  readonly #random: Random;
  #plain = 0;

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
    this.block = new CommandBlock({ clock: time.clock('world'), settings: { RangeHigh: 1e6 } });
    this.block.on('effect', ({ value }) => this.onEffect(value));
    this.#scan();
  }

  restart(): void {
    this.#plain = 0;
    this.block.restart();
    this.#scan();
  }

  read(tag: string): number {
    this.#scan();
    if (tag === PLAIN_TAG) return this.#plain;
    return tag in this.block.command
      ? Number(this.block.command[tag as keyof BlockCommand])
      : Number(this.block.status[tag as keyof BlockStatus]);
  }

  write(writes: readonly TagWrite[]): void {
    for (const { tag, value } of writes) {
      if (tag === PLAIN_TAG) this.#takePlain(Number(value));
      else Object.assign(this.block.command, { [tag]: value });
    }
    this.#scan();
  }

  /** A program may take a value over in a later scan, or not at all. */
  #takePlain(value: number): void {
    const take = (): void => {
      this.#plain = value;
      this.onEffect(value);
    };
    const chance = this.#random.uniform();
    if (chance < 0.7) take();
    else if (chance < 0.95) this.#time.clock('world').after(this.#random.below(300), take);
  }

  /** Somebody keeps the beats and the Arm bit of the block going; that is not what is looked at here. */
  #scan(): void {
    const { command } = this.block;
    command.Heartbeat = (command.Heartbeat + 1) % 65_536;
    command.Arm = true;
    this.block.scan();
  }
}

export class SimulatedLink implements Transport {
  readonly #plc: SimulatedPlc;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #holdsWrites: boolean;
  readonly #notice = new LinkNotice();
  readonly #failing = new Set<(error: PlcError) => void>();
  #isUp = true;

  /** @param holdsWrites the guard off: always "up", and what cannot be sent is kept for later */
  constructor(plc: SimulatedPlc, time: VirtualTime, random: Random, holdsWrites: boolean) {
    this.#plc = plc;
    this.#time = time;
    this.#random = random;
    this.#holdsWrites = holdsWrites;
    this.#notice.set({ state: 'up' });
  }

  open = (): void => undefined;
  close = (): Promise<void> => Promise.resolve();
  linkUp = (): boolean => this.#isUp || this.#holdsWrites;
  link = () => this.#notice.link;
  onLink: Transport['onLink'] = (listener) => this.#notice.add(listener);

  cut(): void {
    this.#isUp = false;
    this.#notice.set({ state: 'connecting' });
    for (const fail of [...this.#failing]) fail(new PlcError('PLC_LINK_LOST', 'cut'));
  }

  mend(): void {
    this.#isUp = true;
    this.#notice.set({ state: 'up' });
  }

  describe(tag: string): Promise<TagDescription> {
    const dataType: TagType = tag === PLAIN_TAG || tag === BLOCK_TAG ? 'Double' : 'UInt32';
    return this.#isUp || this.#holdsWrites
      ? Promise.resolve({ dataType, writable: true })
      : Promise.reject(linkDown('PLC'));
  }

  async read(tag: string, timeoutMs: number): Promise<Reading> {
    const value = await this.#request(() => this.#plc.read(tag), timeoutMs, false);
    return { value, good: true, status: 'Good', sourceAt: null };
  }

  readAll(tags: readonly string[], timeoutMs: number): Promise<Reading[]> {
    return this.#request(
      () => tags.map((tag) => ({ value: this.#plc.read(tag), good: true, status: 'Good', sourceAt: null })),
      timeoutMs,
      false,
    );
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

  async writeAll(writes: readonly TagWrite[], timeoutMs: number, guard?: WriteGuard): Promise<WriteAnswer> {
    if (!this.#holdsWrites) askToLeave(guard, 'write');
    await this.#request(() => this.#plc.write(writes), timeoutMs, true);
    return { result: 'good', status: 'Good' };
  }

  async #request<Result>(act: () => Result, timeoutMs: number, isWrite: boolean): Promise<Result> {
    while (!this.#isUp) {
      if (!(this.#holdsWrites && isWrite)) throw linkDown('PLC');
      await this.#time.wait(RECONNECT_MS, 'process');
    }
    const world = this.#time.clock('world');
    const delayMs = 1 + this.#random.below(this.#random.uniform() < 0.1 ? 400 : 10);
    const isLost = this.#random.uniform() < LOSS;
    const isAnswerLost = this.#random.uniform() < LOSS;
    return new Promise((resolve, reject) => {
      const arrive = world.after(delayMs, () => {
        if (isLost) return;
        const result = act();
        if (isAnswerLost) return;
        world.after(delayMs, () => {
          end();
          resolve(result);
        });
      });
      const fail = (error: PlcError): void => {
        end();
        reject(error);
      };
      const expire = this.#time.clock('process').after(timeoutMs, () => {
        // The socket is reset: what is still on its way does not arrive.
        arrive();
        fail(new PlcError('PLC_TIMEOUT', 'no answer'));
      });
      const end = (): void => {
        expire();
        this.#failing.delete(fail);
      };
      this.#failing.add(fail);
    });
  }
}
