/** Which PLC an endpoint talks to, and how: from the saved configuration to the transport of its protocol. */
import { join } from 'node:path';
import { ModbusTransport, type ModbusOptions } from '../../lib/plc/modbus.ts';
import type { OpcUaOptions } from '../../lib/plc/opcua-sign-in.ts';
import { OpcUaTransport } from '../../lib/plc/opcua.ts';
import { S7Transport, type S7Options } from '../../lib/plc/s7.ts';
import type { Transport } from '../../lib/plc/transport.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import type { NodeContext } from '../runtime/register.ts';

type OpcUaConnection = Omit<OpcUaOptions, 'pkiFolder' | 'user' | 'userCertificate'> & {
  /** `user` without a name is nobody. */
  identity: 'user' | 'certificate';
};

export type Connection =
  | ({ protocol: 'opcua' } & OpcUaConnection)
  | ({ protocol: 'modbus' } & ModbusOptions)
  | ({ protocol: 's7' } & S7Options);

/** Kept apart from the flow, encrypted. */
export const CREDENTIALS = {
  user: { type: 'text' },
  password: { type: 'password' },
  userCertificate: { type: 'text' },
  userKey: { type: 'password' },
} as const;

export function normaliseConnection(config: ConfigReader): Connection {
  const protocol = config.choice('protocol', ['opcua', 'modbus', 's7'], 'opcua');
  switch (protocol) {
    case 'modbus':
      return {
        protocol,
        ...address(config, 'port', 502),
        unit: config.number('unit', { fallback: 1, min: 0, max: 255, integer: true }),
        framing: config.choice('framing', ['tcp', 'rtu'], 'tcp'),
        wordOrder: config.choice('wordOrder', ['big', 'little'], 'big'),
      };
    case 's7':
      return {
        protocol,
        ...address(config, 's7Port', 102),
        rack: config.number('rack', { fallback: 0, min: 0, max: 7, integer: true }),
        slot: config.number('slot', { fallback: 1, min: 0, max: 31, integer: true }),
      };
    case 'opcua': {
      const endpointUrl = config.text('endpointUrl');
      if (!/^opc\.tcp:\/\/[^\s/]+/.test(endpointUrl))
        throw new ConfigError('endpointUrl', 'must begin with opc.tcp://');
      return {
        protocol,
        endpointUrl,
        security: config.choice('security', ['None', 'Basic256Sha256'], 'None'),
        trustUnknownServers: config.boolean('trustUnknownServers', false),
        identity: config.choice('identity', ['user', 'certificate'], 'user'),
      };
    }
  }
}

function address(config: ConfigReader, port: string, fallback: number): { host: string; port: number } {
  return {
    host: config.text('host'),
    port: config.number(port, { fallback, min: 1, max: 65_535, integer: true }),
  };
}

/** How the PLC is called where the endpoint has no name of its own. */
export function addressOf(connection: Connection): string {
  return connection.protocol === 'opcua' ? connection.endpointUrl : `${connection.host}:${connection.port}`;
}

export function transportOf({
  RED,
  config: { connection },
  credentials,
}: Pick<NodeContext<{ connection: Connection }>, 'RED' | 'config' | 'credentials'>): Transport {
  switch (connection.protocol) {
    case 'modbus':
      return new ModbusTransport(connection);
    case 's7':
      return new S7Transport(connection);
    case 'opcua': {
      const { user = '', password = '', userCertificate = '', userKey = '' } = credentials;
      const signedIn =
        connection.identity === 'certificate'
          ? { userCertificate: { certificate: userCertificate, privateKey: userKey } }
          : { user: user === '' ? undefined : { name: user, password } };
      return new OpcUaTransport({
        ...connection,
        ...signedIn,
        // One certificate for the gateway: it is trusted once in the tool of every PLC.
        pkiFolder: join(RED.settings.userDir ?? process.cwd(), 'jidoka', 'pki'),
      });
    }
  }
}
