/** plc-endpoint: owns the connection to one PLC. */
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import { registerNode, type NodeContext } from '../runtime/register.ts';
import type { NodeAPI } from '../runtime/types.ts';
import { browseRoutes } from './browse-routes.ts';
import { addressOf, CREDENTIALS, normaliseConnection, transportOf, type Connection } from './connection.ts';
import { PlcEndpoint } from './endpoint.ts';

interface Config {
  name: string;
  connection: Connection;
  dryRun: boolean;
  manualTag: string | undefined;
  interlockTag: string | undefined;
  heartbeat: { tag: string; everyMs: number; armTag: string | undefined } | undefined;
  plcHeartbeatTag: string | undefined;
  beatTimeoutMs: number;
}

/** As the block of docs/plc has it. */
const BEAT_TIMEOUT_MS = 1500;

function normalise(config: ConfigReader): Config {
  const connection = normaliseConnection(config);
  const heartbeat = normaliseHeartbeat(config);
  return {
    name: config.text('name', addressOf(connection)),
    connection,
    dryRun: config.boolean('dryRun', false),
    manualTag: config.text('manualTag', '') || undefined,
    interlockTag: config.text('interlockTag', '') || undefined,
    heartbeat,
    plcHeartbeatTag: config.text('plcHeartbeatTag', '') || undefined,
    beatTimeoutMs: normaliseTimeout(config, heartbeat?.everyMs ?? 0),
  };
}

function normaliseHeartbeat(config: ConfigReader): Config['heartbeat'] {
  const tag = config.text('heartbeatTag', '');
  const armTag = config.text('armTag', '') || undefined;
  if (tag === '') {
    // An Arm bit that nobody keeps alive would stay set when this process ends.
    if (armTag !== undefined) throw new ConfigError('heartbeatTag', 'is missing, and the arm tag needs it');
    return undefined;
  }
  return {
    tag,
    everyMs: config.number('heartbeatMs', { fallback: 500, min: 100, max: 10_000, integer: true }),
    armTag,
  };
}

function normaliseTimeout(config: ConfigReader, everyMs: number): number {
  const fallback = Math.max(BEAT_TIMEOUT_MS, 3 * everyMs);
  const timeoutMs = config.number('beatTimeoutMs', { fallback, min: 200, max: 60_000, integer: true });
  if (timeoutMs < 2 * everyMs) throw new ConfigError('beatTimeoutMs', 'must be at least two beats long');
  return timeoutMs;
}

/** A heartbeat that fails does so twice a second; who watches is told when it begins, and when another thing fails. */
function toldOnce({ fail }: Pick<NodeContext<Config>, 'fail'>): (error: Error | undefined) => void {
  let told: string | undefined;
  return (error) => {
    if (error !== undefined && error.message !== told) fail(error);
    told = error?.message;
  };
}

export default function register(RED: NodeAPI): void {
  browseRoutes(RED);
  registerNode<Config>(RED, {
    type: 'plc-endpoint',
    credentials: CREDENTIALS,
    normalise,
    start(context) {
      const { name, dryRun, manualTag, interlockTag, heartbeat, plcHeartbeatTag, beatTimeoutMs } =
        context.config;
      const plc = new PlcEndpoint({
        endpoint: name,
        id: context.node.id,
        transport: transportOf(context),
        ...{ dryRun, manualTag, interlockTag, plcHeartbeatTag, beatTimeoutMs },
        heartbeat: heartbeat && { ...heartbeat, onFailure: toldOnce(context) },
      });
      // Before anything is awaited: other nodes look it up in their constructors.
      Object.assign(context.node, { plc });
      return { close: () => plc.close() };
    },
  });
}
