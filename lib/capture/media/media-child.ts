/**
 * The parent's end of one camera process (media-process.py): starts it with an almost empty
 * environment and in a process group of its own, reads its lines, knows how it ended, and leaves
 * nothing of the group behind.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CaptureError, SignInRefused, type CaptureErrorCode } from '../errors.ts';
import { installHint, mediaEnvironment, type MediaKind } from './python.ts';

/** Longest line taken from it; the modes of a webcam are some 4 kB. */
const LINE_BYTES = 64 * 1024;
/** Kept of what it says on stderr, for the error that names its end. */
const STDERR_BYTES = 2000;
/** Shown of what it says; it may quote the camera. */
const TEXT_LENGTH = 500;
/** From goodbye to SIGKILL; the process itself gives its camera 1.5 s. */
const CLOSE_MS = 2500;

interface ReportedError {
  code?: unknown;
  message?: unknown;
  hint?: unknown;
}

/** What the process says; see media-process.py. */
export interface MediaMessage {
  up?: {
    width: number;
    height: number;
    format: string;
    fps?: number;
    settings?: Record<string, unknown>;
  };
  beat?: number;
  took?: number;
  cancelled?: number;
  failed?: number;
  /** Why it failed. */
  message?: string;
  cameras?: unknown[];
  error?: ReportedError;
  width?: number;
  height?: number;
  format?: string;
  length?: number;
  sha256?: string;
  /** Milliseconds since 1970. */
  capturedAt?: number;
  sequence?: number;
  triggerToFrameMs?: number;
}

export interface MediaChildOptions {
  kind: MediaKind;
  python: string;
  /** The first line: `{"open": …}` or `{"list": …}`. Credentials go here and nowhere else. */
  first: object;
  message(message: MediaMessage): void;
}

const CODES: ReadonlySet<string> = new Set<CaptureErrorCode>([
  'CAMERA_LOST',
  'CAMERA_REFUSED',
  'FRAME_MEMORY',
  'IMAGE_INVALID',
  'NO_IMAGE',
]);

export class MediaChild {
  /** Resolves with the reason when nothing of it is left. Never rejects. */
  readonly ended: Promise<CaptureError>;
  readonly #options: MediaChildOptions;
  readonly #process: ChildProcess;
  #line: Buffer = Buffer.alloc(0);
  #stderr = '';
  #reason: CaptureError | undefined;

  constructor(options: MediaChildOptions) {
    this.#options = options;
    const entry = fileURLToPath(new URL('./media-process.py', import.meta.url));
    this.#process = spawn(options.python, ['-IB', entry, String(process.pid)], {
      env: mediaEnvironment(),
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.ended = new Promise((resolve) => {
      const end = (how: string): void =>
        resolve(
          this.#reason ?? new CaptureError('CAMERA_LOST', `the camera process ${how}${this.#lastWords()}`),
        );
      this.#process.on('error', (error) => end(`could not be started: ${error.message}`));
      // Whatever it started itself would keep its pipes open.
      this.#process.on('exit', () => this.#killGroup());
      this.#process.on('close', (code, signal) =>
        end(signal === null ? `ended with exit code ${code ?? -1}` : `was ended by ${signal}`),
      );
    });
    this.#process.stdin?.on('error', () => undefined); // its end is told by 'close'
    this.#process.stdout?.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_BYTES);
    });
    this.send(options.first);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  send(request: object): void {
    if (this.#process.stdin?.writable === true) this.#process.stdin.write(`${JSON.stringify(request)}\n`);
  }

  /** Lets it say goodbye to its camera; resolves when nothing of it is left that runs. */
  async close(): Promise<void> {
    this.#process.stdin?.end();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        this.#killGroup();
        // A driver can keep a killed process in the kernel; nobody needs to wait for it there.
        timer = setTimeout(resolve, CLOSE_MS);
      }, CLOSE_MS);
    });
    await Promise.race([this.ended, late]);
    clearTimeout(timer);
  }

  /** Ends it at once, for this reason. */
  kill(reason: CaptureError): void {
    this.#reason ??= reason;
    this.#killGroup();
  }

  #killGroup(): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // nothing of it is left
    }
  }

  #read(chunk: Buffer): void {
    let rest = this.#line.length === 0 ? chunk : Buffer.concat([this.#line, chunk]);
    for (let end = rest.indexOf(10); end !== -1 && this.#reason === undefined; end = rest.indexOf(10)) {
      const line = rest.subarray(0, end).toString('utf8');
      try {
        this.#take(line);
      } catch {
        this.kill(broken(line.slice(0, 60)));
      }
      rest = rest.subarray(end + 1);
    }
    if (rest.length > LINE_BYTES) this.kill(broken('a line without end'));
    this.#line = rest.length > LINE_BYTES ? Buffer.alloc(0) : rest;
  }

  #take(line: string): void {
    // Its types are what a process in good order sends; whatever else comes throws, here or where it is used.
    const message = JSON.parse(line) as MediaMessage;
    if (typeof message !== 'object') throw new TypeError('no message');
    const { error } = message;
    if (error === undefined) this.#options.message(message);
    else this.#reason = this.#errorOf(error);
  }

  #errorOf({ code, message, hint }: ReportedError): CaptureError {
    const text = shown(message);
    const options = hint === undefined ? {} : { hint: shown(hint) };
    if (code === 'SIGN_IN') return new SignInRefused(text, options);
    if (code === 'LIBRARY_MISSING') {
      return new CaptureError(code, text, { hint: installHint(this.#options.kind) });
    }
    return new CaptureError(isReported(code) ? code : 'CAMERA_LOST', text, options);
  }

  #lastWords(): string {
    const line = this.#stderr.trim().split('\n').at(-1)?.trim() ?? '';
    return line === '' ? '' : `: ${line.slice(0, 300)}`;
  }
}

function isReported(code: unknown): code is CaptureErrorCode {
  return typeof code === 'string' && CODES.has(code);
}

function shown(text: unknown): string {
  return typeof text === 'string' ? text.slice(0, TEXT_LENGTH) : 'unknown';
}

function broken(what: string): CaptureError {
  return new CaptureError('CAMERA_LOST', `the camera process said what it should not: ${what}`);
}
