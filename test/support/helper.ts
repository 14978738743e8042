/** node-red-node-test-helper with our manners: typed, and waiting for events instead of sleeping. */
import { once, type EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import helper from 'node-red-node-test-helper';
import { systemClock } from '../../lib/clock.ts';
import { AlarmList } from '../../lib/station/alarms/alarm-list.ts';
import type { Station } from '../../lib/station/types.ts';
import type { Message, NodeAPI } from '../../nodes/runtime/types.ts';

type Register = (RED: NodeAPI) => void;

const require = createRequire(import.meta.url);
// The MES of a test runs beside it.
const settings = { jidokaAllowedHosts: ['localhost', '*'] };
helper.init(require.resolve('node-red'), settings as unknown as Parameters<typeof helper.init>[1]);

/** What `settings.js` holds from the next flow on, beside what all tests need. */
export function useSettings(own: Readonly<Record<string, unknown>>): void {
  helper.settings({ ...settings, ...own } as unknown as Parameters<typeof helper.settings>[0]);
}

// Node-RED's own nodes ship without types, and belong to whichever release of Node-RED is installed.
const catchNode = createRequire(require.resolve('node-red'))(
  '@node-red/nodes/core/common/25-catch.js',
) as Register;
type FlowNode = Record<string, unknown> & { id: string; type: string };

/** The parts of the helper we use; its own types say `void` where it returns promises. */
const runtime = helper as unknown as {
  startServer(): Promise<void>;
  stopServer(): Promise<void>;
  load(registers: Register[], flow: FlowNode[], credentials: object): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): Receiver | null;
};

type Receiver = EventEmitter & { receive(message: Message): void };

/**
 * Deploys a flow of our nodes in a bare runtime, with the Catch node at hand; outputs go to nodes of
 * type `helper`. What has a `z` stands on a tab: Node-RED tells it from a config node by its position.
 */
export async function load(
  registers: Register[],
  flow: FlowNode[],
  credentials: Record<string, Record<string, string>> = {},
): Promise<void> {
  await runtime.startServer();
  const placed = flow.map((item) => ('z' in item ? { x: 0, y: 0, ...item } : item));
  await runtime.load([catchNode, ...registers], placed, credentials);
}

/**
 * A node on a tab, with each of its outputs wired to a node of type `helper` of this name, and what the
 * Catch node hears of it to the `helper` node `caught`.
 */
export function flowAround(tested: FlowNode, outputs: readonly string[]): FlowNode[] {
  return [
    { id: 'flow', type: 'tab' },
    { z: 'flow', wires: outputs.map((output) => [output]), ...tested },
    ...[...outputs, 'caught'].map((id) => ({ id, type: 'helper', z: 'flow' })),
    { id: 'catch', type: 'catch', z: 'flow', scope: [tested.id], wires: [['caught']] },
  ];
}

export async function unload(): Promise<void> {
  await runtime.unload();
  await runtime.stopServer();
}

export function node(id: string): Receiver {
  const found = runtime.getNode(id);
  if (found === null) throw new Error(`the flow has no node ${id}, or its type is not registered`);
  return found;
}

/** The next message that reaches a node of type `helper`. */
export async function nextMessage(id: string): Promise<Message> {
  const [message] = (await once(node(id), 'input')) as [Message];
  return message;
}

/** The code of the error a Catch node wrote into the message. */
export function codeOf(message: Message): string | undefined {
  return (message['error'] as { code?: string }).code;
}

/** Registers the type `inspection-station` with a given service object, for nodes under test alone; its alarms are real. */
export function stationStandIn(station: Partial<Station>): Register {
  const journal = (): Promise<never> => Promise.reject(new Error('this station has no journal'));
  const alarms = new AlarmList({ station: { id: 'station', name: 'stand-in' }, clock: systemClock, journal });
  return (RED) => {
    RED.nodes.registerType('inspection-station', function (this: object, config) {
      RED.nodes.createNode(this as Parameters<typeof RED.nodes.createNode>[0], config);
      Object.assign(station, { alarms: station.alarms ?? alarms });
      Object.assign(this, { station });
    });
  };
}
