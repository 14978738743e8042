/**
 * An RTSP camera. User and password go to the camera's process through its stdin, never into an
 * address, a command line or a log.
 */
import { connect } from 'node:net';
import type { Clock } from '../clock.ts';
import { CaptureError } from './errors.ts';
import type { Credentials } from './http-auth.ts';
import { MediaSource } from './media-source.ts';
import { portOf } from './port.ts';

const DEFAULT_PORT = 554;
/** How long a lost camera may take to say that it is back. */
const ANSWER_MS = 1000;

export interface RtspOptions {
  url: string;
  credentials?: Credentials | undefined;
  transport: 'tcp' | 'udp';
  /** All frames where absent. */
  maxFps?: number | undefined;
  timeoutMs: number;
  watchdog?: boolean;
  python?: string | undefined;
  clock?: Clock;
  random?: () => number;
}

/**
 * The address of a camera as typed by a person.
 *
 * @throws CaptureError `CAMERA_REFUSED` for anything but rtsp, and for a password in the address
 */
export function rtspUrl(text: string): URL {
  const url = URL.parse(text.trim());
  if (url?.protocol !== 'rtsp:' || url.hostname === '') {
    throw new CaptureError('CAMERA_REFUSED', 'the address must start with rtsp:// and name the camera');
  }
  if (url.username !== '' || url.password !== '') {
    throw new CaptureError('CAMERA_REFUSED', 'user and password belong into their own fields', {
      hint: 'A password in the address would be stored in the flow file in clear.',
    });
  }
  return url;
}

/** @throws CaptureError `CAMERA_REFUSED` when the address is none */
export function rtspSource(options: RtspOptions): MediaSource {
  const { credentials, transport, maxFps, timeoutMs, watchdog, python, clock, random } = options;
  const url = rtspUrl(options.url);
  return new MediaSource({
    kind: 'rtsp',
    // without the query, which may hold a token
    name: `rtsp://${url.host}${url.pathname}`,
    open: { url: url.href, transport, maxFps, user: credentials?.user, password: credentials?.password },
    timeoutMs,
    reachable: (signal) => answersRtsp(url, signal),
    ...(watchdog === undefined ? {} : { watchdog }),
    ...(python === undefined ? {} : { python }),
    ...(clock === undefined ? {} : { clock }),
    ...(random === undefined ? {} : { random }),
  });
}

/** True when somebody at the address speaks RTSP: a frozen camera accepts connections and says nothing. */
function answersRtsp(url: URL, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(portOf(url, DEFAULT_PORT));
    const settle = (answers: boolean): void => {
      signal.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(answers);
    };
    const giveUp = (): void => settle(false);
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    socket.setTimeout(ANSWER_MS, giveUp);
    socket.on('error', giveUp);
    socket.on('close', giveUp);
    socket.on('connect', () => socket.write('OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: Jidoka\r\n\r\n'));
    socket.once('data', (bytes) => settle(bytes.toString('latin1', 0, 7) === 'RTSP/1.'));
  });
}
