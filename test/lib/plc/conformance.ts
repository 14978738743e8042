/**
 * What every transport promises (lib/plc/transport.ts), as tests that run against a real server of the
 * protocol. A rig is one transport, its server, and a cable between them that can be held, cut and
 * soiled; `makeRig` is called for each test and may share what is expensive.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from 'mocha';
import type { LinkState, TagWrite, Transport } from '../../../lib/plc/transport.ts';
import type { TagType, TagValue } from '../../../lib/plc/tag-type.ts';
import { linkIs } from '../../support/commands.ts';

export interface Rig {
  /** Not opened yet. Tries again within a fraction of a second when its link is lost. */
  transport: Transport;
  /** Another one to the same server, to be opened and closed by the test. */
  another(): Transport;
  /** True where a request waits until the one before it was answered. */
  oneAtATime?: boolean;
  tags: {
    bit: string;
    integer: string;
    float: string;
    /** Only where the protocol knows such tags. */
    readOnly?: string;
    /** One the server does not have, only where the protocol can tell. */
    unknown?: string;
    /** Not written as this protocol writes tags. */
    malformed: string;
  };
  peer: {
    value(tag: string): TagValue | undefined;
    set(tag: string, value: TagValue): void;
    /** What arrived, in order, one entry for a tag. */
    writes(): { tag: string; value: TagValue }[];
    /** Sessions or links at the server, whichever live longer. */
    sessions(): number;
    /** From here on nothing arrives and nothing is answered; the links stay. */
    freeze(): void;
    /** What was held since arrives, unless its sender has reset the link. */
    thaw(): void;
    /** The server is gone and answers nobody. */
    kill(): Promise<void> | void;
    restart(): Promise<void> | void;
    /** Resets every link once. */
    reset(): void;
    /** Puts bytes on the links to the clients that the server has not sent. */
    inject(bytes: Buffer): void;
  };
  close(): Promise<void>;
}

/** Long enough for a busy machine; what is awaited comes in milliseconds. */
const TIMEOUT_MS = 3000;
/** Nothing can answer a held link, so this is only waited out. */
const HELD_MS = 80;

/** Each is wrong for every protocol here in another way: too short, a wrong header, a lying length, noise. */
const GARBAGE = [
  Buffer.from([0]),
  Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
  Buffer.alloc(300, 0xff),
  Buffer.from('0300ffff02f080320300000000', 'hex'),
  Buffer.from('0300000702f000', 'hex'),
  Buffer.from('0300000402f080', 'hex'),
  Buffer.from('000100000003018302', 'hex'),
  Buffer.from('4d53474608000000', 'hex'),
  Buffer.from('01830240f1', 'hex'),
  Buffer.alloc(64),
];

export function conforms(
  name: string,
  makeRig: () => Promise<Rig>,
  /** Skips where the server cannot be had. */
  requireServer: (context: Context) => void = () => undefined,
): void {
  describe(`${name} keeps the promises of a transport:`, () => {
    before(function () {
      this.timeout(3 * 60_000);
      requireServer(this);
    });
    let rig: Rig;
    let transport: Transport;
    let types: Record<'bit' | 'integer' | 'float', TagType>;

    beforeEach(async () => {
      rig = await makeRig();
      ({ transport } = rig);
      transport.open();
      await linkIs(transport, 'up');
      const typeOf = async (tag: string): Promise<TagType> => (await transport.describe(tag)).dataType;
      types = {
        bit: await typeOf(rig.tags.bit),
        integer: await typeOf(rig.tags.integer),
        float: await typeOf(rig.tags.float),
      };
    });
    afterEach(async () => {
      await transport.close();
      await rig.close();
    });

    type Kind = 'bit' | 'integer' | 'float';
    const write = (kind: Kind, value: TagValue, timeoutMs = TIMEOUT_MS): Promise<string> =>
      transport.write(rig.tags[kind], value, types[kind], timeoutMs).then(({ result }) => result, codeOf);
    const entry = (kind: Kind, value: TagValue): TagWrite => ({
      tag: rig.tags[kind],
      value,
      dataType: types[kind],
    });
    const arrived = (kind: Kind, value: TagValue): { tag: string; value: TagValue } => ({
      tag: rig.tags[kind],
      value,
    });
    const nothingButMarker = async (): Promise<void> => {
      await linkIs(transport, 'up');
      assert.equal(await write('integer', 77), 'good');
      await eventually(() => rig.peer.writes().length > 0);
      assert.deepEqual(rig.peer.writes(), [arrived('integer', 77)]);
    };

    it('it says of what type a tag is and whether it may be written', async () => {
      assert.equal(types.bit, 'Boolean');
      assert.match(types.integer, /^U?Int(16|32)$/);
      assert.match(types.float, /^(Float|Double)$/);
      for (const tag of [rig.tags.bit, rig.tags.integer, rig.tags.float])
        assert.equal((await transport.describe(tag)).writable, true);
      if (rig.tags.readOnly !== undefined)
        assert.equal((await transport.describe(rig.tags.readOnly)).writable, false);
    });

    it('it reads what the PLC holds, and says when it arose where the protocol does', async () => {
      rig.peer.set(rig.tags.bit, true);
      rig.peer.set(rig.tags.integer, 1234);
      rig.peer.set(rig.tags.float, -0.5);
      for (const [tag, value] of [
        [rig.tags.bit, true],
        [rig.tags.integer, 1234],
        [rig.tags.float, -0.5],
      ] as const) {
        const reading = await transport.read(tag, TIMEOUT_MS);
        assert.deepEqual([reading.value, reading.good], [value, true]);
        assert.ok(reading.sourceAt === null || !Number.isNaN(Date.parse(reading.sourceAt)));
      }
    });

    it('it writes each type once, and the PLC holds it then', async () => {
      let expected = 0;
      for (const [kind, value] of [
        ['bit', true],
        ['bit', false],
        ['integer', 0],
        ['integer', 32_767],
        ['float', 1.5],
        ['float', -1024.25],
      ] as const) {
        assert.equal(await write(kind, value), 'good');
        expected += 1;
        await eventually(() => rig.peer.writes().length === expected);
        assert.deepEqual(rig.peer.writes().at(-1), arrived(kind, value));
        assert.equal(rig.peer.value(rig.tags[kind]), value);
      }
    });

    it('it reads several tags in the order asked for', async () => {
      rig.peer.set(rig.tags.bit, true);
      rig.peer.set(rig.tags.integer, 21);
      rig.peer.set(rig.tags.float, 2.25);
      const { bit, integer, float } = rig.tags;
      for (const [tags, values] of [
        [
          [float, bit, integer, float],
          [2.25, true, 21, 2.25],
        ],
        [
          [integer, float, bit],
          [21, 2.25, true],
        ],
        [[], []],
      ] as const) {
        const readings = await transport.readAll(tags, TIMEOUT_MS);
        assert.deepEqual(
          readings.map(({ value }) => value),
          values,
        );
      }
    });

    it('it writes several tags with the last one last', async () => {
      for (const last of ['bit', 'integer', 'float'] as const) {
        const [before, block] = [rig.peer.writes().length, { bit: true, integer: 5, float: 3.5 }];
        const others = (['float', 'bit', 'integer'] as const).filter((kind) => kind !== last);
        const order = [...others, last];
        const { result } = await transport.writeAll(
          order.map((kind) => entry(kind, block[kind])),
          TIMEOUT_MS,
        );
        assert.equal(result, 'good');
        await eventually(() => rig.peer.writes().length === before + 3);
        assert.deepEqual(rig.peer.writes().at(-1), arrived(last, block[last]));
        for (const kind of order) assert.equal(rig.peer.value(rig.tags[kind]), block[kind]);
      }
    });

    it('it ends a write of several at the first that is refused', async function () {
      const { readOnly } = rig.tags;
      if (readOnly === undefined) this.skip();
      const { dataType } = await transport.describe(readOnly);
      const value = dataType === 'Boolean' ? true : 9;
      const { result } = await transport.writeAll(
        [entry('float', 1.25), { tag: readOnly, value, dataType }, entry('integer', 6)],
        TIMEOUT_MS,
      );
      assert.equal(result, 'refused');
      assert.equal((await transport.write(readOnly, value, dataType, TIMEOUT_MS)).result, 'refused');
      assert.notEqual(rig.peer.value(rig.tags.integer), 6);
      assert.ok(!rig.peer.writes().some(({ tag }) => tag !== rig.tags.float));
    });

    it('it refuses a value of another type than the tag, and nothing changes', async () => {
      rig.peer.set(rig.tags.float, 8.5);
      const wrong = await transport
        .write(rig.tags.float, true, 'Boolean', TIMEOUT_MS)
        .then(({ result }) => result, codeOf);
      assert.match(wrong, /^(refused|PLC_TAG_(INVALID|UNUSABLE))$/);
      assert.equal(rig.peer.value(rig.tags.float), 8.5);
      assert.deepEqual(rig.peer.writes(), []);
    });

    it('it says that a tag is unknown, or not written as tags are', async () => {
      const { malformed, unknown } = rig.tags;
      assert.match(await transport.describe(malformed).then(() => 'described', codeOf), /^PLC_TAG_/);
      if (unknown === undefined) return;
      assert.equal(await transport.describe(unknown).then(() => 'described', codeOf), 'PLC_TAG_UNUSABLE');
    });

    it('it tells every state of its link, and nobody who has left', async () => {
      const seen: LinkState['state'][] = [];
      const fresh = rig.another();
      assert.deepEqual([fresh.link().state, fresh.linkUp()], ['connecting', false]);
      fresh.onLink(() => assert.fail('told a listener that had left'))();
      fresh.onLink(({ state }) => seen.push(state));
      fresh.open();
      await linkIs(fresh, 'up');
      await rig.peer.kill();
      await linkIs(fresh, 'down');
      const lost = fresh.link();
      assert.ok(lost.state === 'connecting');
      await rig.peer.restart();
      await linkIs(fresh, 'up');
      await fresh.close();
      assert.deepEqual(
        seen.filter((state, index) => state !== seen[index - 1] && state !== 'failed'),
        ['connecting', 'up', 'connecting', 'up', 'closed'],
      );
      assert.deepEqual([fresh.link().state, fresh.linkUp()], ['closed', false]);
    });

    it('it refuses at once while there is no link, and sends none of it later', async () => {
      await rig.peer.kill();
      await linkIs(transport, 'down');
      const { integer, bit } = rig.tags;
      assert.equal(await write('integer', 1), 'PLC_LINK_DOWN');
      assert.equal(await write('bit', true), 'PLC_LINK_DOWN');
      const block = [entry('float', 2), entry('integer', 3)];
      assert.equal(
        await transport.writeAll(block, TIMEOUT_MS).then(() => 'written', codeOf),
        'PLC_LINK_DOWN',
      );
      assert.equal(await transport.read(bit, TIMEOUT_MS).then(() => 'read', codeOf), 'PLC_LINK_DOWN');
      assert.equal(
        await transport.readAll([bit, integer], TIMEOUT_MS).then(() => 'read', codeOf),
        'PLC_LINK_DOWN',
      );
      await rig.peer.restart();
      await nothingButMarker();
    });

    it('it gives up a write in time, resets its link, and nothing of it arrives later', async () => {
      rig.peer.freeze();
      assert.equal(await write('integer', 13, HELD_MS), 'PLC_TIMEOUT');
      assert.equal(transport.linkUp(), false);
      assert.equal(await write('integer', 14, HELD_MS), 'PLC_LINK_DOWN');
      await eventually(() => rig.peer.sessions() === 0 || transport.link().state === 'connecting');
      // The cable needs a moment to hear of the reset; what is held is lost with it.
      await delay(50);
      rig.peer.thaw();
      await nothingButMarker();
    });

    it('it gives up a write of several in time, and nothing of it arrives later', async () => {
      rig.peer.freeze();
      const block = [entry('float', 4.5), entry('bit', true), entry('integer', 13)];
      assert.equal(await transport.writeAll(block, HELD_MS).then(() => 'written', codeOf), 'PLC_TIMEOUT');
      assert.equal(transport.linkUp(), false);
      await delay(50);
      rig.peer.thaw();
      await nothingButMarker();
    });

    it('it asks right before it sends whether it still may, however long it waited for its turn', async () => {
      rig.peer.freeze();
      const before = transport.read(rig.tags.float, TIMEOUT_MS).catch(codeOf);
      let [mayLeave, hasLeft] = [true, false];
      const guard = { mayLeave: () => ((hasLeft ||= mayLeave), mayLeave), leftMs: () => TIMEOUT_MS };
      const waiting = transport
        .write(rig.tags.bit, true, types.bit, TIMEOUT_MS, guard)
        .then(({ result }) => result, codeOf);
      mayLeave = false;
      assert.equal(hasLeft, rig.oneAtATime !== true);
      rig.peer.thaw();
      await before;
      assert.equal(await waiting, hasLeft ? 'good' : 'PLC_WITHHELD');
      assert.equal(await write('integer', 77), 'good');
      await eventually(() => rig.peer.writes().some(({ tag }) => tag === rig.tags.integer));
      const expected = [...(hasLeft ? [arrived('bit', true)] : []), arrived('integer', 77)];
      assert.deepEqual(rig.peer.writes(), expected);
    });

    it('it asks before each part of a write of several, and holds back the last', async () => {
      let asked = 0;
      const guard = { mayLeave: () => (asked += 1) === 1, leftMs: () => TIMEOUT_MS };
      const block = [entry('bit', true), entry('integer', 13)];
      const held = transport.writeAll(block, TIMEOUT_MS, guard).then(({ result }) => result, codeOf);
      assert.equal(await held, 'PLC_WITHHELD');
      assert.equal(asked, 2);
      assert.equal(await write('integer', 77), 'good');
      await eventually(() => rig.peer.writes().some(({ tag }) => tag === rig.tags.integer));
      assert.deepEqual(rig.peer.writes(), [arrived('bit', true), arrived('integer', 77)]);
    });

    it('it gives up a read in time, and an answer that comes later is nobody’s', async () => {
      rig.peer.set(rig.tags.integer, 3);
      rig.peer.freeze();
      assert.equal(await transport.read(rig.tags.integer, HELD_MS).then(() => 'read', codeOf), 'PLC_TIMEOUT');
      rig.peer.thaw();
      rig.peer.set(rig.tags.float, 9.5);
      await linkIs(transport, 'up');
      assert.equal((await readEventually(transport, rig.tags.float)).value, 9.5);
      await nothingButMarker();
    });

    it('it loses what is under way with the link, and sends it never again', async () => {
      rig.peer.freeze();
      const given = write('integer', 15);
      await delay(20);
      rig.peer.reset();
      assert.match(await given, /^PLC_(LINK_LOST|TIMEOUT)$/);
      rig.peer.thaw();
      await nothingButMarker();
    });

    it('it finds a server that was restarted, again and again', async () => {
      for (let round = 1; round <= 3; round += 1) {
        await rig.peer.kill();
        await linkIs(transport, 'down');
        await rig.peer.restart();
        await linkIs(transport, 'up');
        assert.equal(await write('integer', round), 'good');
        assert.equal((await transport.read(rig.tags.integer, TIMEOUT_MS)).value, round);
      }
      await eventually(() => rig.peer.writes().length >= 3);
      assert.deepEqual(
        rig.peer.writes().map(({ value }) => value),
        [1, 2, 3],
      );
    });

    it('it leaves nothing at the PLC when it is closed, twenty times over', async () => {
      await eventually(() => rig.peer.sessions() === 1);
      for (let deploy = 0; deploy < 20; deploy += 1) {
        const deployed = rig.another();
        deployed.open();
        await linkIs(deployed, 'up');
        // Every other one is closed with something under way.
        const given =
          deploy % 2 === 0
            ? deployed.read(rig.tags.integer, TIMEOUT_MS).then(() => 'read', codeOf)
            : Promise.resolve('read');
        await deployed.close();
        assert.match(await given, /^(read|PLC_(LINK_LOST|LINK_DOWN|TIMEOUT|READ_FAILED))$/);
        await eventually(() => rig.peer.sessions() === 1);
      }
      assert.deepEqual(rig.peer.writes(), []);
    });

    it('it can be closed before it was opened, while it connects, while nothing answers, and twice', async () => {
      await rig.another().close();
      const early = rig.another();
      early.open();
      await early.close();
      rig.peer.freeze();
      const mute = rig.another();
      mute.open();
      await mute.close();
      await transport.close();
      await transport.close();
      rig.peer.thaw();
      assert.equal(await write('integer', 1), 'PLC_LINK_DOWN');
      await eventually(() => rig.peer.sessions() === 0);
      assert.deepEqual(rig.peer.writes(), []);
    });

    it('it survives garbage and resets on the wire, and finds back', async () => {
      for (const bytes of GARBAGE) {
        const reading = transport.read(rig.tags.integer, 200).catch(codeOf);
        rig.peer.inject(bytes);
        await reading;
        rig.peer.reset();
        await eventually(() => !transport.linkUp());
        await linkIs(transport, 'up');
      }
      await nothingButMarker();
    });

    it('it carries many requests at once and mixes up none', async () => {
      rig.peer.set(rig.tags.integer, 21);
      rig.peer.set(rig.tags.float, 2.25);
      const values = await Promise.all(
        Array.from({ length: 20 }, async (_none, index) => {
          if (index % 5 === 4) return [await write('bit', true), 'good'];
          const [tag, value] = index % 2 === 0 ? [rig.tags.integer, 21] : [rig.tags.float, 2.25];
          return [(await transport.read(tag, TIMEOUT_MS)).value, value];
        }),
      );
      for (const [seen, expected] of values) assert.equal(seen, expected);
      await eventually(() => rig.peer.writes().length === 4);
    });
  });
}

/** A request that met the end of an old link is asked again on the next. */
async function readEventually(transport: Transport, tag: string): ReturnType<Transport['read']> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await transport.read(tag, TIMEOUT_MS);
    } catch (error) {
      if (attempt === 5) throw error;
      await linkIs(transport, 'up');
    }
  }
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string') throw error;
  return code;
}

/** For what the other side notices a moment later and tells nobody. */
export async function eventually(reached: () => boolean): Promise<void> {
  while (!reached()) await delay(5);
}
