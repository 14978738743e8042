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
import type { Transport } from '../../lib/plc/transport.ts';
import { seededRandom, type Random } from '../../lib/statistics/random.ts';
import { startModbus } from '../../plant/modbus.ts';
import { startOpcua } from '../../plant/opcua.ts';
import { PlcMemory } from '../../plant/plc-memory.ts';
import { command, linkIs, testStation } from '../support/commands.ts';
import { keepArmed, withoutLockout } from '../support/fault-load.ts';
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts';
import { pause } from '../support/ordeal.ts';
import { seed } from '../support/properties.ts';
import { volume } from '../support/volume.ts';

const COMMANDS = volume(400, 10_000);
const BEAT_MS = 100;
const TIMEOUT_MS = 250;
const SETTLE_MS = 150;
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

interface Result {
  outcomes: Record<string, number>;
  restarts: number;
  repeated: number;
  /** The block took a number after the value of the next command had been written. */
  otherValues: number;
  doubles: number;
  falseConfirmed: number;
  falseRefused: number;
}

describe('commands while anything goes wrong', function () {
  this.timeout(volume(180_000, 1_800_000));
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-random-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function suffer(
    { protocol, profile }: (typeof RIGS)[number],
    random: Random,
    commands: number,
    retriesBlindly = false,
  ): Promise<Result> {
    const rig = await startRig(protocol, folder);
    const { plc, proxy } = rig;
    const effects = new Map<number, number>();
    const count = (value: number): void => {
      effects.set(Math.fround(value), (effects.get(Math.fround(value)) ?? 0) + 1);
    };
    const { station, journal, remove } = await testStation();
    let otherValues = 0;
    // An effect belongs to the command whose number the block took, whatever value it found there.
    if (profile === 'handshake') {
      plc.torque.on('effect', ({ id, value }) => {
        const own = [...journal.commandRecords.values()].find((record) => record.number === id)?.value;
        count(Number(own));
        if (Math.fround(value) !== own && plc.torque.fault?.kind !== 'clamp') otherValues += 1;
      });
    } else plc.on('write', ({ tag, value }) => tag === 'TorqueSetpoint' && count(Number(value)));
    const held = new Set<number>();
    if (profile === 'plain')
      plc.on('change', (tag, value) => tag === 'TorqueSetpoint' && held.add(Math.fround(Number(value))));
    const leave = await keepArmed(station);
    const authority = withoutLockout(station);
    const results = new Map<number, Outcome[]>();
    let [restarts, repeated] = [0, 0];
    let transport = rig.connect();
    let engine = new CommandEngine({ endpoint: 'plc', transport });
    await linkIs(transport, 'up');
    for (let number = 1; number <= commands; number += 1) {
      const mishaps = random.uniform() < 0.5 ? NETWORK : PROGRAM[profile];
      const mishap = random.uniform() < 0.3 ? mishaps[random.below(mishaps.length)] : undefined;
      const mend = mishap?.(rig, random) ?? ((): void => undefined);
      const id = randomUUID();
      const give = (commandId: string): Promise<Outcome> =>
        engine.execute(
          command(TAGS[protocol][profile].tag, valueOf(number), {
            id: commandId,
            handshake: TAGS[protocol][profile].handshake,
            timeoutMs: TIMEOUT_MS,
            settleMs: SETTLE_MS,
            deadlineMs: 600,
            maxPerMinute: 1e6,
            tolerance: 1e-6,
          }),
          authority,
        );
      const given = [give(id)];
      if (random.uniform() < 0.1) {
        repeated += 1;
        given.push(give(id));
      }
      if (random.uniform() < 0.03) {
        // As after a crash: another process goes on with what the journal holds.
        restarts += 1;
        await pause(random.below(20));
        await transport.close();
      }
      const outcomes = await Promise.all(given);
      mend();
      if (transport.link().state === 'closed') {
        await engine.close();
        transport = rig.connect();
        engine = new CommandEngine({ endpoint: 'plc', transport });
        await engine.recover(authority);
      }
      await linkIs(transport, 'up');
      if (retriesBlindly && outcomes[0]?.outcome === 'unknown') outcomes.push(await give(randomUUID()));
      results.set(valueOf(number), outcomes);
      while (station.arming().state !== 'ARMED') await pause(1);
    }
    await engine.close();
    await transport.close();
    proxy.mend();
    // What a program takes over late has come by now.
    await pause(3 * SETTLE_MS);
    leave();
    await remove();
    await rig.close();
    const ended = (value: number, wanted: Outcome['outcome']): boolean =>
      results.get(value)?.some(({ outcome }) => outcome === wanted) ?? false;
    const every = [...results.values()].flat();
    const outcomes: Record<string, number> = {};
    for (const { outcome } of every) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    const values = [...results.keys()];
    const took = (value: number): boolean => (profile === 'plain' ? held.has(value) : effects.has(value));
    return {
      outcomes,
      restarts,
      repeated,
      otherValues,
      doubles: [...effects].filter(([value, times]) => results.has(value) && times > 1).length,
      falseConfirmed: values.filter((value) => ended(value, 'confirmed') && !took(value)).length,
      falseRefused: values.filter(
        (value) => results.get(value)?.every(({ outcome }) => outcome === 'refused') === true && took(value),
      ).length,
    };
  }

  it(`take effect at most once, and only the confirmed are called so (${COMMANDS} of them)`, async () => {
    const results = await Promise.all(
      RIGS.map((rig, index) => suffer(rig, seededRandom(seed + index), COMMANDS / RIGS.length)),
    );
    for (const [index, { protocol, profile }] of RIGS.entries()) {
      const { outcomes, ...figures } = results[index] ?? { outcomes: {} };
      console.log(
        `      ${protocol} ${profile}, seed ${seed + index}: ${JSON.stringify({ ...outcomes, ...figures })}`,
      );
    }
    for (const { doubles, falseConfirmed, falseRefused } of results)
      assert.deepEqual({ doubles, falseConfirmed, falseRefused }, { doubles: 0, falseConfirmed: 0, falseRefused: 0 }); // prettier-ignore
  });

  it('(control) take effect twice where an unknown outcome is tried again', async () => {
    const [, , , rig] = RIGS;
    assert.ok(rig !== undefined);
    const { doubles } = await suffer(rig, seededRandom(seed), 60, true);
    assert.ok(doubles > 0);
  });
});
