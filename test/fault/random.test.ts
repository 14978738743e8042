/**
 * Commands to the plant's PLC while anything that can go wrong does, one after the other and at random. The PLC's own
 * record of what took effect is the truth. `JIDOKA_SEED=n` repeats a run.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Backoff } from '../../lib/backoff.ts';
import { CommandEngine, type HandshakeTags, type Outcome } from '../../lib/plc/command.ts';
import { ModbusTransport } from '../../lib/plc/modbus.ts';
import { OpcUaTransport } from '../../lib/plc/opcua.ts';
import { withDeadline, type Transport } from '../../lib/plc/transport.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { seededRandom, type Random } from '../../lib/statistics/random.ts';
import { startModbus } from '../../plant/modbus.ts';
import { startOpcua } from '../../plant/opcua.ts';
import { PlcMemory, type PlcWrite } from '../../plant/plc-memory.ts';
import { command, linkIs, testStation } from '../support/commands.ts';
import { keepArmed, withoutLockout } from '../support/fault-load.ts';
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts';
import { pause } from '../support/ordeal.ts';
import { seed } from '../support/properties.ts';
import { volume } from '../support/volume.ts';

const COMMANDS = volume(200, 10_000);
const BEAT_MS = 100;
const TIMEOUT_MS = 250;
const SETTLE_MS = 150;
const DEADLINE_MS = 600;
/** Nothing is waited for longer: commands end in their deadline, links come back within their backoff. */
const WAIT_MS = 40_000;
const BACKOFF = { firstMs: 50, maxMs: 500 };

type Protocol = 'OPC UA' | 'Modbus';
type Profile = 'plain' | 'handshake';
const RIGS = (['OPC UA', 'Modbus'] as const).flatMap((protocol) =>
  (['plain', 'handshake'] as const).map((profile) => ({ protocol, profile })),
);

const TAGS: Record<Protocol, Record<Profile, { tag: string; handshake?: HandshakeTags }>> = {
  'OPC UA': {
    plain: { tag: 'ns=1;s=Line.TorqueSetpoint' },
    handshake: {
      tag: 'ns=1;s=Line.Torque.Value',
      handshake: {
        commandId: 'ns=1;s=Line.Torque.CmdId',
        ttl: 'ns=1;s=Line.Torque.TtlMs',
        reference: 'ns=1;s=Line.Torque.DecisionRef',
        ackId: 'ns=1;s=Line.Torque.AckId',
        ackResult: 'ns=1;s=Line.Torque.AckResult',
        applied: 'ns=1;s=Line.Torque.AppliedValue',
      },
    },
  },
  Modbus: {
    plain: { tag: 'holding:0:float32' },
    handshake: {
      tag: 'holding:100:float32',
      handshake: {
        commandId: 'holding:106:uint32',
        ttl: 'holding:102:uint32',
        reference: 'holding:104:uint32',
        ackId: 'holding:120:uint32',
        ackResult: 'holding:122',
        applied: 'holding:123:float32',
      },
    },
  },
};

/** A PLC of its own behind a network of its own. */
interface Rig {
  plc: PlcMemory;
  proxy: FaultProxy;
  connect(): Transport;
  close(): Promise<void>;
}

async function startRig(protocol: Protocol, folder: string): Promise<Rig> {
  const plc = new PlcMemory();
  const server = await (protocol === 'OPC UA' ? startOpcua({ plc }) : startModbus({ plc }));
  const proxy = await startFaultProxy(server.port);
  const { command: block } = plc.torque;
  const beats = setInterval(() => {
    plc.writeTorque({ Heartbeat: (block.Heartbeat + 1) % 65_536, Arm: true }, 'opcua');
  }, BEAT_MS);
  return {
    plc,
    proxy,
    connect: () => {
      const transport =
        protocol === 'OPC UA'
          ? new OpcUaTransport({
              endpointUrl: `opc.tcp://127.0.0.1:${proxy.port}`,
              security: 'None',
              pkiFolder: join(folder, 'pki'),
              backoff: new Backoff(BACKOFF),
            })
          : new ModbusTransport({
              host: '127.0.0.1',
              port: proxy.port,
              unit: 1,
              backoff: new Backoff(BACKOFF),
            });
      transport.open();
      return transport;
    },
    close: async () => {
      clearInterval(beats);
      await proxy.close();
      await server.close();
      plc.close();
    },
  };
}

/** Every thirtieth of a newton metre is told from every other in 32 bits, and lies in the range of the tag. */
function valueOf(number: number): number {
  return Math.fround(1 + (50 * number) / COMMANDS);
}

/** What goes wrong around one command; returns the way to mend it. */
type Mishap = (rig: Rig, random: Random) => () => void;

const NETWORK: readonly Mishap[] = [
  ({ proxy }) => {
    proxy.cut();
    return () => proxy.mend();
  },
  ({ proxy }, random) => {
    const timer = setTimeout(() => proxy.reset(), random.below(12));
    return () => clearTimeout(timer);
  },
  ({ proxy }) => {
    proxy.set('down', { type: 'timeout' });
    return () => proxy.mend();
  },
  ({ proxy }) => {
    proxy.set('up', { type: 'timeout', held: 'until-reset' });
    return () => proxy.mend();
  },
  ({ proxy }, random) => {
    proxy.set('up', { type: 'latency', delayMs: random.below(2 * TIMEOUT_MS) });
    return () => proxy.mend();
  },
  ({ proxy }) => {
    proxy.set('down', { type: 'reset_peer' });
    return () => proxy.mend();
  },
];

const PROGRAM: Record<Profile, readonly Mishap[]> = {
  plain: [
    ({ plc }) => fault(plc, { kind: 'clamp', min: 0, max: 0.5 }),
    ({ plc }) => fault(plc, { kind: 'clamp', min: 0, max: 0.5, announced: true }),
    ({ plc }, random) => fault(plc, { kind: 'apply-late', afterMs: random.below(3 * SETTLE_MS) }),
    ({ plc }) => fault(plc, { kind: 'out-of-range' }),
  ],
  handshake: [
    ({ plc }, random) => blockFault(plc, { kind: 'late-ack', afterMs: random.below(3 * SETTLE_MS) }),
    ({ plc }) => blockFault(plc, { kind: 'ack-without-effect' }),
    ({ plc }) => blockFault(plc, { kind: 'effect-without-ack' }),
    ({ plc }, random) => blockFault(plc, { kind: 'slow-scan', everyMs: random.below(3 * SETTLE_MS) }),
    ({ plc }) => blockFault(plc, { kind: 'clamp', min: 0, max: 0.5 }),
    ({ plc }) => {
      plc.torque.restart();
      return () => undefined;
    },
  ],
};

function fault(plc: PlcMemory, kind: Parameters<PlcMemory['setFault']>[1]): () => void {
  plc.setFault('TorqueSetpoint', kind);
  return () => plc.setFault('TorqueSetpoint', null);
}

function blockFault(plc: PlcMemory, kind: NonNullable<PlcMemory['torque']['fault']>): () => void {
  plc.torque.fault = kind;
  return () => {
    plc.torque.fault = null;
  };
}

interface Options {
  commands: number;
  mishaps?: readonly Mishap[];
  /** How many of the commands something goes wrong around. */
  chance?: number;
  /** A guard off: what could not be seen is sent again. */
  retriesBlindly?: boolean;
  /** A guard off: neither the block nor the journal is asked whether the command before was answered. Ends with the first foreign value. */
  forgets?: boolean;
}

interface Result {
  outcomes: Record<string, number>;
  restarts: number;
  repeated: number;
  /** Commands that took effect more than once. */
  doubles: number;
  /** Effects under a number with a value that is not the one of its command. */
  foreign: string[];
  falseConfirmed: number;
  falseRefused: number;
}

/** Shows every number as answered. */
function forgetful(transport: Transport, { commandId, ackId }: HandshakeTags): Transport {
  const readAll: Transport['readAll'] = async (tags, timeoutMs) => {
    const readings = await transport.readAll(tags, timeoutMs);
    const answered = readings[tags.indexOf(ackId)];
    return readings.map((reading, index) => (tags[index] === commandId && answered ? answered : reading));
  };
  return {
    open: () => transport.open(),
    close: () => transport.close(),
    linkUp: () => transport.linkUp(),
    link: () => transport.link(),
    onLink: (listener) => transport.onLink(listener),
    describe: (tag) => transport.describe(tag),
    read: (tag, timeoutMs) => transport.read(tag, timeoutMs),
    readAll,
    write: (tag, value, dataType, timeoutMs) => transport.write(tag, value, dataType, timeoutMs),
    writeAll: (writes, timeoutMs) => transport.writeAll(writes, timeoutMs),
  };
}

/** Rejects, saying what it was, when the work does not end. */
async function ends<Value>(what: string, work: Promise<Value>, limitMs = WAIT_MS): Promise<Value> {
  return withDeadline(work, limitMs, what);
}

async function isArmed(station: StationControl): Promise<void> {
  for (let look = 0; station.arming().state !== 'ARMED'; look += 1) {
    assert.ok(look < 5000, `not armed again: ${JSON.stringify(station.arming())}`);
    await pause(1);
  }
}

describe('commands while anything goes wrong', function () {
  this.timeout(volume(120_000, 3_600_000));
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-random-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function suffer(
    { protocol, profile }: (typeof RIGS)[number],
    random: Random,
    { commands, mishaps, chance = 0.3, retriesBlindly = false, forgets = false }: Options,
  ): Promise<Result> {
    const rig = await startRig(protocol, folder);
    const { plc, proxy } = rig;
    const { tag, handshake } = TAGS[protocol][profile];
    const { station, journal, remove } = await testStation();
    const effects = new Map<number, number>();
    const foreign: string[] = [];
    const held = new Set<number>();
    const effect = (value: number): void => void effects.set(value, (effects.get(value) ?? 0) + 1);
    if (profile === 'handshake') {
      plc.torque.on('effect', ({ id, value }) => {
        const own = Number(
          [...journal.commandRecords.values()].find((record) => record.number === id)?.value,
        );
        const { fault: broken } = plc.torque;
        const due = broken?.kind === 'clamp' ? Math.min(broken.max, Math.max(broken.min, own)) : own;
        if (Math.fround(value) === due) effect(own);
        else foreign.push(`number ${id} of ${own} took ${value}`);
      });
    } else {
      plc.on('write', (write) => write.tag === 'TorqueSetpoint' && effect(Math.fround(Number(write.value))));
      plc.on('change', (name, value) => name === 'TorqueSetpoint' && held.add(Math.fround(Number(value))));
    }
    const leave = await keepArmed(station);
    const authority = withoutLockout(station);
    const results = new Map<number, Outcome[]>();
    let [restarts, repeated] = [0, 0];
    let transport = rig.connect();
    const started = (): CommandEngine =>
      new CommandEngine({
        endpoint: 'plc',
        transport: forgets && handshake !== undefined ? forgetful(transport, handshake) : transport,
      });
    let engine = started();
    await ends('first link', linkIs(transport, 'up'));
    for (let number = 1; number <= commands && !(forgets && foreign.length > 0); number += 1) {
      const possible = mishaps ?? (random.uniform() < 0.5 ? NETWORK : PROGRAM[profile]);
      const mishap = random.uniform() < chance ? possible[random.below(possible.length)] : undefined;
      const mend = mishap?.(rig, random) ?? ((): void => undefined);
      const id = randomUUID();
      const give = (commandId: string): Promise<Outcome> => {
        const wanted = command(tag, valueOf(number), {
          id: commandId,
          handshake,
          timeoutMs: TIMEOUT_MS,
          settleMs: forgets ? 0 : SETTLE_MS,
          deadlineMs: DEADLINE_MS,
          maxPerMinute: 1e6,
          tolerance: 1e-6,
        });
        return ends(`command ${number}`, engine.execute(wanted, authority));
      };
      const given = [give(id)];
      if (random.uniform() < 0.1) {
        repeated += 1;
        given.push(give(id));
      }
      if (random.uniform() < 0.03) {
        // As after a crash: another process goes on with what the journal holds.
        restarts += 1;
        await pause(random.below(20));
        await ends('closing the link', transport.close());
      }
      const outcomes = await Promise.all(given);
      mend();
      if (transport.link().state === 'closed') {
        await ends('closing', engine.close());
        transport = rig.connect();
        engine = started();
        await ends('recovery', engine.recover(authority, { tag, handshake }));
      }
      await ends(`link after command ${number}`, linkIs(transport, 'up'));
      if (retriesBlindly && outcomes[0]?.outcome === 'unknown') outcomes.push(await give(randomUUID()));
      results.set(valueOf(number), outcomes);
      await isArmed(station);
      if (forgets) {
        await ends('closing', engine.close());
        // The journal tells the next process of it too.
        await journal.setValue('plc:plc:unsettled', []);
        engine = started();
      }
    }
    await ends('closing', engine.close());
    await ends('closing the link', transport.close());
    proxy.mend();
    // What a program takes over late has come by now.
    await pause(3 * SETTLE_MS);
    leave();
    await remove();
    await ends('closing the PLC', rig.close());
    const every = [...results.values()].flat();
    const outcomes: Record<string, number> = {};
    for (const { outcome } of every) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    const took = (value: number): boolean => (profile === 'plain' ? held.has(value) : effects.has(value));
    const values = [...results];
    return {
      outcomes,
      restarts,
      repeated,
      foreign,
      doubles: values.filter(([value]) => (effects.get(value) ?? 0) > 1).length,
      falseConfirmed: values.filter(
        ([value, ended]) => ended.some(({ outcome }) => outcome === 'confirmed') && !took(value),
      ).length,
      falseRefused: values.filter(
        ([value, ended]) => ended.every(({ outcome }) => outcome === 'refused') && took(value),
      ).length,
    };
  }

  it(`take effect at most once and with their own value, and only the confirmed are called so (${COMMANDS} of them)`, async () => {
    const results = await Promise.all(
      RIGS.map((rig, index) => suffer(rig, seededRandom(seed + index), { commands: COMMANDS / RIGS.length })),
    );
    for (const [index, { protocol, profile }] of RIGS.entries()) {
      const { outcomes, foreign = [], ...figures } = results[index] ?? { outcomes: {} };
      const shown = JSON.stringify({ ...outcomes, ...figures, foreign: foreign.length });
      console.log(`      ${protocol} ${profile}, seed ${seed}: ${shown}`);
    }
    for (const { doubles, foreign, falseConfirmed, falseRefused } of results) {
      assert.deepEqual(
        { doubles, foreign, falseConfirmed, falseRefused },
        { doubles: 0, foreign: [], falseConfirmed: 0, falseRefused: 0 },
        `with JIDOKA_SEED=${seed}: ${JSON.stringify({ doubles, foreign, falseConfirmed, falseRefused })}`,
      );
    }
  });

  it('(control) take effect twice where an unknown outcome is tried again', async () => {
    const { doubles, foreign } = await suffer(
      { protocol: 'Modbus', profile: 'handshake' },
      seededRandom(seed),
      {
        commands: 10,
        mishaps: [({ plc }) => blockFault(plc, { kind: 'effect-without-ack' })],
        chance: 0.5,
        retriesBlindly: true,
      },
    );
    assert.ok(doubles > 0);
    assert.deepEqual(foreign, []);
  });

  it('(control) take the value of another where nobody waits for the answer to the one before', async () => {
    const { doubles, foreign } = await suffer(
      { protocol: 'OPC UA', profile: 'handshake' },
      seededRandom(seed),
      {
        commands: 10,
        mishaps: [
          // The block looks between a value and its number, and at no other time.
          ({ plc }) => {
            const look = (write: PlcWrite): void => {
              if (write.tag === 'Torque.Value') setImmediate(() => plc.torque.scan());
            };
            plc.on('write', look);
            plc.torque.fault = { kind: 'slow-scan', everyMs: 600_000 };
            return () => plc.off('write', look);
          },
        ],
        chance: 1,
        forgets: true,
      },
    );
    assert.ok(foreign.length > 0);
    assert.equal(doubles, 0);
  });
});
