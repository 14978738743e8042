/** plc-endpoint: owns the connection to one PLC. */
import { join } from 'node:path';
import { ModbusTransport, type ModbusOptions } from '../../lib/plc/modbus.ts';
import { OpcUaTransport, type OpcUaOptions } from '../../lib/plc/opcua.ts';
import type { Transport } from '../../lib/plc/transport.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import { registerNode, type NodeContext } from '../runtime/register.ts';
import type { NodeAPI } from '../runtime/types.ts';
import { PlcEndpoint } from './endpoint.ts';

interface Config {
  name: string;
  connection:
    | ({ protocol: 'opcua' } & Omit<OpcUaOptions, 'pkiFolder' | 'user'>)
    | ({ protocol: 'modbus' } & ModbusOptions);
  dryRun: boolean;
  manualTag: string | undefined;
  heartbeat: { tag: string; everyMs: number; armTag: string | undefined } | undefined;
}

function normalise(config: ConfigReader): Config {
  const connection = normaliseConnection(config);
  const address =
    connection.protocol === 'opcua' ? connection.endpointUrl : `${connection.host}:${connection.port}`;
  return {
    name: config.text('name', address),
    connection,
    dryRun: config.boolean('dryRun', false),
    manualTag: config.text('manualTag', '') || undefined,
    heartbeat: normaliseHeartbeat(config),
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

function normaliseConnection(config: ConfigReader): Config['connection'] {
  const protocol = config.choice('protocol', ['opcua', 'modbus'], 'opcua');
  if (protocol === 'modbus') {
    return {
      protocol,
      host: config.text('host'),
      port: config.number('port', { fallback: 502, min: 1, max: 65_535, integer: true }),
      unit: config.number('unit', { fallback: 1, min: 0, max: 255, integer: true }),
      wordOrder: config.choice('wordOrder', ['big', 'little'], 'big'),
    };
  }
  const endpointUrl = config.text('endpointUrl');
  if (!/^opc\.tcp:\/\/[^\s/]+/.test(endpointUrl))
    throw new ConfigError('endpointUrl', 'must begin with opc.tcp://');
  return {
    protocol,
    endpointUrl,
    security: config.choice('security', ['None', 'Basic256Sha256'], 'None'),
    trustUnknownServers: config.boolean('trustUnknownServers', false),
  };
}

function transportOf({ RED, config, credentials }: NodeContext<Config>): Transport {
  const { connection } = config;
  if (connection.protocol === 'modbus') return new ModbusTransport(connection);
  const { user = '', password = '' } = credentials;
  return new OpcUaTransport({
    ...connection,
    ...(user === '' ? {} : { user: { name: user, password } }),
    // One certificate for the gateway: it is trusted once in the tool of every PLC.
    pkiFolder: join(RED.settings.userDir ?? process.cwd(), 'jidoka', 'pki'),
  });
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
  registerNode<Config>(RED, {
    type: 'plc-endpoint',
    credentials: { user: { type: 'text' }, password: { type: 'password' } },
    normalise,
    start(context) {
      const { name, dryRun, manualTag, heartbeat } = context.config;
      const plc = new PlcEndpoint({
        endpoint: name,
        transport: transportOf(context),
        dryRun,
        manualTag,
        heartbeat: heartbeat && { ...heartbeat, onFailure: toldOnce(context) },
      });
      // Before anything is awaited: other nodes look it up in their constructors.
      Object.assign(context.node, { plc });
      return { close: () => plc.close() };
    },
  });
}
