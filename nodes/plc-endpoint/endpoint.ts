/** One PLC as the nodes that use it see it: a link they share, and one engine for all their commands. */
import { CommandEngine, type CommandEngineOptions } from '../../lib/plc/command.ts';
import type { LinkState, Reading, TagDescription, Transport } from '../../lib/plc/transport.ts';
import { TagWatch } from '../../lib/plc/watch.ts';
import { serviceOf } from '../runtime/station.ts';
import type { NodeAPI } from '../runtime/types.ts';

export class PlcEndpoint {
  readonly engine: CommandEngine;
  readonly #transport: Transport;
  /** Called on every change of the link, one for each node that uses it. */
  readonly #users = new Set<() => void>();
  #open = false;

  constructor(options: CommandEngineOptions) {
    this.engine = new CommandEngine(options);
    this.#transport = options.transport;
    this.#transport.onLink(() => {
      for (const show of this.#users) show();
    });
  }

  /** Joins the users of the link, which is opened for the first of them; returns the way to leave. */
  use(show: () => void): () => void {
    this.#users.add(show);
    if (!this.#open) {
      this.#open = true;
      this.#transport.open();
    }
    return () => this.#users.delete(show);
  }

  link(): LinkState {
    return this.#transport.link();
  }

  describe(tag: string): Promise<TagDescription> {
    return this.#transport.describe(tag);
  }

  readAll(tags: readonly string[], timeoutMs: number): Promise<Reading[]> {
    return this.#transport.readAll(tags, timeoutMs);
  }

  /** A watch in a rhythm of its own, which who asked for it closes. */
  watch(pollMs: number): TagWatch {
    return new TagWatch(this.#transport, { pollMs });
  }

  /** Lets the commands under way end, then the session on the PLC. */
  async close(): Promise<void> {
    await this.engine.close();
    await this.#transport.close();
  }
}

export function endpointOf(RED: NodeAPI, id: string): PlcEndpoint {
  return serviceOf(RED, id, 'plc', 'endpoint') as PlcEndpoint;
}
