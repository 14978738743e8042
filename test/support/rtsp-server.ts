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
  /** All clients get one stream, and join it where it is; else each gets one of its own. */
  shared?: boolean;
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
    const settings = { width: 1280, height: 720, fps: 25, shared: false, ...this.#options, port: this.#port };
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

const SAMPLE_STEP = 7;
/** Below the stamp. */
const FIRST_ROW = 60;

/** How far an RGB picture of such a server is from what the server drew: the mean, in grey levels of 255. */
export function errorOf(rgb: Uint8Array, width: number): number {
  const height = rgb.length / 3 / width;
  let [sum, count] = [0, 0];
  for (let y = FIRST_ROW; y < height; y += SAMPLE_STEP) {
    for (let x = 0; x < width; x += SAMPLE_STEP) {
      const [r = 0, g = 0, b = 0] = rgb.subarray((y * width + x) * 3, (y * width + x) * 3 + 3);
      const drawn = ((Math.floor(x / 4) + Math.floor(y / 3)) % 200) + 20;
      // BT.601, from and to the range 16 to 235
      sum += Math.abs(0.299 * r + 0.587 * g + 0.114 * b - (drawn - 16) * (255 / 219));
      count += 1;
    }
  }
  return sum / count;
}
