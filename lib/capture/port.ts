/** Whether anything takes connections at a host and port; the cheapest sign that a camera has power again. */
import { connect } from 'node:net';

/** A host that is switched off does not even refuse. */
const TIMEOUT_MS = 1000;

/** Connects and hangs up. Never rejects; false when the signal is aborted. */
export function portAnswers(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(false);
      return;
    }
    const socket = connect({ host, port });
    const settle = (answers: boolean): void => {
      signal.removeEventListener('abort', hangUp);
      socket.destroy();
      resolve(answers);
    };
    const hangUp = (): void => settle(false);
    signal.addEventListener('abort', hangUp, { once: true });
    socket.setTimeout(TIMEOUT_MS, hangUp);
    socket.once('connect', () => settle(true));
    socket.on('error', hangUp);
  });
}

/** Host and port of an address, with the port of its scheme where it names none. */
export function portOf({ hostname, port }: URL, fallback: number): { host: string; port: number } {
  // A URL keeps the brackets of an IPv6 address, a socket takes none.
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? fallback : Number(port) };
}
