import assert from 'node:assert/strict';
import { Backoff } from '../../../lib/backoff.ts';
import { CommandEngine, type Command, type HandshakeTags, type Outcome } from '../../../lib/plc/command.ts';
import { ModbusTransport } from '../../../lib/plc/modbus.ts';
import { OpcUaTransport } from '../../../lib/plc/opcua.ts';
import type { Transport } from '../../../lib/plc/transport.ts';
import type { StationControl } from '../../../lib/station/station.ts';
import type { BlockFault } from '../../../plant/command-block.ts';
import { startModbus } from '../../../plant/modbus.ts';
import { startOpcua } from '../../../plant/opcua.ts';
import { PlcMemory } from '../../../plant/plc-memory.ts';
import { command, linkIs, person, testStation } from '../../support/commands.ts';
import type { MemoryJournal } from '../../support/memory-journal.ts';
import { pause } from '../../support/ordeal.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';

interface Tags {
  value: string;
  handshake: Required<Omit<HandshakeTags, 'ttl' | 'reference' | 'applied'>> & HandshakeTags;
}

const node = (name: string): string => `ns=1;s=Line.Torque.${name}`;
const OPCUA: Tags = {
  value: node('Value'),
  handshake: {
    commandId: node('CmdId'),
    ttl: node('TtlMs'),
    reference: node('DecisionRef'),
    ackId: node('AckId'),
    ackResult: node('AckResult'),
    applied: node('AppliedValue'),
  },
};
const MODBUS: Tags = {
  value: 'holding:100:float32',
  handshake: {
    ttl: 'holding:102:uint32',
    reference: 'holding:104:uint32',
    commandId: 'holding:106:uint32',
    ackId: 'holding:120:uint32',
    ackResult: 'holding:122',
    applied: 'holding:123:float32',
  },
};

for (const [protocol, tags] of [
  ['OPC UA', OPCUA],
  ['Modbus', MODBUS],
] as const) {
  describe(`a command that a function block acknowledges, over ${protocol}`, () => {
    let plc: PlcMemory;
    let server: { port: number; close(): Promise<void> };
    let proxy: TcpProxy;
    let transport: Transport;
    let engine: CommandEngine;
    let station: StationControl;
    let journal: MemoryJournal;
    let beats: NodeJS.Timeout;
    let remove: () => Promise<void>;

    before(async () => {
      plc = new PlcMemory();
      server = await (protocol === 'Modbus' ? startModbus({ plc }) : startOpcua({ plc }));
    });
    after(async () => {
      await server.close();
      plc.close();
    });

    beforeEach(async () => {
      let folder: string;
      ({ station, journal, folder, remove } = await testStation());
      startAnew();
      proxy = await startTcpProxy(server.port);
      const backoff = new Backoff({ firstMs: 20, maxMs: 50 });
      const { port } = proxy;
      transport =
        protocol === 'Modbus'
          ? new ModbusTransport({ host: '127.0.0.1', port, unit: 1, backoff })
          : new OpcUaTransport({
              endpointUrl: `opc.tcp://127.0.0.1:${port}`,
              security: 'None',
              pkiFolder: folder,
              backoff,
            });
      engine = new CommandEngine({ endpoint: 'plc', transport });
      transport.open();
      await linkIs(transport, 'up');
      await station.arm(person);
      plc.torque.command.Arm = true;
      // What a gateway in good health keeps doing; who beats is not the question here.
      const beat = (): void => void (plc.torque.command.Heartbeat += 1);
      await nextScan();
      beat();
      beats = setInterval(beat, 100);
      await nextScan();
    });
    afterEach(async () => {
      clearInterval(beats);
      await engine.close();
      await transport.close();
      await proxy.close();
      await remove();
    });

    /** A PLC that was just switched on, in a plant in good order. */
    const startAnew = (): void => {
      const { torque } = plc;
      Object.assign(torque.command, { Value: 42, TtlMs: 0, DecisionRef: 0, CmdId: 0, Arm: false });
      Object.assign(torque.settings, { RangeHigh: 60, SlewPerSecond: 200 });
      torque.fault = null;
      torque.effects.clear();
      torque.restart();
      plc.interlockOk = true;
      plc.set('Manual', false);
      plc.writes.length = 0;
    };

    const nextScan = (): Promise<void> => new Promise((resolve) => plc.torque.once('scan', resolve));
    const given = (value: unknown, changes: Partial<Command> = {}): Command =>
      command(tags.value, value, { handshake: tags.handshake, ...changes });
    const give = (value: unknown, changes: Partial<Command> = {}): Promise<Outcome> =>
      engine.execute(given(value, changes), station);
    const fault = (broken: BlockFault): void => void (plc.torque.fault = broken);
    const effects = (): number[] => [...plc.torque.effects.values()];
    const settled = (): Record<string, unknown>[] =>
      journal.entries.filter(({ type }) => type === 'plc.settled').map(({ detail }) => detail ?? {});
    /** Resolves when the ledger says what became of an open command. */
    const settling = async (): Promise<void> => {
      const appendLedger = journal.appendLedger.bind(journal);
      await new Promise<void>((resolve) => {
        journal.appendLedger = async (entry) => {
          const record = await appendLedger(entry);
          if (entry.type === 'plc.settled') resolve();
          return record;
        };
        if (settled().length > 0) resolve();
      });
    };

    it('is confirmed by its own number and the applied value, and has one effect', async () => {
      const { outcome, readBack } = await give(45);
      assert.deepEqual([outcome, readBack], ['confirmed', 45]);
      assert.deepEqual(effects(), [1]);
      assert.equal(plc.get('TorqueSetpoint'), 45);
    });

    it('writes its number last, with what is left of its time and the reference of its record', async () => {
      await give(45, { startedAt: performance.now() - 300, deadlineMs: 1000 });
      const written = plc.writes.map(({ tag }) => tag);
      assert.equal(written.at(-1), 'Torque.CmdId');
      const left = plc.writes.find(({ tag }) => tag === 'Torque.TtlMs')?.value;
      assert.ok(typeof left === 'number' && left > 0 && left <= 700, `${String(left)} ms`);
      const [record] = journal.commandRecords.values();
      assert.equal(plc.torque.command.CmdId, record?.number);
      assert.equal(plc.torque.command.DecisionRef, record?.number, 'the memory journal refers by number');
    });

    it('takes another number for every command', async () => {
      for (const value of [43, 44, 45]) assert.equal((await give(value)).outcome, 'confirmed');
      assert.deepEqual(
        [...plc.torque.effects],
        [
          [1, 1],
          [2, 1],
          [3, 1],
        ],
      );
    });

    for (const [reason, why, prepare, changes] of [
      ['OUT_OF_RANGE', 'the block has a narrower range', () => (plc.torque.settings.RangeHigh = 44), {}],
      ['INTERLOCK', 'its interlock is open', () => (plc.interlockOk = false), {}],
      [
        'STALE',
        'its program comes too late',
        () => fault({ kind: 'slow-scan', everyMs: 1200 }),
        { deadlineMs: 800 },
      ],
      [
        'DUPLICATE',
        'it has accepted a later number, which it does not show any more',
        () => {
          plc.writeTorque({ Value: 42, TtlMs: 1000, CmdId: 1000 }, 'opcua');
          plc.torque.scan();
          plc.torque.status.AckId = 0;
          plc.torque.command.CmdId = 0;
        },
        {},
      ],
      ['NOT_ARMED', 'its Arm bit is not set', () => (plc.torque.command.Arm = false), {}],
      ['MANUAL', 'it is run by hand', () => plc.set('Manual', true), {}],
    ] as const) {
      it(`is refused with ${reason} when the PLC says that ${why}`, async () => {
        prepare();
        await nextScan();
        const before = effects().length;
        const { outcome, detail, ...seen } = await give(45, { settleMs: 2000, ...changes });
        assert.deepEqual([outcome, seen.reason], ['refused', reason]);
        assert.match(detail ?? '', /the PLC refused/);
        assert.equal(effects().length, before);
        assert.equal(station.arming().state, 'ARMED');
      });
    }

    it('is clamped, and the station trips, when the PLC accepts and applies something else', async () => {
      fault({ kind: 'clamp', min: 0, max: 44 });
      const { outcome, reason, readBack } = await give(45, { settleMs: 100 });
      assert.deepEqual([outcome, reason, readBack], ['clamped', 'READBACK_MISMATCH', 44]);
      assert.equal(station.arming().state, 'TRIPPED');
    });

    it('is not confirmed by an acknowledgement without effect', async () => {
      fault({ kind: 'ack-without-effect' });
      assert.equal((await give(45, { settleMs: 100 })).outcome, 'clamped');
    });

    it('waits for an output that is on its way', async () => {
      plc.torque.settings.SlewPerSecond = 20;
      const { outcome, readBack } = await give(45, { settleMs: 2000 });
      assert.deepEqual([outcome, readBack], ['confirmed', 45]);
    });

    it('is unknown without an acknowledgement, and settled by a late one; it is never sent again', async () => {
      fault({ kind: 'late-ack', afterMs: 200 });
      const { outcome, reason } = await give(45, { settleMs: 30 });
      assert.deepEqual([outcome, reason], ['unknown', 'TIMEOUT']);
      const sent = plc.writes.length;
      await settling();
      const [finding] = settled();
      assert.deepEqual(
        [finding?.['acknowledged'], finding?.['outcome'], finding?.['holds']],
        [true, 'confirmed', 45],
      );
      assert.equal(plc.writes.length, sent);
      assert.deepEqual(effects(), [1]);
    });

    it('is settled as never acknowledged before the next number takes its place', async () => {
      fault({ kind: 'effect-without-ack' });
      assert.equal((await give(45, { settleMs: 30, deadlineMs: 200 })).outcome, 'unknown');
      plc.torque.fault = null;
      assert.equal((await give(46)).outcome, 'confirmed');
      const [finding] = settled();
      assert.deepEqual([finding?.['acknowledged'], finding?.['outcome']], [false, 'unknown']);
      assert.deepEqual(effects(), [1, 1]);
    });

    it('trips the station after three of which nothing was heard', async () => {
      fault({ kind: 'effect-without-ack' });
      for (const state of ['ARMED', 'ARMED', 'TRIPPED']) {
        // Each waits until the one before is too old for the block.
        assert.equal((await give(45, { settleMs: 200, deadlineMs: 300 })).outcome, 'unknown');
        assert.equal(station.arming().state, state);
      }
    });

    it('is unknown when the link breaks before the answer, and settled by it when the link is back', async () => {
      assert.equal((await give(44)).outcome, 'confirmed');
      plc.torque.once('effect', () => proxy.cut());
      fault({ kind: 'late-ack', afterMs: 50 });
      const { outcome, reason } = await give(45, { settleMs: 400 });
      assert.deepEqual([outcome, reason], ['unknown', 'LINK_DOWN']);
      await engine.idle();
      proxy.mend();
      await settling();
      assert.deepEqual(
        settled().map((finding) => [finding['outcome'], finding['holds']]),
        [['confirmed', 45]],
      );
      assert.deepEqual(effects(), [1, 1]);
    });

    /** One that the block has not yet seen, with so long to live. */
    const unseen = async (ttlMs: number): Promise<void> => {
      fault({ kind: 'slow-scan', everyMs: 600_000 });
      assert.equal((await give(45, { settleMs: 0, deadlineMs: ttlMs })).outcome, 'unknown');
    };
    const written = (): unknown[] => plc.writes.filter(({ tag }) => tag === 'Torque.Value');

    it('writes nothing while the block may still take an earlier number, and has its own value under its own', async () => {
      const effect = new Promise((resolve) => plc.torque.once('effect', resolve));
      await unseen(2000);
      const next = give(46);
      await pause(200);
      assert.equal(written().length, 1);
      plc.torque.scan();
      assert.deepEqual(await effect, { id: 1, value: 45 });
      plc.torque.fault = null;
      const { outcome, readBack } = await next;
      assert.deepEqual([outcome, readBack], ['confirmed', 46]);
      assert.deepEqual(effects(), [1, 1]);
    });

    it('ends as stale, and is not sent, where the block has not answered the one before in its time', async () => {
      await unseen(5000);
      const { outcome, reason, detail } = await give(46, { deadlineMs: 150 });
      assert.deepEqual([outcome, reason, written().length], ['refused', 'STALE', 1]);
      assert.match(detail ?? '', /has not answered command 1/);
    });

    it('gives way to a newer one while it waits for the block', async () => {
      await unseen(5000);
      const waiting = give(46);
      await pause(50);
      const newer = give(47);
      const { outcome, reason } = await waiting;
      assert.deepEqual([outcome, reason], ['refused', 'SUPERSEDED']);
      plc.torque.scan();
      plc.torque.fault = null;
      assert.equal((await newer).outcome, 'confirmed');
      assert.deepEqual(
        written().map((write) => (write as { value: unknown }).value),
        [45, 47],
      );
    });

    it('never lends its time to live to an earlier number that lies there too old', async () => {
      const acks: unknown[] = [];
      plc.torque.on('ack', (ack) => acks.push(ack));
      await unseen(500);
      plc.torque.command.TtlMs = 60_000;
      const next = give(46, { settleMs: 0, deadlineMs: 3000 });
      // As the block sees it between the two writes: the value of the next, the number of the one before.
      const seen = new Promise<void>((resolve) => {
        plc.on('write', ({ tag, value }) => {
          if (tag === 'Torque.TtlMs' && Number(value) !== 60_000)
            queueMicrotask(() => {
              plc.torque.command.CmdId = 1;
              plc.torque.scan();
              resolve();
            });
        });
      });
      await seen;
      await next;
      plc.removeAllListeners('write');
      plc.torque.removeAllListeners('ack');
      assert.deepEqual(acks[0], { id: 1, result: 4 });
      assert.deepEqual(effects(), []);
    });

    it('waits for what an earlier process has sent and the block may still take', async () => {
      await unseen(2000);
      await engine.close();
      const next = new CommandEngine({ endpoint: 'plc', transport });
      const given46 = next.execute(given(46), station);
      await pause(200);
      assert.equal(written().length, 1);
      plc.torque.scan();
      plc.torque.fault = null;
      assert.equal((await given46).outcome, 'confirmed');
      await next.close();
    });

    it('waits for what the journal says may be on its way', async () => {
      const lost = { id: 'old', partId: null, endpoint: 'plc', tag: tags.value, value: 45, actor: 'system' };
      await journal.recordCommand(lost);
      plc.torque.command.TtlMs = 700;
      await engine.recover(station, command(tags.value, 0, { handshake: tags.handshake }));
      const next = give(46);
      await pause(200);
      assert.equal(written().length, 0);
      assert.equal((await next).outcome, 'confirmed');
    });

    it('goes on above the number that the PLC shows, where its own journal knows of none', async () => {
      plc.writeTorque({ Value: 42, TtlMs: 1000, CmdId: 4_294_967_295 }, 'opcua');
      await nextScan();
      assert.equal((await give(45)).outcome, 'confirmed');
      assert.equal(plc.torqueStatus.AckId, 1);
      const other = new CommandEngine({ endpoint: 'another', transport });
      plc.writeTorque({ Value: 42, TtlMs: 1000, CmdId: 71 }, 'opcua');
      await nextScan();
      assert.equal((await other.execute(given(46), station)).outcome, 'confirmed');
      assert.equal(plc.torqueStatus.AckId, 72);
      await other.close();
    });

    it('of a process that has ended is settled by its acknowledgement', async () => {
      const lost = { id: 'old', partId: null, endpoint: 'plc', tag: tags.value, value: 45, actor: 'system' };
      const { number } = await journal.recordCommand(lost);
      plc.writeTorque({ Value: 45, TtlMs: 1000, CmdId: number }, 'opcua');
      await nextScan();
      const sent = plc.writes.length;
      await engine.recover(station, command(tags.value, 0, { handshake: tags.handshake }));
      await settling();
      const [finding] = settled();
      assert.deepEqual(
        [finding?.['commandId'], finding?.['acknowledged'], finding?.['outcome']],
        ['old', true, 'confirmed'],
      );
      assert.equal(plc.writes.length, sent);
    });

    it('that one process left unknown is settled by the next', async () => {
      fault({ kind: 'late-ack', afterMs: 150 });
      assert.equal((await give(45, { settleMs: 10 })).outcome, 'unknown');
      const acknowledged = new Promise((resolve) => plc.torque.once('ack', resolve));
      await engine.close();
      await acknowledged;
      assert.deepEqual(settled(), []);
      const next = new CommandEngine({ endpoint: 'plc', transport });
      await next.recover(station);
      await settling();
      assert.deepEqual(
        settled().map(({ outcome }) => outcome),
        ['confirmed'],
      );
      await next.close();
    });

    it('is refused, and nothing sent, where a tag of the block cannot hold its number', async () => {
      const narrow = protocol === 'Modbus' ? 'holding:108' : node('Heartbeat');
      const { outcome, reason } = await give(45, { handshake: { ...tags.handshake, commandId: narrow } });
      assert.deepEqual([outcome, reason, plc.writes.length], ['refused', 'NOT_GOOD', 0]);
    });
  });
}
