/**
 * A verified write as it is deployed (engine, durable intent, fences, write, read-back) against the bare
 * client's write and read of the same tag, in rounds that alternate. One command at a time, each after the record of
 * the one before, as at a line: the record of an outcome is written after it and is not waited for.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../lib/journal/journal.ts';
import { CommandEngine, type HandshakeTags } from '../../lib/plc/command.ts';
import { Heartbeat } from '../../lib/plc/heartbeat.ts';
import { ModbusTransport } from '../../lib/plc/modbus.ts';
import { OpcUaTransport } from '../../lib/plc/opcua.ts';
import type { Transport } from '../../lib/plc/transport.ts';
import { createStation, type StationControl } from '../../lib/station/station.ts';
import { command, linkIs, person, testStation } from '../../test/support/commands.ts';
import { quantile, type Figure, type Section } from '../figures.ts';
import { ProcessLoad } from '../process-load.ts';
import { bareModbus, bareOpcUa, type Bare } from './bare.ts';
import { loopDelayFigure } from './load.ts';

const ROUNDS = 20;
const WRITES = 25;
const RATIO_GOAL = 1.2;

interface Side {
  /** Rejects where the write was not confirmed. */
  write: (value: number) => Promise<void>;
  /** Between two writes, and not measured. */
  rest: () => Promise<void>;
  times: number[];
}

interface Tag {
  tag: string;
  handshake?: HandshakeTags;
}

/** A value that is not the one before it; exact in 32 bits, near enough for a block that limits the slew. */
function valueOf(index: number): number {
  return 20 + (index % 8) / 16;
}

async function run(sides: readonly Side[], load: ProcessLoad, floorLoad: ProcessLoad): Promise<void> {
  let count = 0;
  const round = async (side: Side, isMeasured: boolean): Promise<void> => {
    for (let write = 0; write < WRITES; write += 1) {
      count += 1;
      const startedAt = performance.now();
      await side.write(valueOf(count));
      if (isMeasured) side.times.push(performance.now() - startedAt);
      await side.rest();
    }
  };
  for (const side of sides) await round(side, false);
  for (let index = 0; index < ROUNDS; index += 1) {
    for (const side of index % 2 === 0 ? sides : sides.toReversed()) {
      const work = (): Promise<void> => round(side, true);
      await (side === sides[0] ? floorLoad : load).during(work);
    }
  }
}

function bareSide(bare: Bare): Side {
  return { write: (value) => bare.writeAndRead(value), rest: () => Promise.resolve(), times: [] };
}

function ourSide(engine: CommandEngine, station: StationControl, to: Tag): Side {
  return {
    write: async (value) => {
      const order = command(to.tag, value, { ...to, id: randomUUID(), maxPerMinute: 1_000_000 });
      const { outcome, detail } = await engine.execute(order, station);
      if (outcome !== 'confirmed') throw new Error(`${to.tag}: ${outcome}, ${detail ?? ''}`);
    },
    rest: () => engine.idle(),
    times: [],
  };
}

/** A station with its journal on the disk, and one with a journal that keeps nothing: the part without the commit. */
async function stations(): Promise<{
  durable: StationControl;
  forgetful: StationControl;
  close: () => Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-bench-acting-'));
  const durable = createStation({
    id: 'durable',
    name: 'press-4',
    line: 'line 1',
    folder,
    defaultDeadlineMs: 900,
    autonomy: 'act',
    openJournal: ({ folder: own }) => openJournal({ folder: own, ballastBytes: 4096 }),
  });
  const { station: forgetful, remove } = await testStation();
  await durable.arm(person);
  await forgetful.arm(person);
  return {
    durable,
    forgetful,
    close: async () => {
      await durable.close();
      await remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}

function comparison(part: string, bare: Side, ours: Side, forgetful: Side): Figure[] {
  const figure = (id: string, value: number, unit: string, goal: number | null, detail: string): Figure => ({
    id: `${part}.${id}`,
    value,
    unit,
    goal,
    better: 'lower',
    detail,
  });
  const p50 = [bare, ours, forgetful].map(({ times }) => quantile(times, 0.5)) as [number, number, number];
  const p99 = [bare, ours, forgetful].map(({ times }) => quantile(times, 0.99)) as [number, number, number];
  const commitMs = p50[1] - p50[2];
  const why = `the durable intent before the first byte (one fsync) costs ${ms(commitMs)} of ${ms(p50[1])}`;
  return [
    figure('write.p50', p50[1], 'ms', null, `bare write and read ${ms(p50[0])}`),
    figure('write.p99', p99[1], 'ms', null, `bare write and read ${ms(p99[0])}`),
    figure('write.p50-ratio', p50[1] / p50[0], '×', RATIO_GOAL, why),
    figure('no-commit.p50', p50[2], 'ms', null, 'the same with a journal that keeps nothing'),
    figure('no-commit.p99', p99[2], 'ms', null, 'the same with a journal that keeps nothing'),
    figure('no-commit.p50-ratio', p50[2] / p50[0], '×', null, 'over bare: all but the journal'),
  ];
}

async function linked(transport: Transport): Promise<Transport> {
  transport.open();
  await linkIs(transport, 'up');
  return transport;
}

/** The plain profile of one protocol. */
async function plain(part: string, transport: Transport, bare: Bare, to: Tag): Promise<Figure[]> {
  const { durable, forgetful, close } = await stations();
  const engine = new CommandEngine({ endpoint: part, transport });
  const [load, floorLoad] = [new ProcessLoad(), new ProcessLoad()];
  try {
    const sides = [bareSide(bare), ourSide(engine, durable, to), ourSide(engine, forgetful, to)] as const;
    await run(sides, load, floorLoad);
    return [...comparison(part, ...sides), loopDelayFigure(part, load, floorLoad)];
  } finally {
    await engine.close();
    await close();
    await bare.close();
  }
}

/** The handshake profile with the plant's function block, which is called every 10 ms. */
async function handshake(part: string, transport: Transport): Promise<Figure[]> {
  const block = (name: string): string => `ns=1;s=Line.Torque.${name}`;
  const to: Tag = {
    tag: block('Value'),
    handshake: {
      commandId: block('CmdId'),
      ttl: block('TtlMs'),
      reference: block('DecisionRef'),
      ackId: block('AckId'),
      ackResult: block('AckResult'),
      applied: block('AppliedValue'),
    },
  };
  const { durable, close } = await stations();
  const engine = new CommandEngine({ endpoint: part, transport });
  const heartbeat = new Heartbeat({
    transport,
    tag: block('Heartbeat'),
    armTag: block('Arm'),
    armed: () => true,
  });
  const load = new ProcessLoad();
  const ours = ourSide(engine, durable, to);
  const beaten = new Promise<void>((resolve) => setTimeout(resolve, 1200));
  try {
    heartbeat.start();
    // Two beats, and the block takes commands.
    await beaten;
    await run([bareSide({ writeAndRead: noWork, close: noWork }), ours], load, new ProcessLoad());
    const figure = (id: string, share: number): Figure => ({
      id: `${part}.${id}`,
      value: quantile(ours.times, share),
      unit: 'ms',
      goal: null,
      better: 'lower',
      detail: 'intent, block, acknowledgement and applied value; the PLC scans every 10 ms',
    });
    return [figure('p50', 0.5), figure('p99', 0.99), loopDelayFigure(part, load)];
  } finally {
    await heartbeat.stop();
    await engine.close();
    await close();
  }
}

const noWork = (): Promise<void> => Promise.resolve();

export async function opcUaFigures({ opcuaUrl }: { opcuaUrl: string }): Promise<Section> {
  const pkiFolder = await mkdtemp(join(tmpdir(), 'jidoka-bench-pki-'));
  const tag = 'ns=1;s=Line.TorqueSetpoint';
  const transport = new OpcUaTransport({ endpointUrl: opcuaUrl, security: 'None', pkiFolder });
  try {
    await linked(transport);
    const figures = await plain('opcua', transport, await bareOpcUa(opcuaUrl, tag), { tag });
    figures.push(...(await handshake('opcua.handshake', transport)));
    return { title: 'OPC UA: a verified write against the bare write and read', figures };
  } finally {
    await transport.close();
    await rm(pkiFolder, { recursive: true, force: true });
  }
}

export async function modbusFigures({ modbusPort }: { modbusPort: number }): Promise<Section> {
  const transport = new ModbusTransport({ host: '127.0.0.1', port: modbusPort, unit: 1 });
  try {
    await linked(transport);
    const figures = await plain('modbus', transport, await bareModbus(modbusPort, 0), {
      tag: 'holding:0:float32',
    });
    return { title: 'Modbus: a verified write against the bare write and read', figures };
  } finally {
    await transport.close();
  }
}
