/**
 * What people found parts to be: kept first, told then. Where two have to agree, what the first one says is kept
 * as a proposal and tells nobody anything until somebody else has found the same.
 */
import { asCodedError } from '../errors.ts';
import type { Label, NewLabel } from '../journal/types.ts';
import { samePerson } from './arming.ts';
import { StationError } from './errors.ts';
import { Listeners } from './listeners.ts';
import type { StationMemory } from './memory.ts';
import type { StationRecord } from './record.ts';

export type LabelRequest = Omit<NewLabel, 'station' | 'proposedBy'>;

/** What one person found, waiting for another. */
export interface LabelProposal extends LabelRequest {
  /** ISO 8601 in UTC; for people. */
  at: string;
}

export type LabelAnswer = ({ state: 'recorded' } & Label) | ({ state: 'proposed' } & LabelProposal);

/** More than anybody leaves half done; the oldest goes, and its part waits for a first person again. */
const MAX_PROPOSALS = 500;
const KEY = 'label-proposals';

export interface LabelOptions {
  station: string;
  memory: StationMemory;
  record: StationRecord;
  /** How many persons have to find the same. */
  people: 1 | 2;
  now: () => Date;
}

export class Labels {
  readonly #options: LabelOptions;
  readonly #listeners = new Listeners<Label>();
  #proposals: Promise<Map<string, LabelProposal>> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: LabelOptions) {
    this.#options = options;
  }

  /**
   * Rejects with `NOT_FOUND` for a part that is not on record, with `SAME_PERSON` for a second person who is the
   * first, with the journal's error when it cannot be kept.
   */
  record(request: LabelRequest): Promise<LabelAnswer> {
    const answer = this.#turn.then(() =>
      this.#options.people === 2 ? this.#agree(request) : this.#keep(request),
    );
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  /** What waits for a second person, oldest first. */
  async proposals(): Promise<LabelProposal[]> {
    return this.#options.people === 2 ? [...(await this.#load()).values()] : [];
  }

  onLabel(listener: (label: Label) => void): () => void {
    return this.#listeners.add(listener);
  }

  async #agree(request: LabelRequest): Promise<LabelAnswer> {
    const proposals = await this.#load();
    const first = proposals.get(request.partId);
    if (first !== undefined && agrees(first, request) && !samePerson(first.actor, request.actor)) {
      const answer = await this.#keep({ ...request, proposedBy: first.actor });
      proposals.delete(request.partId);
      await this.#save(proposals);
      return answer;
    }
    if (first !== undefined && agrees(first, request)) {
      throw new StationError('SAME_PERSON', `${request.actor} said so before, so somebody else has to agree`);
    }
    return this.#propose(request, proposals);
  }

  async #propose(request: LabelRequest, proposals: Map<string, LabelProposal>): Promise<LabelAnswer> {
    const { partId, truth, actor, reason, defectClass } = request;
    const journal = await this.#options.memory.journal();
    const before = proposals.get(partId);
    const detail = {
      ...{ partId, truth },
      ...(defectClass === undefined ? {} : { defectClass }),
      ...(before === undefined ? {} : { insteadOf: { truth: before.truth, actor: before.actor } }),
    };
    await journal.appendLedger({
      type: 'gate.label-proposed',
      actor,
      object: this.#options.station,
      reason,
      detail,
    });
    const proposal = { ...request, at: this.#options.now().toISOString() };
    proposals.delete(partId);
    proposals.set(partId, proposal);
    const [oldest] = proposals.keys();
    if (proposals.size > MAX_PROPOSALS && oldest !== undefined) proposals.delete(oldest);
    await this.#save(proposals);
    return { state: 'proposed', ...proposal };
  }

  async #keep(request: Omit<NewLabel, 'station'>): Promise<LabelAnswer> {
    const journal = await this.#options.memory.journal();
    const label = await journal
      .recordLabel({ ...request, station: this.#options.station })
      .catch((error: unknown) => {
        const { code, message } = asCodedError(error);
        throw code === 'JOURNAL_NOT_FOUND' ? new StationError('NOT_FOUND', message, { cause: error }) : error;
      });
    this.#listeners.tell(label);
    return { state: 'recorded', ...label };
  }

  #load(): Promise<Map<string, LabelProposal>> {
    this.#proposals ??= (async () => {
      const journal = await this.#options.memory.journal();
      const kept = (await journal.getValue(this.#options.record.keyOf(KEY))) as LabelProposal[] | undefined;
      return new Map((kept ?? []).map((proposal) => [proposal.partId, proposal]));
    })();
    this.#proposals.catch(() => (this.#proposals = undefined));
    return this.#proposals;
  }

  async #save(proposals: ReadonlyMap<string, LabelProposal>): Promise<void> {
    const journal = await this.#options.memory.journal();
    await journal.setValue(this.#options.record.keyOf(KEY), [...proposals.values()]);
  }
}

function agrees(first: LabelRequest, second: LabelRequest): boolean {
  return first.truth === second.truth && first.defectClass === second.defectClass;
}
