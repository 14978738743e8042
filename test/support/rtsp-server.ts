/**
 * An RTSP camera with a real server behind it (GStreamer's): H.264, H.265 and MJPEG, with or without
 * a sign-in. It can be killed and brought back on its port, frozen, and made to drop its clients.
 * Its pictures carry the time they were made at, so that the way of a frame can be timed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { readStamp } from './stamp.ts';

const PYTHON = '/usr/bin/python3';

export interface RtspServerOptions {
  /** A free one where absent. */
  port?: number;
  user?: string;
  password?: string;
  width?: number;
  height?: number;
  fps?: number;
}

export class RtspServer {
  readonly #options: RtspServerOptions;
  #process: ChildProcess | undefined;
  #port = 0;

  /** Pictures are 1280 × 720 at 25 a second where nothing else is said; at least 448 × 32. */
  constructor(options: RtspServerOptions = {}) {
    this.#options = options;
    this.#port = options.port ?? 0;
  }

  get port(): number {
    return this.#port;
  }

  url(path: '/h264' | '/h265' | '/jpeg' | '/vp8' | '/absent' = '/h264'): string {
    return `rtsp://127.0.0.1:${this.#port}${path}`;
  }

  /** Listens on a free port, and on the same one again after `kill`. */
  async start(): Promise<void> {
    const server = spawn(PYTHON, [join(import.meta.dirname, 'rtsp-server.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#process = server;
    const settings = { width: 1280, height: 720, fps: 25, ...this.#options, port: this.#port };
    server.stdin.on('error', () => undefined);
    server.stdin.write(`${JSON.stringify(settings)}\n`);
    const [line] = (await Promise.race([
      once(createInterface(server.stdout), 'line'),
      once(server, 'exit').then(([code]) => {
        throw new Error(`the RTSP server ended with exit code ${String(code)}`);
      }),
    ])) as [string];
    this.#port = (JSON.parse(line) as { port: number }).port;
  }

  /** As when the power goes. */
  async kill(): Promise<void> {
    const server = this.#process;
    this.#process = undefined;
    if (server?.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
  }

  /** Stands still with its connections open. */
  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  /** Ends the session of every client. */
  drop(): void {
    this.#process?.stdin?.write('drop\n');
  }
}

/** When the picture of such a server was made, in milliseconds since 1970; undefined where it carries no stamp. */
export function madeAtMs(pixels: Uint8Array, width: number, channels: 1 | 3): number | undefined {
  const ticks = readStamp(pixels, width, channels);
  return ticks === undefined ? undefined : ticks / 10;
}
