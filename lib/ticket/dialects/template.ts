/**
 * Any HTTP API, described by expressions: what is sent, where, and where in the answers the ticket's number and
 * state stand. The expressions are JSONata; who reads them is handed in, so that this knows nothing of Node-RED.
 */
import type { States, TicketClient, TicketState } from '../client.ts';
import type { QualityEvent } from '../event.ts';
import type { Answer, Method } from '../exchange.ts';
import { assertSuccess, parsedJson, requireNumber, ticketNumber, type Http } from '../http.ts';
import { TicketError } from '../ticket-error.ts';

/** Works out a value, within a bounded time. */
export type Expression = (data: unknown) => Promise<unknown>;
/** Throws for an expression that cannot be read. */
export type Compile = (expression: string) => Expression;

export interface TemplateOptions {
  method: Method;
  /** Where tickets are opened, below the base address. */
  path: string;
  contentType: string;
  /** Of the event: an object, sent as JSON, or text, sent as it is. */
  body: string;
  /** Of `{status, headers, body}`: the ticket's number. */
  number: string;
  /** Of `{id}`: path and query of the look-up; empty where the system has none. */
  findPath: string;
  /** Of `{id, status, headers, body}`: the ticket's number, or nothing. */
  findNumber: string;
  /** Of `{ticketId}`: path and query to ask for the state; empty where it is not asked for. */
  statePath: string;
  /** Of `{ticketId, status, headers, body}`: `open` or `closed`, or an object `{state, said}`. */
  state: string;
}

const NO_LOOK_UP: ReadonlySet<number> = new Set([404, 410]);

/** An expression of the template, with the name it has in the dialog. */
function compiled(compile: Compile, name: string, expression: string): Expression | undefined {
  if (expression.trim() === '') return undefined;
  let evaluate: Expression;
  try {
    evaluate = compile(expression);
  } catch (error) {
    throw new TicketError('MES_SETTING_INVALID', `${name}: ${(error as Error).message}`, {
      hint: 'Correct the JSONata expression of the endpoint and deploy.',
      cause: error,
    });
  }
  return async (data) => {
    try {
      return await evaluate(data);
    } catch (error) {
      throw new TicketError('MES_TEMPLATE_FAILED', `${name}: ${(error as Error).message}`, {
        hint: 'Correct the JSONata expression of the endpoint, deploy and put the ticket back.',
        cause: error,
      });
    }
  };
}

function required(expression: Expression | undefined, name: string): Expression {
  if (expression !== undefined) return expression;
  throw new TicketError('MES_SETTING_INVALID', `${name} is missing`, { hint: 'Give it in the endpoint.' });
}

function textOf(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw new TicketError('MES_TEMPLATE_FAILED', `${name}: the expression gives no text`);
}

function seen({ status, headers, body }: Answer): object {
  return { status, headers, body: parsedJson(body) ?? body };
}

export class TemplateTickets implements TicketClient {
  readonly #http: Http;
  readonly #options: TemplateOptions;
  readonly #body: Expression;
  readonly #number: Expression;
  readonly #findPath: Expression | undefined;
  readonly #findNumber: Expression | undefined;
  readonly #statePath: Expression | undefined;
  readonly #state: Expression | undefined;
  readonly states: States | undefined;

  /** @throws TicketError `MES_SETTING_INVALID` for an expression that cannot be read */
  constructor(http: Http, options: TemplateOptions, compile: Compile) {
    this.#http = http;
    this.#options = options;
    this.#body = required(compiled(compile, 'body', options.body), 'body');
    this.#number = required(compiled(compile, 'number', options.number), 'number');
    this.#findPath = compiled(compile, 'findPath', options.findPath);
    this.#findNumber = compiled(compile, 'findNumber', options.findNumber);
    this.#statePath = compiled(compile, 'statePath', options.statePath);
    this.#state = compiled(compile, 'state', options.state);
    this.states = this.#statePath === undefined ? undefined : this.#states.bind(this);
  }

  async find(id: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#findPath === undefined) return undefined;
    const findNumber = required(this.#findNumber, 'findNumber');
    const path = textOf(await this.#findPath({ id }), 'findPath');
    const answer = await this.#http.send({ method: 'GET', path }, signal);
    if (NO_LOOK_UP.has(answer.status)) return undefined;
    assertSuccess(answer);
    return ticketNumber(await findNumber({ id, ...seen(answer) }));
  }

  async create(event: QualityEvent, signal: AbortSignal): Promise<string> {
    const made = await this.#body(event);
    const isText = typeof made === 'string';
    if (made === null || (typeof made !== 'object' && !isText)) {
      throw new TicketError('MES_TEMPLATE_FAILED', 'body: the expression gives neither an object nor text');
    }
    const { method, path, contentType } = this.#options;
    const answer = await this.#http.send(
      {
        method,
        path,
        headers: { 'content-type': contentType, 'idempotency-key': event.id },
        body: isText ? made : JSON.stringify(made),
      },
      signal,
    );
    assertSuccess(answer);
    return requireNumber(await this.#number(seen(answer)));
  }

  close(): void {
    this.#http.close();
  }

  async #states(
    ticketIds: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, TicketState>> {
    const state = required(this.#state, 'state');
    const pathOf = required(this.#statePath, 'statePath');
    const states = new Map<string, TicketState>();
    for (const ticketId of ticketIds) {
      const path = textOf(await pathOf({ ticketId }), 'statePath');
      const answer = await this.#http.send({ method: 'GET', path }, signal);
      if (NO_LOOK_UP.has(answer.status)) continue;
      assertSuccess(answer);
      const told = stateOf(await state({ ticketId, ...seen(answer) }));
      if (told !== undefined) states.set(ticketId, told);
    }
    return states;
  }
}

function stateOf(value: unknown): TicketState | undefined {
  const { state, said } =
    typeof value === 'object' && value !== null
      ? (value as { state?: unknown; said?: unknown })
      : { state: value, said: value };
  if (state !== 'open' && state !== 'closed') return undefined;
  return { state, said: typeof said === 'string' ? said : state };
}
