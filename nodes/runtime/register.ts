/**
 * The only place that touches `node.on('input')` and `node.on('close')`.
 *
 * An async input handler that rejects ends Node-RED, an async close handler is not awaited, and
 * several inputs can be under way in one node at once (all measured on 4.1.15 and 5.0.7). So here,
 * once for every node: each input ends in exactly one of a message on an output or `done(err)`
 * with `err.code`; outputs leave in the order the inputs came; close aborts what is under way and
 * waits for it.
 */
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { ConfigReader, migrate, type Migration } from './config.ts';
import { reportable } from './message.ts';
import { Status } from './status.ts';
import type { Message, Node, NodeAPI, Outputs, RawConfig } from './types.ts';

/** Inputs that may be under way in one node before further ones are refused. */
const MAX_IN_FLIGHT = 256;

/**
 * Returned by a handler when something durable has taken the message over: the input is done, and
 * its outcome follows through `emit` or `fail`, after a restart if need be.
 */
export const TAKEN_OVER = Symbol('taken over');

/** What a node gets to work with. */
export interface NodeContext<Config> {
  readonly RED: NodeAPI;
  readonly node: Node;
  readonly config: Config;
  readonly credentials: Readonly<Record<string, string | undefined>>;
  readonly status: Status;
  /** Aborted when the node is closed. */
  readonly signal: AbortSignal;
  /** Text of the node's own catalogue. */
  translate(key: string, parameters?: Record<string, string | number>): string;
  /** Sends what no input asked for: a frame of an interval, a late acknowledgement. */
  emit(outputs: Outputs): void;
  /** Reports a failure that belongs to no input; `message` is what the Catch node gets. */
  fail(error: unknown, message?: Message): void;
}

export type Answer = Outputs | typeof TAKEN_OVER;

export interface Handlers {
  /** Resolves to one message per output, at least one of them; throws when the input ends in an error. */
  input?(message: Message, signal: AbortSignal): Answer | Promise<Answer>;
  /** Runs after everything under way has ended. `removed` is true on delete and on disable. */
  close?(removed: boolean): void | Promise<void>;
}

export interface NodeDefinition<Config> {
  type: string;
  /** Secrets, kept by Node-RED outside the flow file. */
  credentials?: Record<string, { type: 'text' | 'password' }>;
  migrations?: readonly Migration[];
  /** Throws ConfigError; the node then shows a red ring and refuses every input. */
  normalise(config: ConfigReader, raw: RawConfig): Config;
  /** Called once per deploy. Inputs wait for it; when it fails they end in its error. */
  start(context: NodeContext<Config>): Handlers | Promise<Handlers>;
}

export function registerNode<Config>(RED: NodeAPI, definition: NodeDefinition<Config>): void {
  function NodeConstructor(this: Node, raw: RawConfig): void {
    RED.nodes.createNode(this, raw);
    run(RED, this, raw, definition);
  }
  RED.nodes.registerType(
    definition.type,
    NodeConstructor as Parameters<NodeAPI['nodes']['registerType']>[1],
    definition.credentials === undefined ? {} : { credentials: definition.credentials },
  );
}

function run<Config>(RED: NodeAPI, node: Node, raw: RawConfig, definition: NodeDefinition<Config>): void {
  const abort = new AbortController();
  const underWay = new Set<Promise<void>>();
  const translate = (key: string, parameters: Record<string, string | number> = {}): string =>
    RED._(key, parameters);
  const status = new Status(node, definition.type, { translate });
  let lastEmission: Promise<void> | undefined;

  /** A message may hold what Node-RED cannot clone for the Catch node, and its own error would end the process. */
  function report(error: Error, message: Message | undefined, give: () => void): void {
    try {
      give();
    } catch {
      node.error(error, message === undefined ? undefined : reportable(RED, message));
    }
  }

  const context = (config: Config): NodeContext<Config> => ({
    RED,
    node,
    config,
    credentials: (node as { credentials?: Record<string, string> }).credentials ?? {},
    status,
    signal: abort.signal,
    translate,
    emit: (outputs) => {
      if (!abort.signal.aborted) node.send(outputs as Parameters<Node['send']>[0]);
    },
    fail: (thrown, message) => {
      if (abort.signal.aborted) return;
      const error = asCodedError(thrown);
      report(error, message, () => node.error(error, message));
    },
  });

  let handlers: Handlers | undefined;
  const started = (async () => {
    const config = definition.normalise(new ConfigReader(migrate(raw, definition.migrations)), raw);
    handlers = await definition.start(context(config));
    return handlers;
  })();
  started.catch((error: unknown) => {
    // what was given up because the node was closed is nobody's fault
    if (abort.signal.aborted) return;
    const { code, message } = asCodedError(error);
    status.fail(code);
    node.error(`${code}: ${message}`);
  });

  async function handle(message: Message): Promise<Answer> {
    if (underWay.size >= MAX_IN_FLIGHT) {
      throw new CodedError('OVERLOAD', `more than ${MAX_IN_FLIGHT} messages are waiting in this node`, {
        hint: 'Send fewer messages, or let the camera drop frames instead of queueing them.',
      });
    }
    const ready = handlers ?? (await started);
    if (ready.input === undefined) throw new CodedError('NO_INPUT', `${definition.type} takes no messages`);
    abort.signal.throwIfAborted();
    const outputs = await ready.input(message, abort.signal);
    if (outputs === TAKEN_OVER) return outputs;
    if (!outputs.some((output) => output !== null)) {
      throw new CodedError('NO_OUTCOME', `${definition.type} gave no outcome for this message`);
    }
    return outputs;
  }

  node.on('input', (message, send, done) => {
    const before = lastEmission;
    const result = handle(message as Message);
    const emission = (async () => {
      try {
        const outputs = await result;
        await before;
        if (outputs !== TAKEN_OVER) send(outputs as Parameters<typeof send>[0]);
      } catch (thrown) {
        await before;
        const error = asCodedError(thrown, abort.signal.aborted ? 'CLOSED' : 'UNEXPECTED');
        report(error, message as Message, () => done(error));
        return;
      }
      done();
    })();
    // Whatever Node-RED itself throws while it takes the outcome must not hold up the next one, nor
    // end the process as an unhandled rejection.
    const forget = (): void => {
      underWay.delete(settled);
      if (lastEmission === settled) lastEmission = undefined;
    };
    const settled = emission.then(forget, forget);
    lastEmission = settled;
    underWay.add(settled);
  });

  node.on('close', (removed: boolean, done: () => void) => {
    abort.abort(new CodedError('CLOSED', 'the node was closed while this was under way'));
    void (async () => {
      await Promise.allSettled([started, ...underWay]);
      try {
        await handlers?.close?.(removed);
      } catch (error) {
        node.warn(`close: ${asCodedError(error).message}`);
      }
      status.clear();
      done();
    })();
  });
}
