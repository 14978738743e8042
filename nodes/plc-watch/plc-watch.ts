/** plc-watch: a message when a tag of the PLC changes, and the part that begins with it. */
import { partIdFrom } from '../../lib/capture/source.ts';
import { systemClock } from '../../lib/clock.ts';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { EdgeFilter, type Edge } from '../../lib/plc/edge.ts';
import { tagSection, usableValue, type PlcSection } from '../../lib/plc/section.ts';
import type { Reading } from '../../lib/plc/transport.ts';
import { endpointOf, type PlcEndpoint } from '../plc-endpoint/endpoint.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { partOpener, stationOf, type OpenPart } from '../runtime/station.ts';
import type { Message, NodeAPI } from '../runtime/types.ts';
import { WatchBadge } from './badge.ts';
import { normalise, type Config } from './config.ts';

/** For the id of a part; a trigger that waits longer is reported instead. */
const PART_ID_TIMEOUT_MS = 1000;
/** Triggers that may wait for the id of their part. */
const MAX_WAITING = 64;

class PlcWatchHandler implements Handlers {
  readonly #context: NodeContext<Config>;
  readonly #endpoint: PlcEndpoint;
  readonly #open: OpenPart | undefined;
  readonly #edges: EdgeFilter;
  readonly #badge: WatchBadge;
  readonly #undo: (() => void)[];
  /** The code of the failure the Catch path has heard of. */
  #reported: string | undefined;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(context: NodeContext<Config>) {
    const { RED, config, status } = context;
    this.#context = context;
    this.#endpoint = endpointOf(RED, config.endpointId);
    this.#open = config.stationId === undefined ? undefined : partOpener(stationOf(RED, config.stationId));
    this.#edges = new EdgeFilter(config.edges, (edge) => this.#take(edge));
    this.#badge = new WatchBadge(status, systemClock);
    status.show('connecting', 'connecting');
    const watch = this.#endpoint.watch(config.pollMs);
    this.#undo = [() => watch.close(), watch.watch(config.tag, (seen) => this.#see(seen))];
    this.#undo.push(this.#endpoint.use(() => undefined));
  }

  async close(): Promise<void> {
    this.#edges.forget();
    this.#badge.close();
    for (const undo of this.#undo.reverse()) undo();
    await this.#last;
  }

  #see(seen: Reading | Error): void {
    if (this.#context.signal.aborted) return;
    if (seen instanceof Error) {
      this.#edges.forget();
      this.#fail(seen);
      return;
    }
    try {
      usableValue(this.#context.config.tag, seen);
      this.#edges.see(seen);
    } catch (error) {
      this.#edges.hold();
      this.#fail(error, seen);
      return;
    }
    this.#reported = undefined;
    this.#badge.value(seen.value, true);
  }

  /** Once for as long as it lasts: the Catch path is for what somebody has to look at. */
  #fail(thrown: unknown, reading?: Reading): void {
    const error = asCodedError(thrown);
    const { status } = this.#context;
    this.#badge.clear();
    if (reading !== undefined && error.code === 'PLC_NOT_GOOD') this.#badge.value(reading.value, false);
    else if (error.code === 'PLC_LINK_LOST') status.show('degraded', 'offline');
    else status.fail(error.code);
    if (error.code === this.#reported) return;
    this.#reported = error.code;
    this.#context.fail(error, { plc: this.#section(reading === undefined ? [] : [reading]) });
  }

  /** Messages leave in the order of their triggers, though the ids of their parts are asked for. */
  #take(edge: Edge): void {
    const at = { monotonic: performance.now(), wall: new Date() };
    if (this.#waiting >= MAX_WAITING) {
      const hint = 'Look at the link to the PLC, or give the trigger a debounce time.';
      const text = `more than ${MAX_WAITING} triggers wait for the ids of their parts`;
      this.#context.fail(new CodedError('OVERLOAD', text, { hint }), this.#told(edge.reading, edge));
      return;
    }
    this.#waiting += 1;
    const made = this.#messageOf(edge, at);
    this.#last = this.#last.then(async () => {
      try {
        this.#context.emit([await made]);
      } catch (error) {
        this.#context.fail(error, this.#told(edge.reading, edge));
      } finally {
        this.#waiting -= 1;
      }
    });
    // It is awaited in its turn; until then nobody hears of a failure.
    made.catch(() => undefined);
  }

  async #messageOf(edge: Edge, at: { monotonic: number; wall: Date }): Promise<Message> {
    const message = this.#told(edge.reading, edge);
    const { partIdTag } = this.#context.config;
    const id = partIdTag === undefined ? undefined : await this.#partId(partIdTag);
    if (id !== undefined) message['partId'] = id;
    if (this.#open === undefined) return message;
    const inspection = await this.#open(id === undefined ? {} : { id });
    // The part's time runs from its trigger, not from when its id had been read.
    Object.assign(inspection.part, { startedAt: at.monotonic, capturedAt: at.wall.toISOString() });
    return { ...message, inspection };
  }

  async #partId(tag: string): Promise<string> {
    const [reading] = await this.#endpoint.readAll([tag], PART_ID_TIMEOUT_MS);
    const value = reading === undefined ? undefined : usableValue(tag, reading);
    const id = partIdFrom(typeof value === 'number' ? String(value) : value);
    if (id !== undefined) return id;
    throw new CodedError('PART_ID_INVALID', `${tag} holds no part id: ${JSON.stringify(value)}`, {
      hint: 'An id has 1 to 128 printable ASCII characters. Let the PLC write it before it sets the trigger.',
    });
  }

  #told(reading: Reading, edge?: Edge): Message {
    const plc = { ...this.#section([reading]), ...(edge && { edge: edge.kind, previous: edge.previous }) };
    return { payload: { value: reading.value }, plc };
  }

  #section(readings: Reading[]): PlcSection {
    const { config } = this.#context;
    return {
      endpoint: this.#endpoint.engine.endpoint,
      tags: readings.map((reading) => tagSection(config, reading)),
    };
  }
}

export default function register(RED: NodeAPI): void {
  registerNode<Config>(RED, {
    type: 'plc-watch',
    normalise,
    start: (context) => new PlcWatchHandler(context),
  });
}
