/**
 * One connection to an MQTT broker: where it is, how it is begun and ended, and in plain words why it
 * is refused. The one place that loads the library.
 */
import type { Socket } from 'node:net';
import type { MqttClient } from 'mqtt';
import { asCaptureError, CaptureError } from './errors.ts';
import type { Credentials } from './http-auth.ts';
import { portOf } from './port.ts';

/** From the first byte to the broker's answer. */
export const CONNECT_MS = 5000;
/** Told to the broker: when it may forget us. Our own pings come long before. */
const KEEP_ALIVE_S = 60;
/** For the broker to take our leave. */
const LEAVE_MS = 500;
const PORTS = { 'mqtt:': 1883, 'mqtts:': 8883 } as const;

/**
 * The address of a broker as typed by a person.
 *
 * @throws CaptureError `CAMERA_REFUSED` for anything but a host and port, and for a password in the address
 */
export function brokerUrl(text: string): URL {
  const url = URL.parse(text.trim());
  if (url === null || !(url.protocol in PORTS) || url.hostname === '') {
    throw new CaptureError('CAMERA_REFUSED', 'the address must start with mqtt:// or mqtts://');
  }
  if (url.username !== '' || url.password !== '') {
    throw new CaptureError('CAMERA_REFUSED', 'user and password belong into their own fields', {
      hint: 'A password in the address would be stored in the flow file in clear.',
    });
  }
  if (!/^\/?$/.test(url.pathname) || url.search !== '') {
    throw new CaptureError(
      'CAMERA_REFUSED',
      'the address ends with host and port; the topic has its own field',
    );
  }
  return url;
}

export function brokerPort(url: URL): { host: string; port: number } {
  return portOf(url, PORTS[url.protocol as keyof typeof PORTS]);
}

/** For messages. */
export function shownBroker({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

/**
 * A client on its way to the broker. It does not come back by itself; the end of the connection and
 * every error go to `fail`, at any time, more than once.
 *
 * @throws CaptureError `LIBRARY_MISSING`
 */
export async function connectBroker(
  url: URL,
  { credentials, fail }: { credentials: Credentials | undefined; fail: (thrown: unknown) => void },
): Promise<MqttClient> {
  const { connect } = await loadLibrary();
  const client = connect({
    ...brokerPort(url),
    protocol: url.protocol === 'mqtts:' ? 'mqtts' : 'mqtt',
    protocolVersion: 4,
    clean: true,
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS,
    keepalive: KEEP_ALIVE_S,
    ...(credentials === undefined ? {} : { username: credentials.user, password: credentials.password }),
  });
  client.on('error', fail);
  client.on('close', () =>
    fail(new CaptureError('CAMERA_LOST', `${shownBroker(url)} closed the connection`)),
  );
  // Without it Nagle and delayed ACK make 42 ms of every acknowledgement (0.2 ms with it).
  (client.stream as Socket).setNoDelay(true);
  return client;
}

async function loadLibrary(): Promise<typeof import('mqtt')> {
  try {
    return await import('mqtt');
  } catch (error) {
    throw new CaptureError('LIBRARY_MISSING', 'cameras that publish over MQTT need the library mqtt', {
      hint: 'In the Node-RED user folder: npm install mqtt',
      cause: error,
    });
  }
}

/**
 * Lets go of the connection, whatever state it is in.
 *
 * @param politely tells the broker before, which has a moment to hear it
 */
export async function leave(client: MqttClient, politely: boolean): Promise<void> {
  const { stream } = client;
  const closed = new Promise<void>((resolve) => {
    if (stream.closed) resolve();
    else stream.once('close', resolve);
  });
  if (politely && client.connected) {
    const timeout = setTimeout(() => stream.destroy(), LEAVE_MS);
    stream.once('close', () => clearTimeout(timeout));
    client.end(false);
  } else client.end(true);
  await closed;
}

/** Return codes of a refused connection: MQTT 3.1.1, table 3.1; 3 is a broker that is not ready. */
export function explain(thrown: unknown, url: URL): CaptureError {
  const shown = shownBroker(url);
  const { code } = thrown as { code?: unknown };
  if (typeof code === 'number' && code !== 3) {
    return new CaptureError('CAMERA_REFUSED', `${shown} refuses the connection (code ${code})`, {
      hint: 'Check user and password, and that the broker speaks MQTT 3.1.1.',
      cause: thrown,
    });
  }
  if (typeof code === 'string' && /CERT|^UNABLE_TO_/.test(code)) {
    return new CaptureError('CAMERA_REFUSED', `the certificate of ${shown} is not trusted (${code})`, {
      hint: 'Start Node-RED with NODE_EXTRA_CA_CERTS pointing at the certificate of your plant.',
      cause: thrown,
    });
  }
  return asCaptureError(thrown, 'CAMERA_LOST', shown);
}

export function notSubscribed(shown: string, topic: string, cause: Error): CaptureError {
  return new CaptureError('CAMERA_REFUSED', `${shown} does not let us read ${topic}`, {
    hint: 'Give this user the right to subscribe to the topic.',
    cause,
  });
}
