/** The pilot station's template flow in a real Node-RED, beside a real plant, ready to be looked at. */
import assert from 'node:assert/strict';
import { connectPilotFlow, readPilotFlow, type FlowNode } from '../../plant/pilot-flow.ts';
import type { Plant } from '../../plant/plant.ts';
import { startNodeRed, type NodeRed, type NodeRedVersion } from './node-red.ts';

export const PERSON = { username: 'mara', password: 'stamping-line-2' };

/** Where the tests look: after the gate, after the PLC, after the MES, and where things fail. */
export const LOOK = {
  verdict: 'look-verdict',
  command: 'look-command',
  ticket: 'look-ticket',
  halt: 'look-halt',
  failed: 'look-failed',
} as const;

export interface PilotOptions {
  version: NodeRedVersion;
  plant: Plant;
  stationFolder: string;
  /** Properties to set on nodes of the flow, by id. */
  change?: Readonly<Record<string, Record<string, unknown>>>;
  haltAfter?: number;
}

function look(id: string): FlowNode {
  return { id, type: 'debug', z: 'pilot-tab', active: true, complete: 'true', x: 1200, y: 400, wires: [] };
}

/** Adds what is looked at to every output of a node. */
function watched(node: FlowNode, ...debugIds: string[]): FlowNode {
  const wires = node['wires'] as string[][];
  return { ...node, wires: wires.map((targets) => [...targets, ...debugIds]) };
}

function pilotFlowFor({ plant, stationFolder, change = {}, haltAfter = 0 }: PilotOptions): FlowNode[] {
  const flow = connectPilotFlow(readPilotFlow(), {
    streamUrl: plant.camera.streamUrl,
    opcuaUrl: plant.opcua.endpointUrl,
    mesUrl: plant.mes.url,
    boardUrl: plant.boardUrl,
    stationFolder,
  });
  const looks: Readonly<Record<string, string>> = {
    'pilot-gate': LOOK.verdict,
    'pilot-divert': LOOK.command,
    'pilot-ticket': LOOK.ticket,
    'pilot-feeder': LOOK.halt,
    'pilot-catch': LOOK.failed,
    'pilot-catch-act': LOOK.failed,
  };
  return [
    ...flow.map((node) => {
      const changed = { ...node, ...change[node.id] };
      if (node.id === 'pilot-tab') {
        changed['env'] = [
          ...(node['env'] as { name: string }[]).filter(({ name }) => name !== 'HALT_AFTER'),
          { name: 'HALT_AFTER', value: String(haltAfter), type: 'num' },
        ];
      }
      const debug = looks[node.id];
      return debug === undefined ? changed : watched(changed, debug);
    }),
    ...Object.values(LOOK).map(look),
  ];
}

/** Deploys the pilot flow and waits until the model is taught and the gate may be asked. */
export async function startPilot(options: PilotOptions): Promise<NodeRed> {
  const nodeRed = await startNodeRed({
    version: options.version,
    modules: ['@flowfuse/node-red-dashboard'],
    users: [PERSON],
  });
  await nodeRed.signIn(PERSON.username, PERSON.password);
  await nodeRed.deploy(pilotFlowFor(options));
  return nodeRed;
}

/** Asks the station something, as the person signed in. */
export async function station(
  nodeRed: NodeRed,
  verb = '',
  body?: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const response = await nodeRed.request(`/jidoka/stations/pilot-station${verb}`, {
    ...(body === undefined
      ? {}
      : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
}
