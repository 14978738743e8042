/** One PLC as the nodes that use it see it: a link they share, and one engine for all their commands. */
import { CommandEngine, type CommandEngineOptions } from '../../lib/plc/command.ts';
import { ArmBit } from '../../lib/plc/arm-bit.ts';
import type { FallbackPhase } from '../../lib/plc/fallback.ts';
import { Heartbeat, type HeartbeatOptions } from '../../lib/plc/heartbeat.ts';
import { PlcHeartbeat } from '../../lib/plc/plc-heartbeat.ts';
import type { LinkState, Reading, TagDescription, Transport } from '../../lib/plc/transport.ts';
import { TagWatch } from '../../lib/plc/watch.ts';
import { serviceOf } from '../runtime/station.ts';
import type { NodeAPI } from '../runtime/types.ts';

/** How often the manual bit is looked at between commands, where the protocol does not push; each command reads it besides. */
const MANUAL_POLL_MS = 100;

/** Looks at the beat of the PLC within the time after which it counts as lost. */
const LOOKS = 5;

export interface EndpointOptions extends CommandEngineOptions {
  /** Absent: this PLC watches no beat. */
  heartbeat?: Pick<HeartbeatOptions, 'tag' | 'everyMs' | 'armTag' | 'onFailure'> | undefined;
  /** What the PLC keeps changing itself; absent: nobody watches whether its program runs. */
  plcHeartbeatTag?: string | undefined;
  /** Without a beat for so long, ours or the PLC's, the stations that act here stand down. */
  beatTimeoutMs: number;
}

export class PlcEndpoint {
  readonly engine: CommandEngine;
  readonly #transport: Transport;
  readonly #manualWatch: TagWatch;
  /** Called on every change of the link, one for each node that uses it. */
  readonly #users = new Set<() => void>();
  readonly #armBit: ArmBit;
  readonly #heartbeat: Heartbeat | undefined;
  readonly #plcWatch: TagWatch;
  readonly #plcHeartbeat: PlcHeartbeat | undefined;
  #open = false;

  constructor({ heartbeat, plcHeartbeatTag, beatTimeoutMs, ...options }: EndpointOptions) {
    this.#transport = options.transport;
    this.#manualWatch = new TagWatch(this.#transport, { pollMs: MANUAL_POLL_MS });
    this.engine = new CommandEngine({ ...options, watch: this.#manualWatch });
    this.#armBit = new ArmBit({ fallMs: beatTimeoutMs, changed: () => this.#heartbeat?.refresh() });
    const lost = (code: string, message: string) => (isLost: boolean) => {
      if (isLost) this.engine.suspend({ code, message: `${options.endpoint}: ${message}` });
      else this.engine.resume(code);
    };
    const seconds = beatTimeoutMs / 1000;
    // A dry run sends nothing, so the PLC must not believe that anybody answers for it.
    if (heartbeat !== undefined && options.dryRun !== true) {
      this.#heartbeat = new Heartbeat({
        ...heartbeat,
        transport: options.transport,
        armed: () => this.#armBit.isSet,
        timeoutMs: beatTimeoutMs,
        onLost: lost('HEARTBEAT_LOST', `the PLC has not heard a heartbeat for ${seconds} s`),
      });
    }
    this.#plcWatch = new TagWatch(this.#transport, { pollMs: beatTimeoutMs / LOOKS });
    if (plcHeartbeatTag !== undefined) {
      this.#plcHeartbeat = new PlcHeartbeat({
        watch: this.#plcWatch,
        tag: plcHeartbeatTag,
        timeoutMs: beatTimeoutMs,
        onLost: lost('PLC_STOPPED', `${plcHeartbeatTag} stands still, or was not seen, for ${seconds} s`),
      });
    }
    this.#transport.onLink(({ state }) => {
      // At once: a PLC that hears nobody yet takes no command.
      if (state === 'up') this.#heartbeat?.refresh();
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
      this.#plcHeartbeat?.start();
    }
    return () => this.#users.delete(show);
  }

  /** Makes the output of a tag known, on which the Arm bit depends; returns the way to take it back. */
  answerFor(station: object, phase: () => FallbackPhase): () => void {
    return this.#armBit.add(station, phase);
  }

  /** Tells the PLC at once, rather than with the next beat, whether it shall take our word. */
  outputChanged(): void {
    this.#armBit.look();
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
    this.#plcHeartbeat?.stop();
    await this.engine.close();
    this.#manualWatch.close();
    this.#plcWatch.close();
    await this.#heartbeat?.stop();
    await this.#transport.close();
  }
}

export function endpointOf(RED: NodeAPI, id: string): PlcEndpoint {
  return serviceOf(RED, id, 'plc', 'endpoint') as PlcEndpoint;
}
