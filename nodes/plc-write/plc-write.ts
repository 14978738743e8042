/** plc-write: one verified command to a PLC for each part that reaches it. */
import { ulid } from 'ulid';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { ageMs, isInspection, type PartSection } from '../../lib/inspection/inspection.ts';
import type { Command, Outcome } from '../../lib/plc/command.ts';
import { PlcError } from '../../lib/plc/plc-error.ts';
import { plainValue } from '../../lib/plc/tag-type.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { Releasable } from '../../lib/station/types.ts';
import { propertyOf } from '../runtime/message.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { disarmForDeployed, recordPart, stationOf } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';
import { endpointOf, type PlcEndpoint } from '../plc-endpoint/endpoint.ts';
import { normalise, type Config } from './config.ts';

class PlcWriteHandler implements Handlers, Releasable {
  readonly name: string;
  readonly #context: NodeContext<Config>;
  readonly #station: StationControl;
  readonly #endpoint: PlcEndpoint;
  /** What is undone when the node is closed, last first. */
  readonly #undo: (() => void)[];
  #tagProblem: string | undefined;

  constructor(context: NodeContext<Config>) {
    const { RED, config } = context;
    this.name = config.name;
    this.#context = context;
    this.#station = stationOf(RED, config.stationId);
    this.#endpoint = endpointOf(RED, config.endpointId);
    const show = (): void => this.#show();
    this.#undo = [
      this.#station.hold(),
      this.#station.onChange(show),
      this.#endpoint.use(() => this.#checkTag()),
      ...(config.releaseValue === undefined ? [] : [this.#station.addReleasable(this)]),
    ];
    disarmForDeployed(this.name, this.#station);
    this.#endpoint.engine.recover(this.#station).catch((error: unknown) => context.fail(error));
    this.#checkTag();
  }

  async input(message: Message, signal: AbortSignal): Promise<Outputs> {
    const { inspection } = message;
    if (!isInspection(inspection)) {
      throw new CodedError('PART_MISSING', 'the message has no part, so there is no deadline to act in', {
        hint: 'Put a camera-capture node, or another node that opens a part, in front.',
      });
    }
    const { value } = this.#context.config;
    const wanted = 'value' in value ? value.value : propertyOf(this.#context.RED, message, value.property);
    const command = { ...this.#command(inspection.part), value: wanted, actor: 'system', signal };
    const { outcome, ...seen } = await this.#endpoint.engine.execute(command, this.#station);
    inspection.command = {
      id: command.id,
      endpoint: this.#endpoint.engine.endpoint,
      tag: command.tag,
      requested: plainValue(wanted),
      outcome,
      ...seen,
    };
    inspection.timings['command'] = seen.ms;
    inspection.timings['age'] = ageMs(inspection);
    message.payload = outcome;
    recordPart(this.#context, this.#station, { ...message, inspection });
    return outcome === 'confirmed' ? [message, null] : [null, message];
  }

  /** A person lets go what this node has halted; the station is armed by that person. */
  async release({ actor }: { actor: string; reason: string }): Promise<Outcome> {
    const { releaseValue, manner } = this.#context.config;
    if (releaseValue === undefined || !('value' in releaseValue)) {
      throw new PlcError('PLC_RELEASE_FAILED', `${this.name} has no release value`);
    }
    const station = this.#station.name;
    const now = { id: null, station, startedAt: performance.now(), deadlineMs: manner.timeoutMs };
    const command = { ...this.#command(now), value: releaseValue.value, actor, signal: this.#context.signal };
    const outcome = await this.#endpoint.engine.execute(command, this.#station);
    if (outcome.outcome === 'confirmed') return outcome;
    throw new PlcError(
      'PLC_RELEASE_FAILED',
      `${outcome.outcome} ${outcome.reason ?? ''}: ${outcome.detail ?? ''}`,
    );
  }

  async close(): Promise<void> {
    await this.#endpoint.engine.idle();
    for (const undo of this.#undo.reverse()) undo();
  }

  #command(
    part: Pick<PartSection, 'station' | 'startedAt' | 'deadlineMs'> & { id: string | null },
  ): Omit<Command, 'value' | 'actor' | 'signal'> {
    const { id: partId, startedAt } = part;
    // A part that was opened without a station has no deadline of its own.
    const mostMs = part.station === '' ? this.#station.defaultDeadlineMs : Infinity;
    const deadlineMs = Math.min(part.deadlineMs, mostMs);
    return { ...this.#context.config.manner, id: ulid(), partId, startedAt, deadlineMs };
  }

  /** Asks the PLC for the tag as soon as there is a link, so that a wrong one shows before the first part. */
  #checkTag(): void {
    this.#show();
    if (this.#endpoint.link().state !== 'up') return;
    this.#endpoint.describe(this.#context.config.manner.tag).then(
      () => this.#showProblem(undefined),
      (error: unknown) => this.#showProblem(asCodedError(error).code),
    );
  }

  #showProblem(code: string | undefined): void {
    this.#tagProblem = code === 'PLC_LINK_DOWN' ? undefined : code;
    this.#show();
  }

  #show(): void {
    const { signal, status } = this.#context;
    if (signal.aborted) return;
    const link = this.#endpoint.link();
    const { state } = this.#station.arming();
    if (state === 'TRIPPED') status.show('failed', 'tripped');
    else if (link.state === 'failed') status.fail(asCodedError(link.error).code);
    else if (link.state !== 'up') status.show('degraded', 'offline');
    else if (this.#tagProblem !== undefined) status.fail(this.#tagProblem);
    else if (state === 'ARMED') status.show('ready', 'armed');
    else status.show('disabled', 'disarmed');
  }
}

export default function register(RED: NodeAPI): void {
  registerNode<Config>(RED, {
    type: 'plc-write',
    normalise,
    start: (context) => new PlcWriteHandler(context),
  });
}
