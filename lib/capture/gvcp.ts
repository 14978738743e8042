/**
 * Whether a GigE Vision camera is there, asked in its own control protocol (GVCP, GigE Vision 2.1
 * §14): one packet there, one back, no control taken. Used to notice a camera that has power again.
 */
import { createSocket } from 'node:dgram';

const GVCP_PORT = 3956;
const TIMEOUT_MS = 1000;
const ACKNOWLEDGED = 0x0003;
/** Key of a command that wants an answer, DISCOVERY_CMD, no payload, request id 1. */
const DISCOVERY = Buffer.from([0x42, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01]);

/** Never rejects; false when the signal is aborted. */
export function gvcpAnswers(address: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(false);
      return;
    }
    const socket = createSocket('udp4');
    const settle = (answers: boolean): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      socket.removeAllListeners('message').close();
      resolve(answers);
    };
    const giveUp = (): void => settle(false);
    const timer = setTimeout(giveUp, TIMEOUT_MS);
    signal.addEventListener('abort', giveUp, { once: true });
    socket.once('error', giveUp);
    socket.on('message', (answer) => {
      if (answer.length >= DISCOVERY.length && answer.readUInt16BE(2) === ACKNOWLEDGED) settle(true);
    });
    // Not as callback of connect(), which is called for a network that is down as well.
    socket.once('connect', () => socket.send(DISCOVERY));
    socket.connect(GVCP_PORT, address);
  });
}
