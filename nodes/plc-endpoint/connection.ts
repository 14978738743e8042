/** Which PLC an endpoint talks to, and how: from the saved configuration to the transport of its protocol. */
import { join, resolve } from 'node:path';
import { ModbusTransport, type ModbusOptions } from '../../lib/plc/modbus.ts';
import { MqttTransport, type MqttPlcOptions } from '../../lib/plc/mqtt.ts';
import type { OpcUaOptions } from '../../lib/plc/opcua-sign-in.ts';
import { OpcUaTransport } from '../../lib/plc/opcua.ts';
import { S7Transport, type S7Options } from '../../lib/plc/s7.ts';
import type { Transport } from '../../lib/plc/transport.ts';
import { certificates } from '../runtime/certificates.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import type { NodeContext } from '../runtime/register.ts';

type OpcUaConnection = Omit<OpcUaOptions, 'pkiFolder' | 'user' | 'userCertificate'> & {
  /** `user` without a name is nobody. */
  identity: 'user' | 'certificate';
};

export type Connection =
  | ({ protocol: 'opcua' } & OpcUaConnection)
  | ({ protocol: 'modbus' } & ModbusOptions)
  | ({ protocol: 's7' } & S7Options)
  | ({ protocol: 'mqtt' } & Omit<MqttPlcOptions, 'user'>);

/** Kept apart from the flow, encrypted. */
export const CREDENTIALS = {
  user: { type: 'text' },
  password: { type: 'password' },
  userCertificate: { type: 'text' },
  userKey: { type: 'password' },
} as const;

export function normaliseConnection(config: ConfigReader): Connection {
  const protocol = config.choice('protocol', ['opcua', 'modbus', 's7', 'mqtt'], 'opcua');
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
    case 'mqtt':
      return { protocol, ...broker(config) };
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

function broker(config: ConfigReader): Omit<MqttPlcOptions, 'user'> {
  const url = config.text('brokerUrl').trim();
  if (/^mqtts?:\/\/[^/]*@/i.test(url))
    throw new ConfigError('brokerUrl', 'holds a user or password; they have fields of their own');
  if (!/^mqtts?:\/\/[^\s/]+\/?$/i.test(url))
    throw new ConfigError('brokerUrl', 'must be like mqtt://host:1883 or mqtts://host:8883');
  // Without TLS there is nothing to check, and the dialog does not show the field.
  const caFile = /^mqtts:/i.test(url) ? config.text('caFile', '') : '';
  const clientId = config.text('clientId', '');
  return {
    url,
    version: config.choice('mqttVersion', ['5', '3.1.1'], '5'),
    commandTopic: topic(config, 'commandTopic', 'of each tag'),
    ackTopic: topic(config, 'ackTopic', 'of the device'),
    stateTopic: topic(config, 'stateTopic', 'of each tag'),
    staleMs: config.number('staleSeconds', { fallback: 10, min: 0.1, max: 86_400 }) * 1000,
    ...(clientId === '' ? {} : { clientId }),
    ...(caFile === '' ? {} : { caFile }),
  };
}

/** A topic is published to or compared with, so it has no wildcards (MQTT 3.1.1, 4.7.1). */
function topic(config: ConfigReader, field: string, whose: 'of each tag' | 'of the device'): string {
  const name = config.text(field);
  if (/[+#\0]/.test(name)) throw new ConfigError(field, 'holds + or #');
  if (whose === 'of each tag' && name.split('{tag}').length !== 2)
    throw new ConfigError(field, 'must hold {tag} once, in the place of the tag');
  return name;
}

/** How the PLC is called where the endpoint has no name of its own: `host:port/unit`, `host:port/rack/slot`. */
export function addressOf(connection: Connection): string {
  switch (connection.protocol) {
    case 'opcua':
      return connection.endpointUrl;
    case 'mqtt':
      return connection.url;
    case 'modbus':
      return `${connection.host}:${connection.port}/${connection.unit}`;
    case 's7':
      return `${connection.host}:${connection.port}/${connection.rack}/${connection.slot}`;
  }
}

export function transportOf({
  RED,
  config: { connection },
  credentials,
}: Pick<NodeContext<{ connection: Connection }>, 'RED' | 'config' | 'credentials'>): Transport {
  const userFolder = RED.settings.userDir ?? process.cwd();
  const { user = '', password = '', userCertificate = '', userKey = '' } = credentials;
  const named = user === '' ? undefined : { name: user, password };
  switch (connection.protocol) {
    case 'modbus':
      return new ModbusTransport(connection);
    case 's7':
      return new S7Transport(connection);
    case 'mqtt': {
      const { caFile, ...options } = connection;
      // A wrong file shows at the deploy; the transport reads it anew at each connection.
      certificates(caFile ?? '', userFolder);
      return new MqttTransport({
        ...options,
        ...(named === undefined ? {} : { user: named }),
        ...(caFile === undefined ? {} : { caFile: resolve(userFolder, caFile) }),
      });
    }
    case 'opcua': {
      const signedIn =
        connection.identity === 'certificate'
          ? { userCertificate: { certificate: userCertificate, privateKey: userKey } }
          : { user: named };
      return new OpcUaTransport({
        ...connection,
        ...signedIn,
        // One certificate for the gateway: it is trusted once in the tool of every PLC.
        pkiFolder: join(userFolder, 'jidoka', 'pki'),
      });
    }
  }
}
