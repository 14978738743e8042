/** plc-write: one verified command to a PLC for each part that reaches it. */
import { asCodedError, CodedError } from '../../lib/errors.ts';
import { ageMs, isInspection } from '../../lib/inspection/inspection.ts';
import type { Outcome } from '../../lib/plc/command.ts';
import { PlcError } from '../../lib/plc/plc-error.ts';
import { plainValue } from '../../lib/plc/tag-type.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { Commandable, CommandRequest, Releasable } from '../../lib/station/types.ts';
import { propertyOf } from '../runtime/message.ts';
import { registerNode, type Handlers, type NodeContext } from '../runtime/register.ts';
import { disarmForDeployed, recordPart, stationOf } from '../runtime/station.ts';
import type { Message, NodeAPI, Outputs } from '../runtime/types.ts';
import { endpointOf, type PlcEndpoint } from '../plc-endpoint/endpoint.ts';
import { showBadge } from './badge.ts';
import { Commands } from './commands.ts';
import { startFallback } from './fallback.ts';
import { migrations, normalise, tagsOf, type Config } from './config.ts';

/** Of commands that have ended, and of other nodes' commands no longer than that. */
const LAST_RECORDS_MS = 1000;

class PlcWriteHandler implements Handlers, Releasable, Commandable {
  readonly id: string;
  readonly name: string;
  readonly #context: NodeContext<Config>;
  readonly #station: StationControl;
  readonly #endpoint: PlcEndpoint;
  readonly #commands: Commands;
  readonly #output: ReturnType<typeof startFallback>;
  /** What is undone when the node is closed, last first. */
  readonly #undo: (() => void)[];
  #tagProblem: string | undefined;
  /** The last command was one too many. */
  #limited = false;

  constructor(context: NodeContext<Config>) {
    const { RED, config, node, signal } = context;
    this.id = node.id;
    this.name = config.name;
    this.#context = context;
    this.#station = stationOf(RED, config.stationId);
    this.#endpoint = endpointOf(RED, config.endpointId);
    const { engine } = this.#endpoint;
    this.#commands = new Commands(config.manner, engine, this.#station, signal);
    const show = (): void => this.#show();
    disarmForDeployed(this.name, this.#station);
    this.#output = startFallback(context, this.#station, this.#endpoint, this.#commands, show);
    this.#undo = [
      this.#station.hold(),
      this.#station.onChange(show),
      this.#endpoint.use(() => this.#checkTags()),
      engine.join(this.#station),
      this.#station.addCommandable(this),
      ...(config.releaseValue === undefined ? [] : [this.#station.addReleasable(this)]),
    ];
    engine.recover(this.#station, config.manner).catch((error: unknown) => context.fail(error));
    this.#checkTags();
  }

  async input(message: Message, signal: AbortSignal): Promise<Outputs> {
    const { inspection } = message;
    if (!isInspection(inspection)) {
      throw new CodedError('PART_MISSING', 'the message has no part, so there is no deadline to act in', {
        hint: 'Put a camera-capture node, or another node that opens a part, in front.',
      });
    }
    const { RED, config } = this.#context;
    const { value, manner } = config;
    const wanted = 'value' in value ? value.value : propertyOf(RED, message, value.property);
    const decided = await this.#commands.decide(inspection.part, wanted, signal);
    const { outcome, ...seen } = this.#heed(decided.outcome);
    inspection.command = {
      id: decided.id,
      endpoint: this.#endpoint.engine.endpoint,
      tag: manner.tag,
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

  /** From outside of the flow, through the same fences. */
  async command(request: CommandRequest): Promise<Outcome> {
    return this.#heed(await this.#commands.request(request));
  }

  /** A person lets go what this node has halted; the station is armed by that person. */
  async release({ actor }: { actor: string; reason: string }): Promise<Outcome> {
    const { releaseValue } = this.#context.config;
    if (releaseValue === undefined || !('value' in releaseValue)) {
      throw new PlcError('PLC_RELEASE_FAILED', `${this.name} has no release value`);
    }
    const seen = this.#heed(await this.#commands.release(releaseValue.value, actor));
    if (seen.outcome === 'confirmed') return seen;
    throw new PlcError('PLC_RELEASE_FAILED', `${seen.outcome} ${seen.reason ?? ''}: ${seen.detail ?? ''}`);
  }

  async close(): Promise<void> {
    this.#output.stop();
    await this.#endpoint.engine.idle(LAST_RECORDS_MS);
    for (const undo of this.#undo.reverse()) undo();
  }

  /** Shows that commands are lost to the rate limit, from the first of them to the next that is let through. */
  #heed(outcome: Outcome): Outcome {
    const limited = outcome.reason === 'RATE';
    if (limited === this.#limited) return outcome;
    this.#limited = limited;
    if (limited) this.#context.node.warn(`${this.name}: ${outcome.detail ?? ''}`);
    this.#show();
    return outcome;
  }

  /** Asks the PLC for the tags as soon as there is a link, so that a wrong one shows before the first part. */
  #checkTags(): void {
    this.#show();
    if (this.#endpoint.link().state !== 'up') return;
    const tags = tagsOf(this.#context.config.manner);
    Promise.all(tags.map((tag) => this.#endpoint.describe(tag))).then(
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
    const problems = { tag: this.#tagProblem, limited: this.#limited, due: this.#output.fallback.due };
    if (!signal.aborted) showBadge(status, this.#endpoint, this.#station, problems);
  }
}

export default function register(RED: NodeAPI): void {
  registerNode<Config>(RED, {
    type: 'plc-write',
    migrations,
    normalise,
    start: (context) => new PlcWriteHandler(context),
  });
}
