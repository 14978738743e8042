/**
 * One change of a taught model: good parts come and go, defects are noted. Runs in the teaching process.
 */
import { readFile } from 'node:fs/promises';
import { Collector, type Offered } from './collect.ts';
import { AnomalyError } from './errors.ts';
import { MINIMUM_PARTS } from './manifest-of.ts';
import type { Features } from './backbone.ts';
import { readModel, readSideFile, type AnomalyModel } from './model.ts';
import { PartStore, partIdOf, type PartLabel } from './parts.ts';
import type { Learned, LearnJob, Taught } from './teach-protocol.ts';
import { extendTeaching, type TeachingProgress } from './teaching.ts';
import { embeddingOf, FeatureReader, inputOf, lookAt, train, writeVersion } from './training.ts';
import type { LessonSettings } from './unfinished.ts';
import { copyVersion } from './versions.ts';

/** Parts a version learns from corrections, in all; their features take 200 MB at 224×224. */
const MAX_LEARNED = 500;

function settingsOf({ input, method, seed, coresetSize, ...model }: AnomalyModel): LessonSettings {
  const { mask, tiles } = model;
  const { width, height, align } = input;
  const { path, normalise } = model.backbone;
  return {
    width,
    height,
    method,
    seed,
    coresetSize,
    ...(path === undefined ? {} : { backbone: path }),
    ...(normalise === undefined ? {} : { normalise }),
    ...(mask === undefined ? {} : { mask }),
    ...(tiles === undefined ? {} : { tiles }),
    ...(align === undefined ? {} : { align }),
  };
}

/** Ids of the parts to add, by label; each is in the store when this returns. */
async function collect(
  { add }: LearnJob,
  frames: AsyncIterable<Offered>,
  store: PartStore,
  settings: LessonSettings,
): Promise<{ added: { id: string; label: PartLabel }[]; collector: Collector }> {
  const collector = new Collector(store, inputOf(settings));
  const added: { id: string; label: PartLabel }[] = [];
  for (const { id, label, partId } of add) {
    const { part, image } = await store.read(id);
    const stored = await store.add(image, {
      ...part,
      label,
      ...(partId === undefined ? {} : { partId }),
    });
    await collector.takeStored(store, stored.id);
    added.push({ id: stored.id, label });
  }
  for await (const offered of frames) {
    const part = await collector.take(offered);
    if (part !== undefined) added.push(part);
  }
  const unreadable = collector.findings().find(({ kind }) => kind === 'unreadable');
  if (unreadable !== undefined) {
    throw new AnomalyError('PART_INVALID', `the picture of ${unreadable.source} cannot be read`, {
      hint: 'Offer the frame as the camera gave it.',
    });
  }
  return { added, collector };
}

/** The other label's id of a part: what was good becomes a defect, or the other way round. */
async function counterpart(
  store: PartStore,
  { id, label }: { id: string; label: PartLabel },
): Promise<string> {
  const { image } = await store.read(id);
  return partIdOf(label === 'good' ? 'defect' : 'good', image);
}

/**
 * @throws AnomalyError `LEARN_WITHOUT_PARTS`, `LEARN_NOTHING`, `TEACH_TOO_FEW`, `PARTS_FULL`, `PART_INVALID`,
 *   and as `readModel` and `PartStore.read`
 */
export async function learnOnce(
  job: LearnJob,
  frames: AsyncIterable<Offered>,
  onProgress: (progress: TeachingProgress) => void,
): Promise<Learned> {
  const model = await readModel(job.path);
  if (model.parts.length === 0) {
    throw new AnomalyError('LEARN_WITHOUT_PARTS', 'the model was taught when parts were not kept', {
      hint: 'Teach it again; from then on it can learn.',
    });
  }
  const store = new PartStore(job.folder, job.name);
  const settings = settingsOf(model);
  const { added, collector } = await collect(job, frames, store, settings);
  const gone = new Set(job.remove);
  for (const part of added) gone.add(await counterpart(store, part));
  const fresh = (label: PartLabel, known: readonly string[]): string[] =>
    added.filter((part) => part.label === label && !known.includes(part.id)).map(({ id }) => id);
  const goods = fresh('good', model.parts);
  const newDefects = fresh('defect', model.defects);
  const removed = [...model.parts, ...model.defects].filter((id) => gone.has(id));
  if (goods.length + newDefects.length + removed.length === 0) {
    throw new AnomalyError('LEARN_NOTHING', 'the model knows all of this already', {
      hint: 'The part is in the model as it was judged.',
    });
  }
  const left = model.parts.filter((id) => !gone.has(id));
  refuseTooFew(model, left);
  refuseTooMany(model, left, goods);
  const defects = [...model.defects.filter((id) => !gone.has(id)), ...newDefects];
  const changesBank = goods.length > 0 || left.length < model.parts.length;
  const taught = changesBank
    ? await changedGraph(job, model, { store, settings, left, goods, defects }, onProgress)
    : await sameGraph(job, model, { store, defects });
  const findings = collector.findings();
  const change = { added: goods, removed, defects: newDefects };
  return { taught: { ...taught, findings, skipped: 0 }, ...change };
}

/** Parts that calibrate; those learned from corrections do not count. */
function refuseTooFew({ learned }: AnomalyModel, left: readonly string[]): void {
  const corrections = new Set(learned);
  if (left.filter((id) => !corrections.has(id)).length >= MINIMUM_PARTS) return;
  throw new AnomalyError(
    'TEACH_TOO_FEW',
    `a model needs at least ${MINIMUM_PARTS} good parts that were not learned from corrections`,
    { hint: 'Teach the model again, from other good parts.' },
  );
}

/** Their features are held at once. */
function refuseTooMany({ learned }: AnomalyModel, left: readonly string[], goods: readonly string[]): void {
  const stays = new Set(left);
  const count = learned.filter((id) => stays.has(id)).length + goods.length;
  if (count <= MAX_LEARNED) return;
  throw new AnomalyError('PARTS_FULL', `a model learns at most ${MAX_LEARNED} parts from corrections`, {
    hint: 'So many say that parts have changed: teach the model again, from the parts as they are now.',
  });
}

type Kept = Omit<Taught, 'findings' | 'skipped'>;

interface BankChange {
  store: PartStore;
  settings: LessonSettings;
  /** Ids of good parts that stay, and of those that come. */
  left: readonly string[];
  goods: readonly string[];
  defects: readonly string[];
}

/** Extends what is remembered; a backbone that is another by now, or a lost memory, means teaching anew. */
async function changedGraph(
  job: LearnJob,
  model: AnomalyModel,
  change: BankChange,
  onProgress: (progress: TeachingProgress) => void,
): Promise<Kept> {
  const reader = await FeatureReader.open(change.settings);
  try {
    const memory = await readSideFile(model, 'memory');
    const canExtend = memory !== undefined && reader.backbone.digest === model.backbone.digest;
    return canExtend
      ? await extended(job, model, { ...change, reader, memory }, onProgress)
      : await retaught(job, model, { ...change, reader }, onProgress);
  } finally {
    await reader.release();
  }
}

async function extended(
  { draft }: LearnJob,
  model: AnomalyModel,
  change: BankChange & { reader: FeatureReader; memory: Buffer },
  onProgress: (progress: TeachingProgress) => void,
): Promise<Kept> {
  const { reader, store, settings, memory, left, goods, defects } = change;
  const memorised = model.parts.slice(0, model.memorised);
  const features: Features[] = [];
  const all = [...memorised, ...goods];
  for (const id of all) {
    features.push(await reader.read((await store.read(id)).image));
    onProgress({ stage: 'features', done: features.length, total: all.length });
  }
  const known = features.slice(0, memorised.length);
  const add = features.slice(memorised.length);
  const stays = new Set(left);
  const teaching = await extendTeaching({
    memory,
    backbone: reader.backbone,
    features: known,
    add,
    remove: [...memorised.keys()].filter((part) => !stays.has(memorised[part] as string)),
    onProgress,
  });
  const isKept = memorised.map((id) => stays.has(id));
  const kept = [...known.filter((_, part) => isKept[part]), ...add];
  return writeVersion(teaching, {
    draft,
    store,
    reader,
    settings,
    embeddings: kept.map((part) => embeddingOf(reader.shape, part)),
    ids: [...memorised.filter((_, part) => isKept[part]), ...goods],
    rest: model.parts.slice(model.memorised).filter((id) => stays.has(id)),
    defects,
  });
}

async function retaught(
  { draft }: LearnJob,
  model: AnomalyModel,
  { reader, store, settings, left, goods, defects }: BankChange & { reader: FeatureReader },
  onProgress: (progress: TeachingProgress) => void,
): Promise<Kept> {
  const sample = reader.sample(settings.seed);
  const learned = reader.sample(settings.seed);
  const corrections = new Set([...model.learned, ...goods]);
  const parts = [...left, ...goods];
  for (const [index, id] of parts.entries()) {
    const { image } = await store.read(id);
    await (corrections.has(id) ? learned : sample).add(id, () => reader.read(image));
    onProgress({ stage: 'features', done: index + 1, total: parts.length });
  }
  return train(reader, sample, settings, { draft, store, defects, learned }, onProgress);
}

/** Only the acceptance test changes. */
async function sameGraph(
  { draft }: LearnJob,
  model: AnomalyModel,
  { store, defects }: { store: PartStore; defects: string[] },
): Promise<Kept> {
  const known = new Map(model.defects.map((id, index) => [id, model.defectScores[index] as number]));
  const unknown = defects.filter((id) => !known.has(id));
  const looks = await lookAt(await readFile(model.graph), store, unknown);
  unknown.forEach((id, index) => known.set(id, looks[index]?.score ?? NaN));
  await copyVersion(model, draft);
  const { digest, method, why, candidates, input, backbone, bankSize } = model;
  const { parts, memorised, learned, scores, embedding, files } = model;
  return {
    digest,
    method,
    why,
    candidates,
    input,
    backbone,
    bankSize,
    parts,
    memorised,
    learned,
    scores,
    ...(embedding === undefined ? {} : { embedding }),
    files,
    defects,
    defectScores: defects.map((id) => known.get(id) as number),
  };
}
