/** What the dialog and the admin routes see of a node that scores pictures, and may ask of it. */
import { resolve } from 'node:path';
import { checkParts } from '../../lib/anomaly/check-parts.ts';
import { explanationPicture, type Explained } from '../../lib/anomaly/explanation.ts';
import { picturesIn } from '../../lib/anomaly/folder-frames.ts';
import { heatmap, withoutHeat } from '../../lib/anomaly/heatmap.ts';
import { learn } from '../../lib/anomaly/learn.ts';
import type { AnomalyModel } from '../../lib/anomaly/model.ts';
import { PartStore } from '../../lib/anomaly/parts.ts';
import { teachingFraction } from '../../lib/anomaly/teach.ts';
import { rollback, versions } from '../../lib/anomaly/versions.ts';
import { asCodedError, CodedError } from '../../lib/errors.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import type { StationControl } from '../../lib/station/station.ts';
import type { GoodParts } from './good-parts.ts';
import type { Learner } from './learner.ts';
import { cardOf } from './model-card.ts';
import type { By, ModelKeeper, Work } from './model-keeper.ts';
import type { PictureConfig } from './picture-config.ts';
import type { PartFacts } from './recent-parts.ts';
import type { SubjectContext } from './subject.ts';
import type { TeachWizard } from './teach-wizard.ts';

export interface PanelParts {
  context: SubjectContext;
  station: StationControl;
  config: PictureConfig;
  keeper: ModelKeeper;
  learner: Learner;
  goodParts: GoodParts;
  wizard: TeachWizard;
}

export type RecentPicture = 'frame' | 'heatmap' | 'explanation';

/** Pixels, where the model sees as many. */
const WIDTHS = { picture: 160, large: 1280 } as const;
export type PartSize = keyof typeof WIDTHS;

const RECENT_PARTS = 24;
/** Parts of a version in one answer; a person pages through more. */
const PAGE = 60;

export class PicturePanel {
  readonly #parts: PanelParts;

  constructor(parts: PanelParts) {
    this.#parts = parts;
  }

  get wizard(): TeachWizard {
    return this.#parts.wizard;
  }

  /** What is under way, what serves, what waits; asked for again and again while a dialog is open. */
  state(): Record<string, unknown> {
    const { keeper, learner, config } = this.#parts;
    const { work, model, problem, findings } = keeper;
    return {
      work: work && {
        kind: work.kind,
        ...work.progress,
        fraction: fractionOf(work),
        ms: performance.now() - work.startedAt,
        findings,
      },
      model: model && cardOf(model),
      waiting: learner.waiting.map((each) => ({ ...each, kept: learner.recent.has(each.partId) })),
      learn: config.learn,
      recent: learner.recent.list(RECENT_PARTS).map(recentOf),
      problem: problem === undefined ? undefined : problemOf(problem),
      teaching: config.teaching,
      parts: config.parts,
      folder: config.folder,
      ...this.#parts.wizard.state(),
    };
  }

  /** Newest first, with what each changed of which. */
  async versions(): Promise<unknown> {
    const { keeper, config } = this.#parts;
    return { versions: await versions(keeper.folder, config.model), serving: keeper.model?.version ?? null };
  }

  /** Parts of the model that serves, the least usual of the good ones first. */
  async parts(from: number): Promise<unknown> {
    const { model } = this.#parts.keeper;
    if (model === undefined) return { total: 0, parts: [] };
    const store = this.#store();
    const all = [
      ...ranked(model.defects, model.defectScores, 'defect'),
      ...ranked(model.parts, model.scores, 'good'),
    ];
    const parts = await Promise.all(
      all.slice(from, from + PAGE).map(async (part) => {
        const about = await store.about(part.id).catch(() => undefined);
        const { partId, source, addedAt } = about ?? {};
        return { ...part, partId, source, addedAt };
      }),
    );
    return { total: all.length, parts };
  }

  /** JPEG of a part of the model, as the model sees it. @throws AnomalyError `PART_MISSING` */
  partPicture(id: string, size: PartSize): Promise<Buffer> {
    return this.#store().thumbnail(id, WIDTHS[size]);
  }

  /** JPEG of a part scored lately; the bare part where its heat is no longer known. @throws CodedError `NOT_FOUND` */
  async recentPicture(partId: string, kind: RecentPicture): Promise<Buffer> {
    const part = await this.#parts.learner.recent.find(partId);
    if (part === undefined) throw new CodedError('NOT_FOUND', `part ${partId} is no longer kept`);
    const { frame, heat, section } = part;
    if (kind !== 'explanation') {
      return kind === 'frame' || heat === undefined ? withoutHeat(frame) : heatmap(frame, heat).read();
    }
    const nearest = (): Promise<Frame | undefined> => this.#parts.goodParts.mostLike(frame);
    const explained: Explained = { frame, boxes: section.boxes, nearest };
    if (heat !== undefined) explained.heat = heat;
    return explanationPicture(explained).read();
  }

  /** What would be pointed out about the pictures in a folder; nothing is kept. */
  async check(folder: string): Promise<unknown> {
    const { station, config, context } = this.#parts;
    const pictures = await picturesIn(resolve(station.folder, folder));
    const { resolution } = config;
    const checked = await checkParts({ pictures, resolution, signal: context.signal });
    return { pictures: pictures.length, ...checked };
  }

  teach(by: By): Promise<unknown> {
    return this.#parts.keeper.teach(by);
  }

  async cancel({ actor, reason }: By): Promise<void> {
    const { keeper, station, config } = this.#parts;
    await keeper.cancel();
    const journal = await station.journal();
    await journal.appendLedger({ type: 'model.cancel', actor, object: config.model, reason });
  }

  async learn(by: By): Promise<unknown> {
    return cardOf(await this.#parts.learner.learn(by));
  }

  dismiss(partIds: readonly string[], by: By): Promise<void> {
    return this.#parts.learner.dismiss(partIds, by);
  }

  /** A new version that has forgotten these parts. */
  async unteach(remove: readonly string[], by: By): Promise<unknown> {
    const { keeper, config } = this.#parts;
    const where = { folder: keeper.folder, name: config.model };
    const model = await keeper.change('unteach', by, (job) => learn({ ...where, remove, ...by, ...job }));
    return cardOf(model);
  }

  /** A new version that is an old one again. */
  async rollback(version: number, by: By): Promise<unknown> {
    const { keeper, config } = this.#parts;
    const where = { folder: keeper.folder, name: config.model };
    return cardOf(await keeper.change('rollback', by, () => rollback({ ...where, version, ...by })));
  }

  #store(): PartStore {
    const { keeper, config } = this.#parts;
    return new PartStore(keeper.folder, config.model);
  }
}

/** Of a draft that is collected nothing follows by itself. */
function fractionOf({ kind, progress }: Work): number {
  const { done, total } = progress;
  if (kind === 'collect') return total > 0 ? Math.min(1, done / total) : 0;
  return teachingFraction(progress);
}

function ranked(
  ids: AnomalyModel['parts'],
  scores: AnomalyModel['scores'],
  label: 'good' | 'defect',
): { id: string; label: string; score: number }[] {
  return ids
    .map((id, index) => ({ id, label, score: scores[index] ?? 0 }))
    .sort((one, other) => other.score - one.score);
}

function recentOf({ partId, at, section, suspicious }: PartFacts): Record<string, unknown> {
  const { score, pValue, boxes } = section;
  return { partId, at, score, pValue, suspicious, boxes };
}

function problemOf(error: unknown): Record<string, unknown> {
  const { code, message, hint } = asCodedError(error) as Error & { code: string; hint?: string };
  return { code, message, hint };
}
