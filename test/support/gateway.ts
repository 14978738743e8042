/** A Node-RED that runs the flow of a stand, and the person at it. */
import { join } from 'node:path';
import { PROTOCOLS, type GatewayStand } from './gateway-stand.ts';
import type { Lacking } from './lacking-nodes.ts';
import { writeLackingNodes } from './lacking-nodes.ts';
import { type FlowNode, type NodeRed, type NodeRedVersion, startNodeRed } from './node-red.ts';
import { repositoryRoot } from './shared.ts';
import { until } from './until.ts';

const WAIT_MS = 60_000;

export interface GatewayOptions {
  version: NodeRedVersion;
  userDir: string;
  flow: readonly FlowNode[];
  /** Types of the flow that lack a guard. */
  lacking?: { types: readonly string[]; what: Lacking };
}

export function startGateway({ version, userDir, flow, lacking }: GatewayOptions): Promise<NodeRed> {
  const further = lacking === undefined ? [] : [writeLackingNodes(userDir, lacking.types, lacking.what)];
  return startNodeRed({
    version,
    userDir,
    flows: flow,
    nodesDir: [repositoryRoot, ...further],
    watched: ['gate'],
    countsTimers: true,
    settings: { jidokaAllowAnonymousArming: true, jidokaModelFolder: join(userDir, 'models') },
  });
}

interface StationAnswer {
  arming: { state: string };
  counts: { outbox: { waiting: number } };
}

export async function stationOf(nodeRed: NodeRed): Promise<StationAnswer> {
  const answer = await nodeRed.request('/jidoka/stations/station');
  return (await answer.json()) as StationAnswer;
}

/** Resolves when each of the PLCs has taken a command; a person arms for it, again and again if need be. */
export async function atWork(nodeRed: NodeRed, stand: GatewayStand): Promise<void> {
  const before = PROTOCOLS.map((protocol) => stand.effects[protocol].length);
  const ask = async (verb: string): Promise<boolean> => {
    const { ok } = await nodeRed.request(`/jidoka/stations/station/${verb}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'for the next parts' }),
    });
    return ok;
  };
  await until(
    async () => {
      const areAll = PROTOCOLS.every(
        (protocol, index) => stand.effects[protocol].length > (before[index] ?? 0),
      );
      if (!areAll && !(await ask('arm'))) await ask('reset');
      return areAll;
    },
    'commands',
    WAIT_MS,
  );
}

/** Resolves when no ticket waits any more. */
export function ticketsOut(nodeRed: NodeRed): Promise<void> {
  return until(
    async () => (await stationOf(nodeRed)).counts.outbox.waiting === 0,
    'the tickets to go out',
    WAIT_MS,
  );
}
