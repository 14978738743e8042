/**
 * A process of a bench: forked from a `-process.ts` file, it does one order after the other and answers
 * each. Every side of a comparison has its own, so that neither pays for what the other leaves behind.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

type Handler = (argument: never) => Promise<unknown>;

interface Order {
  name: string;
  argument: unknown;
}

type Answer = { result: unknown } | { failure: string };

/** Asks a process that was written with {@link serve}; `Orders` says what it understands. */
export class Runner<Orders extends { [Name in keyof Orders]: Handler }> {
  readonly #child: ChildProcess;
  #answer: ((answer: Answer) => void) | undefined;
  #end: string | undefined;

  /**
   * @param file beside this one
   * @param options.isQuiet what it says on stderr is not shown
   */
  constructor(file: string, { isQuiet = false }: { isQuiet?: boolean } = {}) {
    this.#child = fork(join(import.meta.dirname, file), [], {
      stdio: ['ignore', 'inherit', isQuiet ? 'ignore' : 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    this.#child.on('message', (answer: Answer) => this.#answer?.(answer));
    this.#child.on('exit', (code, signal) => {
      this.#end = `${file} ended with ${signal ?? `exit code ${code ?? -1}`}`;
      this.#answer?.({ failure: this.#end });
    });
  }

  /** One at a time. */
  async ask<Name extends keyof Orders & string>(
    name: Name,
    ...[argument]: Parameters<Orders[Name]>
  ): Promise<Awaited<ReturnType<Orders[Name]>>> {
    const answer = await new Promise<Answer>((resolve) => {
      this.#answer = resolve;
      if (this.#end === undefined) this.#child.send({ name, argument } satisfies Order);
      else resolve({ failure: this.#end });
    });
    this.#answer = undefined;
    if ('failure' in answer) throw new Error(answer.failure);
    return answer.result as Awaited<ReturnType<Orders[Name]>>;
  }

  /** It ends by itself, and tidies up, once nobody can ask any more. */
  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  /** For one that may be in work that never ends. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Answers the orders of a {@link Runner} in this process. */
export function serve<Orders extends { [Name in keyof Orders]: Handler }>(handlers: Orders): void {
  process.on('message', ({ name, argument }: Order) => {
    const handler = handlers[name as keyof Orders];
    Promise.resolve(handler(argument as never)).then(
      (result) => process.send?.({ result } satisfies Answer),
      (error: unknown) => {
        const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
        process.send?.({ failure } satisfies Answer);
      },
    );
  });
  process.on('disconnect', () => process.exit(0));
}
