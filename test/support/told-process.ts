/**
 * A process that is started to be killed, and what it says line by line. With a cache of compiled code, filled by a
 * run that ends by itself, it takes less than half of the work to start.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export interface ToldOptions {
  /** What runs it, strace for one. */
  wrap?: readonly string[];
  /** Folder of compiled code. */
  compileCache?: string | undefined;
}

export class ToldProcess {
  readonly process: ChildProcess;
  readonly lines: string[] = [];
  #waiting: { until: () => boolean; resolve: () => void }[] = [];
  #rest = '';
  #hasEnded = false;

  constructor(file: string, args: readonly string[], { wrap = [], compileCache }: ToldOptions = {}) {
    const [command = '', ...rest] = [...wrap, process.execPath, file, ...args];
    this.process = spawn(command, rest, {
      stdio: ['ignore', 'pipe', 'inherit'],
      // a group of its own, so that what strace runs ends with it
      detached: true,
      env: { ...process.env, ...(compileCache === undefined ? {} : { NODE_COMPILE_CACHE: compileCache }) },
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    this.process.once('close', () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  /** Rejects when it ends before. */
  async until(condition: () => boolean): Promise<void> {
    if (!condition()) {
      await new Promise<void>((resolve) => this.#waiting.push({ until: condition, resolve }));
    }
    if (!condition()) throw new Error(`${this.process.spawnargs.join(' ')}: ended before it should`);
  }

  /** Resolves when it has ended by itself; rejects where that was a failure. */
  async end(): Promise<void> {
    await this.until(() => this.#hasEnded);
    const { exitCode, signalCode } = this.process;
    if (exitCode !== 0) throw new Error(`the process ended with ${signalCode ?? String(exitCode)}`);
  }

  async kill(): Promise<void> {
    if (this.#hasEnded) return;
    const closed = once(this.process, 'close');
    this.signal('SIGKILL');
    await closed;
  }

  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    if (this.process.pid !== undefined) process.kill(-this.process.pid, signal);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  #hear(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = lines.pop() ?? '';
    this.lines.push(...lines);
    this.#wake();
  }

  #wake(): void {
    this.#waiting = this.#waiting.filter(({ until, resolve }) => {
      if (!this.#hasEnded && !until()) return true;
      resolve();
      return false;
    });
  }
}
