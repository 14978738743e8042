import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { blockIn } from '../../../lib/plc/browse-block.ts';
import { filterOf, MqttBrowser, tagOf } from '../../../lib/plc/browse-mqtt.ts';
import { search, type SearchState } from '../../../lib/plc/browse-search.ts';
import type { BrowseEntry, TagBrowser } from '../../../lib/plc/browse.ts';
import { ModbusTransport } from '../../../lib/plc/modbus.ts';
import { OpcUaTransport } from '../../../lib/plc/opcua.ts';
import type { Transport } from '../../../lib/plc/transport.ts';
import { furnish, HOSTILE_NAMES, VENDOR } from '../../support/browse-space.ts';
import { startModbusServer } from '../../support/modbus-server.ts';
import { MqttBroker } from '../../support/mqtt-broker.ts';
import { MqttDevice, TOPICS } from '../../support/mqtt-device.ts';
import { startOpcUaServer, type TestServer } from '../../support/opcua-server.ts';

const { signal } = new AbortController();
const page = { from: 0, limit: 100, signal };

function linked(transport: Transport): Promise<void> {
  return new Promise((resolve) => {
    const leave = transport.onLink(({ state }) => {
      if (state !== 'up') return;
      leave();
      resolve();
    });
    transport.open();
  });
}

function named(entries: readonly BrowseEntry[], name: string): BrowseEntry {
  const entry = entries.find((each) => each.name === name);
  assert.ok(entry, `${name} is missing among ${entries.map((each) => each.name).join(', ')}`);
  return entry;
}

describe('looking through an OPC UA server', () => {
  let server: TestServer;
  let folder: string;
  let transport: OpcUaTransport;
  let browser: TagBrowser;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-browse-'));
    server = await startOpcUaServer({ numbers: 1100, extend: furnish });
    transport = new OpcUaTransport({
      endpointUrl: server.url,
      security: 'None',
      pkiFolder: join(folder, 'pki'),
    });
    await linked(transport);
    browser = transport.browser();
  });
  after(async () => {
    await transport.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function press(from = 0, limit = 100): ReturnType<TagBrowser['children']> {
    const top = await browser.children(undefined, page);
    return browser.children(named(top.entries, 'Press').id, { from, limit, signal });
  }

  it('tells of a tag its type, range, unit, access and value, as a command will find them', async () => {
    const { entries } = await press();
    assert.deepEqual(named(entries, 'Torque'), {
      ...{ id: 'ns=1;s=Torque', name: 'Torque', kind: 'variable', hasChildren: false },
      ...{ dataType: 'Double', tagType: 'Double', access: { read: true, write: true } },
      range: { min: 0, max: 60 },
      reading: { ...named(entries, 'Torque').reading, value: 40, good: true, status: 'Good' },
    });
    assert.deepEqual(named(entries, 'ReadOnly').access, { read: true, write: false });
    assert.equal(named(entries, 'Uncertain').reading?.good, false);
    for (const { id, tagType, access, range } of entries.filter((each) => each.tagType !== undefined)) {
      const described = await transport.describe(id);
      assert.deepEqual(
        { dataType: described.dataType, writable: described.writable },
        { dataType: tagType, writable: access?.write },
        id,
      );
      if (described.range !== undefined) assert.deepEqual(range, described.range, id);
    }
  });

  it('reads more than a thousand children in pages, each once, through continuation points', async () => {
    const seen = new Set<string>();
    let total = 1;
    for (let from = 0; from < total; from += 100) {
      const part = await press(from);
      assert.ok(part.entries.length <= 100);
      assert.equal(part.isCut, false);
      for (const { id } of part.entries) seen.add(id);
      ({ total } = part);
    }
    assert.equal(seen.size, total);
    assert.ok(total > 1100);
    assert.ok(seen.has('ns=1;s=Number1099'));
  });

  it('shows an enumeration as what it is, and what cannot be a tag with the reason', async () => {
    const { entries } = await press(1100, 200);
    const mode = named(entries, 'Mode');
    assert.deepEqual([mode.dataType, mode.tagType, mode.range], ['MachineMode', 'Int32', { min: 0, max: 5 }]);
    assert.deepEqual(mode.choices, [
      { value: 0, name: 'Stopped' },
      { value: 2, name: 'Automatic' },
      { value: 5, name: 'Setup' },
    ]);
    assert.deepEqual(
      ['Curve', 'Started'].map((name) => [named(entries, name).tagType, named(entries, name).obstacle]),
      [
        [undefined, 'array'],
        [undefined, 'type'],
      ],
    );
  });

  it('hands on names that are markup as they are', async () => {
    const names = named((await press(1100, 200)).entries, 'Names');
    const { entries } = await browser.children(names.id, page);
    for (const hostile of HOSTILE_NAMES) named(entries, hostile);
  });

  it('searches by words, ends in a tree that refers back to itself, and says where a find lies', async () => {
    const state: SearchState = { seen: 0, found: [], isDone: false };
    await search(browser, { words: 'number 109', signal, state });
    assert.deepEqual([state.isDone, state.cutBy], [true, undefined]);
    assert.equal(state.found.length, 11);
    assert.deepEqual(state.found[0]?.path, ['Press']);
    assert.equal(state.found[0].dataType, 'Double');
  });

  it('stops a search that is called off, and one that has seen enough', async () => {
    const called = new AbortController();
    called.abort();
    const off: SearchState = { seen: 0, found: [], isDone: false };
    await search(browser, { words: 'x', signal: called.signal, state: off });
    assert.equal(off.cutBy, 'cancel');
    const bounded: SearchState = { seen: 0, found: [], isDone: false };
    const limits = { nodes: 50, depth: 12, milliseconds: 60_000, found: 20 };
    await search(browser, { words: 'number', signal, state: bounded, limits });
    assert.deepEqual([bounded.cutBy, bounded.found.length], ['found', 20]);
  });

  it('finds the tags of a command block, in folders of it too', async () => {
    const block = named((await press(1100, 200)).entries, 'TorqueBlock');
    const members = await blockIn(browser, block.id, signal);
    assert.deepEqual(Object.keys(members).sort(), [
      ...['AckId', 'AckResult', 'AppliedValue', 'CmdId', 'DecisionRef', 'TtlMs', 'Value'],
    ]);
    assert.equal(members.CmdId?.id, `nsu=${VENDOR};s=Torque.CmdId`);
    assert.equal(members.Value?.unit, 'N·m');
  });

  it('says of a single tag where it lies', async () => {
    const [entry] = await browser.entries([`nsu=${VENDOR};s=Torque.Value`], signal);
    assert.deepEqual(entry?.path, ['Press', 'TorqueBlock', 'Inputs']);
    await assert.rejects(browser.entries(['ns=1;s=Nowhere'], signal), { code: 'PLC_TAG_UNUSABLE' });
  });

  it('gives tags that mean the same after the server has numbered its namespaces anew', async () => {
    const tag = `nsu=${VENDOR};s=Torque.CmdId`;
    assert.equal((await transport.read(tag, 5000)).value, 7);
    const { port } = server;
    await server.stop();
    const back = new Promise<void>((resolve) => {
      const leave = transport.onLink(({ state }) => {
        if (state !== 'up') return;
        leave();
        resolve();
      });
    });
    server = await startOpcUaServer({
      port,
      extend: (space, device) => {
        furnish(space, device, ['urn:another:one']);
      },
    });
    await back;
    assert.equal((await transport.read(tag, 5000)).value, 7);
    // What had that index before is another namespace now.
    await assert.rejects(transport.read('ns=2;s=Torque.CmdId', 5000));
    await assert.rejects(transport.read('nsu=urn:gone;s=x', 5000), { code: 'PLC_TAG_UNUSABLE' });
  });
});

describe('looking through other protocols', () => {
  it('shows a range of Modbus as every type it could be, in one request, and the tag of each', async () => {
    const server = await startModbusServer();
    server.registers[40] = 0x4020;
    server.registers[41] = 0x0000;
    server.coils[3] = true;
    for (const [wordOrder, float] of [
      ['big', 2.5],
      ['little', 0x4020 * 2 ** -149],
    ] as const) {
      const transport = new ModbusTransport({ host: '127.0.0.1', port: server.port, unit: 1, wordOrder });
      await linked(transport);
      const browser = transport.browser();
      const { entries } = await browser.children('holding:39+3', page);
      assert.deepEqual(
        entries.map(({ id, reading }) => [id, reading?.value]),
        [
          ['holding:39', 0],
          ['holding:40', 0x4020],
          ['holding:41', 0],
        ],
      );
      const meanings = (await browser.children('holding:40', page)).entries;
      assert.equal(named(meanings, 'float32').id, 'holding:40:float32');
      assert.equal(named(meanings, 'float32').reading?.value, float);
      const coils = (await browser.children('coil:0+64', page)).entries;
      assert.deepEqual([coils.length, coils[3]?.reading?.value, coils[3]?.tagType], [64, true, 'Boolean']);
      await assert.rejects(browser.children('holding:65530+20', page), { code: 'PLC_TAG_INVALID' });
      await transport.close();
    }
    assert.deepEqual(server.writes, []);
    await server.stop();
  });

  it('shows the tags whose states are published over MQTT, and what publishes something else', async () => {
    const broker = new MqttBroker();
    await broker.start();
    const device = new MqttDevice({
      'press/torque': { value: 2.5, type: 'Float' },
      manual: { value: false, type: 'Boolean', writable: false },
    });
    await device.connect(broker.url);
    const browser = new MqttBrowser({ url: broker.url, version: '3.1.1', staleMs: 60_000, ...TOPICS });
    await browser.listen();
    await device.set('press/torque', 3.5);
    let entries: BrowseEntry[] = [];
    while (entries.length < 2) {
      ({ entries } = await browser.children(undefined, page));
      await setImmediate();
    }
    assert.deepEqual(
      entries.map(({ id, kind, hasChildren }) => [id, kind, hasChildren]),
      [
        ['manual', 'variable', false],
        ['press', 'folder', true],
      ],
    );
    assert.deepEqual(entries[0]?.access, { read: true, write: false });
    const torque = named((await browser.children('press', page)).entries, 'torque');
    assert.deepEqual([torque.id, torque.tagType], ['press/torque', 'Float']);
    browser.close();
    device.leave();
    await broker.kill();
  });

  it('knows which topics a template stands for', () => {
    assert.deepEqual(['line/state/{tag}', 'line/{tag}/state', 's_{tag}'].map(filterOf), [
      'line/state/#',
      'line/#',
      '#',
    ]);
    assert.equal(tagOf('line/{tag}/state', 'line/press/torque/state'), 'press/torque');
    assert.equal(tagOf('line/{tag}/state', 'line/press/torque/command'), undefined);
  });
});
