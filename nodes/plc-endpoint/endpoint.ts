/** One PLC as the nodes that use it see it: a link they share, and one engine for all their commands. */
import { CommandEngine, type CommandEngineOptions } from '../../lib/plc/command.ts';
import { armBit, type FallbackPhase } from '../../lib/plc/fallback.ts';
import { Heartbeat, type HeartbeatOptions } from '../../lib/plc/heartbeat.ts';
import type { LinkState, Reading, TagDescription, Transport } from '../../lib/plc/transport.ts';
import { TagWatch } from '../../lib/plc/watch.ts';
import { serviceOf } from '../runtime/station.ts';
import type { NodeAPI } from '../runtime/types.ts';

/** How often the manual bit is looked at between commands, where the protocol does not push; each command reads it besides. */
const MANUAL_POLL_MS = 100;

export interface EndpointOptions extends CommandEngineOptions {
  /** Absent: this PLC watches no beat. */
  heartbeat?: Pick<HeartbeatOptions, 'tag' | 'everyMs' | 'armTag' | 'onFailure'> | undefined;
}

export class PlcEndpoint {
  readonly engine: CommandEngine;
  readonly #transport: Transport;
  readonly #manualWatch: TagWatch;
  /** Called on every change of the link, one for each node that uses it. */
  readonly #users = new Set<() => void>();
  /** How it stands with the defined output of each tag that is written, one for each node that writes. */
  readonly #outputs = new Set<() => FallbackPhase>();
  readonly #heartbeat: Heartbeat | undefined;
  #open = false;

  constructor({ heartbeat, ...options }: EndpointOptions) {
    this.#transport = options.transport;
    this.#manualWatch = new TagWatch(this.#transport, { pollMs: MANUAL_POLL_MS });
    this.engine = new CommandEngine({ ...options, watch: this.#manualWatch });
    // A dry run sends nothing, so the PLC must not believe that anybody answers for it.
    if (heartbeat !== undefined && options.dryRun !== true) {
      const armed = (): boolean => armBit([...this.#outputs].map((phase) => phase()));
      this.#heartbeat = new Heartbeat({ ...heartbeat, transport: options.transport, armed });
    }
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
      this.#heartbeat?.start();
    }
    return () => this.#users.delete(show);
  }

  /** Makes a tag's output known, on which the Arm bit depends; returns the way to take it back. */
  answerFor(phase: () => FallbackPhase): () => void {
    this.#outputs.add(phase);
    this.outputChanged();
    return () => {
      this.#outputs.delete(phase);
      this.outputChanged();
    };
  }

  /** Tells the PLC at once, rather than with the next beat, whether it shall take our word. */
  outputChanged(): void {
    this.#heartbeat?.refresh();
  }

  link(): LinkState {
    return this.#transport.link();
  }

  /** The way to look at the PLC through the link in use; undefined while no node uses it. */
  transportInUse(): Transport | undefined {
    return this.#open ? this.#transport : undefined;
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

  /** Lets the commands under way end, then the beats, then the session on the PLC. */
  async close(): Promise<void> {
    await this.engine.close();
    this.#manualWatch.close();
    await this.#heartbeat?.stop();
    await this.#transport.close();
  }
}

export function endpointOf(RED: NodeAPI, id: string): PlcEndpoint {
  return serviceOf(RED, id, 'plc', 'endpoint') as PlcEndpoint;
}
