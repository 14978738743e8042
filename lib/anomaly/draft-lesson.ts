/**
 * A lesson that a person looks through before it is taught: parts come from the line or a folder, what is wrong
 * with them is pointed out, single parts are thrown out and brought back, and what is left is taught to a
 * candidate. Whatever ends the process, the next one goes on from what is on disk.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { removeCandidate } from './candidate.ts';
import { writeDurably } from './durable.ts';
import { AnomalyError } from './errors.ts';
import type { Finding } from './findings.ts';
import { holdModel } from './hold.ts';
import { modelFolder } from './model.ts';
import type { CollectJob } from './teach-protocol.ts';
import {
  doJob,
  endSource,
  nextFrame,
  untilCancelled,
  type JobOptions,
  type LabelledFrame,
} from './teacher.ts';
import {
  MAX_DRAFT_PARTS,
  noteUnfinished,
  readUnfinished,
  removeUnfinished,
  writeUnfinished,
  type CollectedLine,
  type DraftPhase,
  type LessonSettings,
  type Settled,
  type UnfinishedLesson,
} from './unfinished.ts';
import { sweep } from './versions.ts';

export interface DraftPlace {
  /** Folder of all models. */
  folder: string;
  name: string;
}

/** Where the next parts of a draft come from. */
export interface DraftSource {
  /** Different parts to add; all pictures where absent. */
  parts?: number;
  /** Absolute paths of pictures; the running line where absent. */
  pictures?: readonly string[];
}

export interface DraftPart {
  id: string;
  source: string;
  partId?: string;
  /** The model in service found it suspicious when it was collected. */
  unusual: boolean;
  findings: Finding[];
  /** It is not taught from. */
  isOut: boolean;
  /** Who threw it out or brought it back; absent where nobody has. */
  decidedBy?: string;
}

/** What a person decided of a part. */
interface Choice {
  out: boolean;
  by: string;
}

type By = NonNullable<UnfinishedLesson['by']>;

const choicesFile = ({ folder, name }: DraftPlace): string =>
  join(modelFolder(folder, name), 'draft-choices.json');

/** One that cannot be read says nothing: a person looks through the parts again. */
async function readChoices(place: DraftPlace): Promise<Map<string, Choice>> {
  const text = await readFile(choicesFile(place), 'utf8').catch(() => '{}');
  try {
    const all = Object.entries(JSON.parse(text) as Record<string, Partial<Choice>>);
    return new Map(all.map(([id, { out, by }]) => [id, { out: out === true, by: String(by) }]));
  } catch {
    return new Map();
  }
}

export class DraftLesson {
  readonly #place: DraftPlace;
  #record: UnfinishedLesson;
  readonly #choices: Map<string, Choice>;
  /** In the order they came. */
  readonly #lines = new Map<string, CollectedLine>();
  #findings: readonly Finding[];
  readonly #waiting: LabelledFrame[] = [];
  #wake: () => void = () => undefined;
  /** Of what is being collected. */
  #enough = new AbortController();
  #isLive = false;
  #saving: Promise<void> = Promise.resolve();

  private constructor(place: DraftPlace, record: UnfinishedLesson, choices: Map<string, Choice>) {
    this.#place = place;
    this.#record = record;
    this.#choices = choices;
    this.#findings = record.findings ?? [];
    // the first of those that are the same
    for (const line of record.collected) {
      if (line.id !== '' && !this.#lines.has(line.id)) this.#lines.set(line.id, line);
    }
  }

  /** The draft on disk; undefined where there is none. Throws `MODEL_NAME_INVALID`. */
  static async open(place: DraftPlace): Promise<DraftLesson | undefined> {
    const record = await readUnfinished(place.folder, place.name, 'draft');
    return record && new DraftLesson(place, record, await readChoices(place));
  }

  /** An empty draft in the place of whatever was there. Throws `MODELS_UNWRITABLE`, `TEACH_BUSY`. */
  static async begin(place: DraftPlace, settings: LessonSettings): Promise<DraftLesson> {
    const { folder, name } = place;
    const release = await holdModel(folder, name);
    try {
      const startedAt = new Date().toISOString();
      await rm(choicesFile(place), { force: true });
      await writeUnfinished(folder, name, { format: 1, settings, startedAt, phase: 'looking' }, 'draft');
    } finally {
      await release();
    }
    const draft = await DraftLesson.open(place);
    if (draft === undefined) throw lost();
    return draft;
  }

  get phase(): DraftPhase {
    return this.#record.phase ?? 'looking';
  }

  get settings(): LessonSettings {
    return this.#record.settings;
  }

  get startedAt(): string {
    return this.#record.startedAt;
  }

  /** Who began what it is at. */
  get by(): By | undefined {
    return this.#record.by;
  }

  /** Different parts it collects up to; undefined for pictures of a folder. */
  get wanted(): number | undefined {
    return this.#record.wanted;
  }

  get fromPictures(): boolean {
    return this.#record.pictures !== undefined;
  }

  /** What was pointed out, `leftOut` as it will be taught. */
  get findings(): Finding[] {
    return this.#findings.map((finding) => ({
      ...finding,
      leftOut: finding.kind === 'unreadable' || finding.exact === true || this.#isOut(finding.part),
    }));
  }

  /** In the order they came. */
  get parts(): DraftPart[] {
    const byPart = new Map<string, Finding[]>();
    for (const finding of this.#findings) {
      byPart.set(finding.part, [...(byPart.get(finding.part) ?? []), finding]);
    }
    return [...this.#lines.values()].map(({ id, source, partId, unusual }) => {
      const by = this.#choices.get(id)?.by;
      return {
        id,
        source,
        ...(partId === undefined ? {} : { partId }),
        unusual: unusual === true,
        findings: byPart.get(id) ?? [],
        isOut: this.#isOut(id),
        ...(by === undefined ? {} : { decidedBy: by }),
      };
    });
  }

  /** Ids of the parts it will be taught from. */
  get chosen(): string[] {
    return [...this.#lines.keys()].filter((id) => !this.#isOut(id));
  }

  /** Says what is to be collected, on top of what there is. Throws `LESSON_NOT_NOW`, `MODELS_UNWRITABLE`. */
  async ask({ parts, pictures }: DraftSource, by: By): Promise<void> {
    this.#assertLooking();
    const wanted = parts === undefined ? undefined : Math.min(this.chosen.length + parts, MAX_DRAFT_PARTS);
    await this.#note({
      phase: 'collecting',
      by,
      wanted: pictures === undefined ? (wanted ?? MAX_DRAFT_PARTS) : wanted,
      pictures: pictures === undefined ? undefined : [...pictures],
    });
  }

  /** Takes the frame while it collects from the line; false when it does not. */
  offer(part: LabelledFrame): boolean {
    if (!this.#isLive || this.#enough.signal.aborted) return false;
    // More than one is held only while the process is behind the line.
    if (this.#waiting.length >= 2) return false;
    this.#waiting.push(part);
    this.#wake();
    return true;
  }

  /** Ends collecting: it goes on with the parts it has. */
  enough(): void {
    this.#enough.abort();
    this.#wake();
  }

  /**
   * Collects what was asked for; settles when there is enough, or when it is told so. Cancelled it keeps what it
   * has; suspended, a later process goes on with it.
   *
   * @throws AnomalyError `TEACH_SUSPENDED`, `TEACH_FAILED`, `TEACH_BUSY`, `PARTS_FULL`, `MODELS_UNWRITABLE`
   */
  async collect(options: JobOptions): Promise<void> {
    const { folder, name } = this.#place;
    this.#enough = new AbortController();
    const { pictures } = this.#record;
    this.#isLive = pictures === undefined;
    const source = this.#isLive ? this.#frames() : undefined;
    let findings: Finding[] | undefined;
    let isSuspended = false;
    const release = await holdModel(folder, name);
    try {
      // The line may take hours to bring the first part; until then there is no process.
      const first = source && (await untilCancelled(nextFrame(source), options.signal));
      const answer = await doJob(this.#job(), source, this.#listening(options), first);
      findings = (answer as { findings: Finding[] }).findings;
    } catch (error) {
      const { code } = error as { code?: unknown };
      isSuspended = code === 'TEACH_SUSPENDED';
      if (code !== 'TEACH_CANCELLED') throw error;
    } finally {
      this.#isLive = false;
      this.#waiting.length = 0;
      endSource(source);
      this.#findings = findings ?? this.#findings;
      if (!isSuspended) await this.#note({ phase: 'looking', findings: [...this.#findings] });
      await release();
    }
  }

  /** Throws parts out, or brings them back. Throws `PART_MISSING`, `LESSON_NOT_NOW`, `MODELS_UNWRITABLE`. */
  async choose(ids: readonly string[], out: boolean, by: string): Promise<void> {
    if (this.phase === 'teaching') throw notNow('it is being taught');
    const unknown = ids.find((id) => !this.#lines.has(id));
    if (unknown !== undefined) {
      throw new AnomalyError('PART_MISSING', `the lesson has no part ${unknown.slice(0, 12)}`);
    }
    for (const id of ids) this.#choices.set(id, { out, by });
    const saved = this.#saving
      .catch(() => undefined)
      .then(() => writeDurably(choicesFile(this.#place), JSON.stringify(Object.fromEntries(this.#choices))));
    this.#saving = saved;
    await saved;
  }

  /** Notes what it is at. Throws `MODELS_UNWRITABLE`. */
  async enter(phase: DraftPhase, by?: By): Promise<void> {
    await this.#note(by === undefined ? { phase } : { phase, by });
  }

  /** Removes the draft, what it collected, and what was taught from it. Throws `TEACH_BUSY`. */
  async discard(): Promise<void> {
    const { folder, name } = this.#place;
    const release = await holdModel(folder, name);
    try {
      await this.#saving.catch(() => undefined);
      await removeUnfinished(folder, name, 'draft');
      await rm(choicesFile(this.#place), { force: true });
      await removeCandidate(this.#place);
      await sweep(folder, name);
    } finally {
      await release();
    }
  }

  #assertLooking(): void {
    if (this.phase === 'collecting') throw notNow('it is collecting already');
    if (this.phase === 'teaching') throw notNow('it is being taught');
  }

  #isOut(id: string): boolean {
    const left = this.#findings.some(({ part, leftOut, exact }) => part === id && leftOut && exact !== true);
    return this.#choices.get(id)?.out ?? left;
  }

  #job(): CollectJob {
    const { settings, wanted = MAX_DRAFT_PARTS, pictures, collected } = this.#record;
    return {
      kind: 'collect',
      ...this.#place,
      settings,
      wanted,
      ...(pictures === undefined ? {} : { pictures }),
      before: collected,
    };
  }

  #listening(options: JobOptions): JobOptions {
    return {
      ...options,
      enough: this.#enough.signal,
      onCollected: (line) => {
        this.#lines.set(line.id, line);
        options.onCollected?.(line);
      },
      onLooked: (findings) => {
        this.#findings = findings;
        options.onLooked?.(findings);
      },
    };
  }

  async #note(settled: Settled): Promise<void> {
    const { folder, name } = this.#place;
    await noteUnfinished(folder, name, settled, 'draft');
    const record = await readUnfinished(folder, name, 'draft');
    if (record === undefined) throw lost();
    this.#record = record;
  }

  async *#frames(): AsyncGenerator<LabelledFrame> {
    for (;;) {
      const next = this.#waiting.shift();
      if (this.#enough.signal.aborted) return;
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function notNow(why: string): AnomalyError {
  return new AnomalyError('LESSON_NOT_NOW', `the lesson cannot be changed now: ${why}`, {
    hint: 'Wait until it is done, or stop it.',
  });
}

function lost(): AnomalyError {
  return new AnomalyError('LESSON_MISSING', 'the lesson is no longer on disk', { hint: 'Begin a new one.' });
}
