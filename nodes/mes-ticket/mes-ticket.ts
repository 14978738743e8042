/** mes-ticket: one ticket per part in the MES, durable before it is sent, with its evidence. */
import { asCodedError } from '../../lib/errors.ts';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { DeliveryState, Listener } from '../../lib/ticket/delivery.ts';
import { outcomeOf, type TicketChange, type TicketOutcome } from '../../lib/ticket/outcome.ts';
import type { Membership, MesEndpoint, TicketEntry } from '../../lib/ticket/endpoint.ts';
import { requirePart, TicketEntries } from '../../lib/ticket/entry.ts';
import type { ConfigReader, Migration } from '../runtime/config.ts';
import {
  registerNode,
  TAKEN_OVER,
  type Answer,
  type Handlers,
  type NodeContext,
} from '../runtime/register.ts';
import { recordPart, serviceOf, stationOf } from '../runtime/station.ts';
import type { Message, NodeAPI } from '../runtime/types.ts';
import { changeOutputs, KeptMessages, outputsOf, rebuiltPart } from './kept-messages.ts';
import { registerTicketRoutes } from './routes.ts';
import { watchStranded } from './stranded.ts';
import { mesSource, showDelivery, TicketAlarms } from './ticket-alarms.ts';
import { normaliseSource, sourceOf, type SourceConfig } from './source.ts';

interface Config extends SourceConfig {
  stationId: string;
  endpointId: string;
}

/** Version 1 attached the image alone. */
const MIGRATIONS: readonly Migration[] = [(raw) => ({ ...raw, attachHeatmap: false, version: 2 })];

function normalise(config: ConfigReader): Config {
  return {
    stationId: config.text('station'),
    endpointId: config.text('endpoint'),
    ...normaliseSource(config),
  };
}

class TicketHandler implements Handlers, Listener {
  readonly #context: NodeContext<Config>;
  readonly #station: StationControl;
  readonly #letGo: () => void;
  readonly #kept = new KeptMessages();
  readonly #entries = new TicketEntries();
  readonly #alarms: TicketAlarms;
  #membership: Promise<Membership> | undefined;

  constructor(context: NodeContext<Config>) {
    this.#context = context;
    this.#station = stationOf(context.RED, context.config.stationId);
    this.#letGo = this.#station.hold();
    this.#alarms = new TicketAlarms(this.#station.alarms, mesSource(context.RED, context.config.endpointId));
    // What waits from an earlier run goes out without an input; each input reports a failure again.
    this.#joined().catch((error: unknown) => context.fail(error));
  }

  async input(message: Message): Promise<Answer> {
    const inspection = requirePart(message.inspection);
    const membership = await this.#joined();
    const entry = await this.#entryOf(message, inspection);
    const kept = { message: { ...message, inspection }, startedAt: performance.now() };
    this.#kept.keep(entry.key, kept);
    const { accepted, record } = await membership.accept(entry).catch((error: unknown) => {
      this.#kept.drop(entry.key, kept);
      throw error;
    });
    const known = outcomeOf(record);
    // The same part again: the MES has its ticket, or has refused it.
    if (known !== undefined) return this.#kept.drop(entry.key, kept) ? outputsOf(kept, known) : TAKEN_OVER;
    inspection.ticket ??= { id: '', state: 'queued', key: entry.key };
    if (accepted) recordPart(this.#context, this.#station, kept.message);
    return TAKEN_OVER;
  }

  outcome(outcome: TicketOutcome): void {
    const kept = this.#kept.take(outcome.key);
    for (const one of kept) this.#context.emit(outputsOf(one, outcome));
    if (kept.length > 0) return;
    // After a restart, or when too many were kept.
    const inspection = rebuiltPart(outcome.body.inspection);
    const message = { _msgid: this.#context.RED.util.generateId(), inspection };
    this.#context.emit(outputsOf({ message, startedAt: null }, outcome));
  }

  changed(change: TicketChange): void {
    this.#context.emit(changeOutputs(change, this.#context.RED.util.generateId()));
  }

  state(state: DeliveryState): void {
    this.#alarms.follow(state);
    showDelivery(this.#context.status, state);
  }

  async close(): Promise<void> {
    try {
      await (await this.#membership)?.leave();
    } finally {
      this.#letGo();
    }
  }

  /** Tried again with the next input when the journal could not be opened. */
  #joined(): Promise<Membership> {
    this.#membership ??= this.#join().catch((error: unknown) => {
      this.#membership = undefined;
      this.#context.status.fail(asCodedError(error).code);
      throw error;
    });
    return this.#membership;
  }

  async #join(): Promise<Membership> {
    const { RED, config, node } = this.#context;
    const mes = serviceOf(RED, config.endpointId, 'mes', 'endpoint') as MesEndpoint;
    const journal = await this.#station.journal();
    return mes.join({ id: this.#station.id, journal }, node.id, this);
  }

  #entryOf(message: Message, inspection: Inspection): Promise<TicketEntry> {
    const { RED, config, node } = this.#context;
    const { line, name } = this.#station;
    return this.#entries.make({
      ...sourceOf(RED, message, config),
      node: node.id,
      inspection,
      line,
      station: name,
    });
  }
}

export default function register(RED: NodeAPI): void {
  registerTicketRoutes(RED);
  watchStranded(RED);
  registerNode<Config>(RED, {
    type: 'mes-ticket',
    migrations: MIGRATIONS,
    normalise,
    start: (context) => new TicketHandler(context),
  });
}
