/** How the link to a broker is made: address, TLS and sign-in, and what a failure means to people. */
import { readFile } from 'node:fs/promises';
import type { IClientOptions } from 'mqtt';
import type { Backoff } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import { asCodedError } from '../errors.ts';
import { PlcError } from './plc-error.ts';

export const CONNECT_TIMEOUT_MS = 5000;
/** The library pings in this rhythm and gives up when one ping is not answered by the next. */
const KEEP_ALIVE_S = 3;
const PORTS = { 'mqtt:': 1883, 'mqtts:': 8883 } as const;

export interface MqttPlcOptions {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  url: string;
  /** With 5 the broker itself drops a command whose time is over. */
  version: '5' | '3.1.1';
  user?: { name: string; password: string };
  /** For brokers that let in the clients they know; another client of the same name is thrown out by it. */
  clientId?: string;
  /** Certificate of the plant's own authority, PEM; without it those of the machine are trusted. */
  caFile?: string;
  /** Topics with `{tag}` in the place of the tag, and the one on which the device answers. */
  commandTopic: string;
  stateTopic: string;
  ackTopic: string;
  /** A state older than this is not good any more. */
  staleMs: number;
  backoff?: Backoff;
  clock?: Clock;
}

export async function loadLibrary(): Promise<typeof import('mqtt')> {
  try {
    return await import('mqtt');
  } catch (error) {
    throw new PlcError('PLC_LIBRARY_MISSING', 'MQTT needs the library mqtt', {
      hint: 'In the Node-RED user folder: npm install mqtt',
      cause: error,
    });
  }
}

/** @throws PlcError PLC_TAG_INVALID for an address that is none, PLC_CERTIFICATE for a file that cannot be read */
export async function clientOptions(
  options: MqttPlcOptions,
): Promise<IClientOptions & { host: string; port: number }> {
  const { url: text, version, user, clientId, caFile } = options;
  const url = URL.parse(text);
  if (url === null || !(url.protocol in PORTS)) {
    throw new PlcError('PLC_TAG_INVALID', `${text} is no address of a broker`, {
      hint: 'Write mqtt://host:1883 or mqtts://host:8883.',
    });
  }
  return {
    host: url.hostname,
    port: url.port === '' ? PORTS[url.protocol as keyof typeof PORTS] : Number(url.port),
    protocol: url.protocol === 'mqtts:' ? 'mqtts' : 'mqtt',
    protocolVersion: version === '5' ? 5 : 4,
    clean: true,
    reconnectPeriod: 0,
    queueQoSZero: false,
    resubscribe: false,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepalive: KEEP_ALIVE_S,
    ...(user === undefined ? {} : { username: user.name, password: user.password }),
    ...(clientId === undefined ? {} : { clientId }),
    ...(caFile === undefined ? {} : { ca: await certificateIn(caFile) }),
  };
}

async function certificateIn(path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw new PlcError('PLC_CERTIFICATE', `${path}: ${asCodedError(error).message}`, {
      hint: "Give the file with the certificate of your plant's authority, PEM, readable for Node-RED.",
      cause: error,
    });
  });
}

/** MQTT 3.1.1, table 3.1: 1 is the version, 4 and 5 the sign-in; MQTT 5, 3.2.2.2: 0x84, 0x86 and 0x87. */
export function explained(thrown: unknown, { url, version }: MqttPlcOptions): Error {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (error instanceof PlcError && error.code !== 'PLC_TIMEOUT') return error;
  const { code } = error as { code?: unknown };
  if (code === 4 || code === 5 || code === 0x86 || code === 0x87) {
    const hint = 'Check user and password, and what the broker lets this user do.';
    return new PlcError('PLC_SIGN_IN', `${url}: ${error.message}`, { hint, cause: error });
  }
  if (typeof code === 'string' && /CERT|^UNABLE_TO_/.test(code)) {
    const hint = "Give the file with the certificate of your plant's authority.";
    return new PlcError('PLC_CERTIFICATE', `${url}: ${code}`, { hint, cause: error });
  }
  const hint =
    code === 1 || code === 0x84
      ? `The broker does not speak MQTT ${version}; choose the other version.`
      : 'Check the address and that the broker is running.';
  return new PlcError('PLC_LINK_LOST', `${url}: ${error.message}`, { hint, cause: error });
}
