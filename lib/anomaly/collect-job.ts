/**
 * Collects the parts of a draft: each is on disk, with a line in the draft's log, before the next is taken. What
 * is to be said of them is said while they come. Runs in the teaching process.
 */
import { Collector, unreadableFinding, type Collected } from './collect.ts';
import { MAX_FINDINGS } from './manifest-schema.ts';
import { chained, sourceOf, withReference, type Incoming, type Say } from './offers.ts';
import { PartStore } from './parts.ts';
import type { CollectJob } from './teach-protocol.ts';
import { inputOf } from './training.ts';
import { LessonLog, MAX_DRAFT_PARTS, noteUnfinished, type CollectedLine } from './unfinished.ts';

/** Comparing 1 000 parts takes 0.2 s; people look once a second. */
const LOOK_MS = 1000;

/** Pictures on disk are read until the parent has enough; frames end by themselves. */
function enoughSaid(incoming: Incoming, pictures: readonly string[] | undefined): () => boolean {
  let isEnough = false;
  if (pictures !== undefined) void incoming.next().then(() => (isEnough = true));
  return () => isEnough;
}

/** @throws AnomalyError `PARTS_FULL`, `MODELS_UNWRITABLE`, and as `PartStore.read` of what the draft has */
export async function collectOnce(job: CollectJob, incoming: Incoming, say: Say): Promise<void> {
  const { folder, name, wanted, pictures, before } = job;
  const store = new PartStore(folder, name);
  const isEnough = enoughSaid(incoming, pictures);
  const taken = new Set(before.map(({ source }) => source));
  const offers = sourceOf(pictures, taken, incoming, say);
  const { settings, first, unreadable } = await withReference(job.settings, offers, wanted, say);
  if (first.length > 0) await noteUnfinished(folder, name, { settings }, 'draft');
  const collector = new Collector(store, inputOf(settings));
  const log = await LessonLog.open(folder, name, before, 'draft');
  const told = (): void => {
    const total = Math.min(wanted, pictures?.length ?? wanted);
    say({ type: 'progress', progress: { stage: 'features', done: collector.count, total } });
  };
  const take = async (line: CollectedLine, part: Collected | undefined): Promise<void> => {
    await log.add(line);
    if (part?.isNew === true) say({ type: 'collected', line });
    told();
  };
  for (const { id, source } of before) {
    if (id === '') collector.unreadable(source);
    else await collector.takeStored(store, id);
  }
  for (const source of unreadable) {
    collector.recall(unreadableFinding(source));
    await log.add({ id: '', source });
  }
  let lookedAt = -Infinity;
  told();
  // another part is needed in the place of one that was there before
  const isFull = (): boolean =>
    collector.count >= MAX_DRAFT_PARTS ||
    (collector.count >= wanted && collector.count - collector.surplus(['duplicate']).length >= wanted);
  if (!isFull()) {
    for await (const { source, offered } of chained(first, offers)) {
      if (offered === undefined) collector.unreadable(source);
      const part = offered && (await collector.take(offered));
      const { partId, unusual } = offered ?? {};
      const about = { ...(partId === undefined ? {} : { partId }), ...(unusual === true ? { unusual } : {}) };
      await take({ id: part?.id ?? '', source, ...about }, part);
      if (performance.now() - lookedAt > LOOK_MS) {
        say({ type: 'looked', findings: collector.findings(['duplicate']).slice(0, MAX_FINDINGS) });
        lookedAt = performance.now();
      }
      if (isFull() || isEnough()) break;
    }
  }
  await log.close();
  say({ type: 'gathered', findings: collector.findings(['duplicate']).slice(0, MAX_FINDINGS) });
}
