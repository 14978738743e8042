/** Eight faults of a network, in both directions, between us and each kind of server, under load. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openJournal } from '../../lib/journal/journal.ts';
import type { Journal } from '../../lib/journal/types.ts';
import { ModbusTransport } from '../../lib/plc/modbus.ts';
import { MqttTransport } from '../../lib/plc/mqtt.ts';
import { OpcUaTransport } from '../../lib/plc/opcua.ts';
import type { Transport } from '../../lib/plc/transport.ts';
import { seededRandom } from '../../lib/statistics/random.ts';
import { RestTickets } from '../../lib/ticket/rest.ts';
import { Mes } from '../../plant/mes.ts';
import { linkIs, testStation } from '../support/commands.ts';
import { CommandLoad, holdingWrites, keepArmed, type Effect, type Judgement } from '../support/fault-load.ts';
import { startFaultProxy, type Direction, type FaultProxy, type Toxic } from '../support/fault-proxy.ts';
import { blindTickets, judgeTickets, TicketLoad } from '../support/fault-tickets.ts';
import { startModbusServer } from '../support/modbus-server.ts';
import { MqttBroker } from '../support/mqtt-broker.ts';
import { MqttDevice, TOPICS, type DeviceTag } from '../support/mqtt-device.ts';
import { startOpcUaServer } from '../support/opcua-server.ts';
import { pause } from '../support/ordeal.ts';
import { seed } from '../support/properties.ts';
import { volume } from '../support/volume.ts';

const OUTAGE_MS = volume(3000, 20_000);
const RECONNECT_LIMIT_MS = 35_000;

const TOXICS: readonly Toxic[] = [
  { type: 'latency', delayMs: 250 },
  { type: 'down' },
  { type: 'bandwidth', bytesPerSecond: 1000 },
  { type: 'slow_close', delayMs: OUTAGE_MS },
  { type: 'timeout', held: 'until-reset' },
  { type: 'reset_peer' },
  { type: 'slicer', bytes: 3, pauseMs: 3 },
  { type: 'limit_data', bytes: 200 },
];
const RUNS = (['up', 'down'] as const).flatMap((direction) => TOXICS.map((toxic) => ({ direction, toxic })));

interface Run {
  direction: Direction;
  toxic: Toxic;
}

/** One server for all runs of a protocol, a tag and a way to it for each of them. */
interface Plc {
  port: number;
  effects: Effect[][];
  transport(port: number): Transport;
  tag(run: number): string;
  sessions(): number;
  stop(): Promise<void>;
}

async function opcUaPlc(runs: number, folder: string): Promise<Plc> {
  const effects = Array.from({ length: runs }, (): Effect[] => []);
  const server = await startOpcUaServer({
    numbers: runs,
    maxSessions: 4 * runs,
    onWrite: (tag, value) => {
      effects[Number(tag.replace('Number', ''))]?.push({ value: Number(value), at: performance.now() });
    },
  });
  return {
    port: server.port,
    effects,
    transport: (port) =>
      new OpcUaTransport({
        endpointUrl: `opc.tcp://127.0.0.1:${port}/plc`,
        security: 'None',
        pkiFolder: join(folder, 'pki'),
      }),
    tag: (run) => `ns=1;s=Number${run}`,
    sessions: () => server.sessions(),
    stop: () => server.stop(),
  };
}

async function modbusPlc(runs: number): Promise<Plc> {
  const effects = Array.from({ length: runs }, (): Effect[] => []);
  const server = await startModbusServer(0, (address, value) => {
    const bytes = Buffer.alloc(4);
    (value as number[]).forEach((word, index) => bytes.writeUInt16BE(word, index * 2));
    effects[address / 2]?.push({ value: bytes.readFloatBE(), at: performance.now() });
  });
  return {
    port: server.port,
    effects,
    transport: (port) => new ModbusTransport({ host: '127.0.0.1', port, unit: 1 }),
    tag: (run) => `holding:${run * 2}:float32`,
    sessions: () => server.sockets(),
    stop: () => server.stop(),
  };
}

/** The fault is between us and the broker; the device has a link of its own. */
async function mqttPlc(runs: number): Promise<Plc> {
  const effects = Array.from({ length: runs }, (): Effect[] => []);
  const broker = new MqttBroker();
  await broker.start();
  const tags = effects.map((_, run): [string, DeviceTag] => [`number${run}`, { value: 0, type: 'Double' }]);
  const device = new MqttDevice(Object.fromEntries(tags));
  device.hold = (value, tag) => {
    effects[Number(tag.replace('number', ''))]?.push({ value: Number(value), at: performance.now() });
    return value;
  };
  await device.connect(broker.url);
  return {
    port: broker.port,
    effects,
    transport: (port) =>
      new MqttTransport({ url: `mqtt://127.0.0.1:${port}`, version: '3.1.1', staleMs: 600_000, ...TOPICS }),
    tag: (run) => `number${run}`,
    sessions: () => broker.connections - 1,
    stop: async () => {
      device.leave();
      await broker.kill();
    },
  };
}

/** Lets the link be well, break, and be well again. */
async function outage(proxy: FaultProxy, { direction, toxic }: Run): Promise<void> {
  await pause(1000);
  proxy.set(direction, toxic);
  // Such a toxic only shows when somebody hangs up.
  if (toxic.type === 'slow_close') proxy.hangUp(direction === 'up' ? 'client' : 'server');
  await pause(OUTAGE_MS);
  proxy.mend();
}

function named({ direction, toxic }: Run): string {
  return `${toxic.type} ${direction}`;
}

function namedWith(runs: readonly Run[], figures: readonly number[]): string {
  return runs.map((run, index) => `${named(run)}: ${figures[index]?.toFixed() ?? ''}`).join(', ');
}

/** Waits until the server has let go of the sessions whose end it was never told. */
async function settled(count: () => number, wanted: number): Promise<number> {
  const until = performance.now() + RECONNECT_LIMIT_MS;
  while (count() !== wanted && performance.now() < until) await pause(100);
  return count();
}

describe('a link that fails', function () {
  this.timeout(volume(120_000, 300_000));
  let folder: string;
  const delay = monitorEventLoopDelay({ resolution: 10 });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-link-'));
    delay.reset();
    delay.enable();
  });
  afterEach(async () => {
    delay.disable();
    await rm(folder, { recursive: true, force: true });
  });

  /** Commands through every fault at once. */
  async function commandsThrough(plc: Plc, runs: readonly Run[], guard: (transport: Transport) => Transport) {
    const { station, remove } = await testStation();
    const leave = await keepArmed(station);
    const loads = await Promise.all(
      runs.map(async (run, index) => {
        const proxy = await startFaultProxy(plc.port);
        const transport = guard(plc.transport(proxy.port));
        transport.open();
        await linkIs(transport, 'up');
        const load = new CommandLoad({ transport, station, tag: plc.tag(index) });
        return { run, proxy, transport, load };
      }),
    );
    const reconnects = await Promise.all(
      loads.map(async ({ proxy, run, load }) => {
        load.start();
        await outage(proxy, run);
        const ms = await load.confirmed(RECONNECT_LIMIT_MS);
        await pause(500);
        await load.stop();
        return ms;
      }),
    );
    const sessions = await settled(() => plc.sessions(), runs.length);
    await Promise.all(loads.map(({ transport }) => transport.close()));
    await Promise.all(loads.map(({ proxy }) => proxy.close()));
    leave();
    await remove();
    const slackMs = 300 + delay.max / 1e6;
    const judgements = loads.map(({ run, load }, index) => ({
      run,
      ...load.judge(plc.effects[index] ?? [], slackMs),
    }));
    return { judgements, reconnects, sessions };
  }

  function sum(judgements: readonly Judgement[], what: Exclude<keyof Judgement, 'outcomes'>): number {
    return judgements.reduce((total, judgement) => total + judgement[what], 0);
  }

  const PROTOCOLS = [
    { name: 'OPC UA', start: opcUaPlc },
    { name: 'Modbus', start: modbusPlc },
    { name: 'MQTT', start: mqttPlc },
  ];
  for (const { name, start } of PROTOCOLS) {
    it(`to ${name} lets no command take effect twice, late, or against its outcome`, async () => {
      const plc = await start(RUNS.length, folder);
      const { judgements, reconnects, sessions } = await commandsThrough(plc, RUNS, (transport) => transport);
      await plc.stop();
      console.log(
        `      ${name}: ${RUNS.length} faults of ${OUTAGE_MS} ms, ${sum(judgements, 'commands')} commands, ` +
          `${judgements.reduce((total, { outcomes }) => total + outcomes.unknown, 0)} unknown, ` +
          `${sum(judgements, 'doubles')} double, ${sum(judgements, 'stale')} stale, ${sum(judgements, 'falseConfirmed')} falsely confirmed; ` +
          `confirmed again after at most ${Math.round(Math.max(...reconnects))} ms; loop delay at most ${Math.round(delay.max / 1e6)} ms`,
      );
      assert.ok(Math.max(...reconnects) <= RECONNECT_LIMIT_MS, namedWith(RUNS, reconnects));
      for (const { run, outcomes, commands: count, ...faults } of judgements) {
        assert.deepEqual(
          faults,
          { open: 0, doubles: 0, stale: 0, falseConfirmed: 0, falseRefused: 0 },
          named(run),
        );
        assert.equal(
          Object.values(outcomes).reduce((total, ended) => total + ended, 0),
          count,
          named(run),
        );
        assert.ok(outcomes.confirmed > 0, named(run));
      }
      assert.equal(sessions, RUNS.length, 'one session each');
    });

    it(`(control) to ${name} applies stale commands where a write is kept for the time of the link`, async () => {
      const plc = await start(1, folder);
      const runs: Run[] = [{ direction: 'down', toxic: { type: 'reset_peer' } }];
      const { judgements } = await commandsThrough(plc, runs, holdingWrites);
      await plc.stop();
      assert.ok(sum(judgements, 'stale') + sum(judgements, 'doubles') > 0);
    });
  }

  /** Tickets through every fault at once, each to an MES of its own. */
  async function ticketsThrough(journal: Journal, runs: readonly Run[], isBlind: boolean) {
    return Promise.all(
      runs.map(async (run, index) => {
        const mes = new Mes();
        const chance = seededRandom(seed + index);
        await mes.open();
        // Upwards a request may arrive after we gave it up: then the key has to be honoured.
        mes.faults.honourIdempotencyKey = run.direction === 'up' && !isBlind;
        const proxy = await startFaultProxy(Number(new URL(mes.url).port));
        const rest = new RestTickets({
          ticketsUrl: new URL(`http://127.0.0.1:${proxy.port}/api/tickets`),
          authentication: { type: 'none' },
          timeoutMs: 1000,
        });
        const load = new TicketLoad({
          name: `run-${index}`,
          journal,
          tickets: isBlind ? blindTickets(rest) : rest,
          random: () => chance.uniform(),
        });
        load.start();
        await outage(proxy, run);
        const reconnectMs = await load.delivered(RECONNECT_LIMIT_MS);
        await load.drain(60_000);
        const links = proxy.links;
        await load.close();
        await proxy.close();
        await mes.close();
        const told = [...load.told.values()];
        return { run, accepted: load.keys.length, told, reconnectMs, links, ...judgeTickets(mes, load.keys) };
      }),
    );
  }

  it('to the MES loses no ticket and opens none twice', async () => {
    const journal = await openJournal({ folder, ballastBytes: 4096 });
    const results = await ticketsThrough(journal, RUNS, false);
    await journal.close();
    const total = (what: 'accepted' | 'lost' | 'doubles'): number =>
      results.reduce((count, result) => count + result[what], 0);
    console.log(
      `      MES: ${RUNS.length} faults of ${OUTAGE_MS} ms, ${total('accepted')} tickets, ${total('lost')} lost, ${total('doubles')} double; ` +
        `delivered again after at most ${Math.round(Math.max(...results.map(({ reconnectMs }) => reconnectMs)))} ms`,
    );
    for (const { run, accepted, told, links, lost, doubles } of results) {
      assert.ok(accepted > 0);
      assert.deepEqual({ lost, doubles }, { lost: 0, doubles: 0 }, named(run));
      assert.deepEqual([told.length, Math.max(...told)], [accepted, 1], `one outcome each: ${named(run)}`);
      assert.ok(links <= 4, `${links} connections: ${named(run)}`);
    }
  });

  it('(control) to an MES that is not asked first opens tickets twice', async () => {
    const journal = await openJournal({ folder, ballastBytes: 4096 });
    const [result] = await ticketsThrough(
      journal,
      [{ direction: 'down', toxic: { type: 'reset_peer' } }],
      true,
    );
    await journal.close();
    assert.ok((result?.doubles ?? 0) > 0);
  });
});
