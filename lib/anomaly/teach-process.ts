/**
 * Entry of the teaching process: asks its parent for one frame at a time, keeps the prepared pictures on disk
 * and the features in memory, teaches, writes the files of a version, and says what came out. It ends
 * when its parent does.
 */
import { constants, setPriority } from 'node:os';
import { asCodedError, CodedError } from '../errors.ts';
import { collectOnce } from './collect-job.ts';
import { Collector, unreadableFinding, type Collected } from './collect.ts';
import { AnomalyError } from './errors.ts';
import { learnOnce } from './learn-job.ts';
import { MINIMUM_PARTS } from './manifest-of.ts';
import { chained, framesFrom, sourceOf, withReference } from './offers.ts';
import { PartStore } from './parts.ts';
import type { CheckJob, FromTeacher, Job, TeachJob, ToTeacher } from './teach-protocol.ts';
import type { TeachingProgress } from './teaching.ts';
import { FeatureReader, inputOf, train } from './training.ts';
import { LessonLog, noteUnfinished } from './unfinished.ts';

function say(message: FromTeacher): void {
  process.send?.(message);
}

const sayProgress = (progress: TeachingProgress): void => say({ type: 'progress', progress });

/** What the parent sends, one message after the other. */
async function* messages(): AsyncGenerator<ToTeacher> {
  const waiting: ToTeacher[] = [];
  let wake: () => void = () => undefined;
  process.on('message', (message) => {
    waiting.push(message as ToTeacher);
    wake();
  });
  for (;;) {
    const next = waiting.shift();
    if (next !== undefined) yield next;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}

async function teachOnce(job: TeachJob, incoming: AsyncGenerator<ToTeacher>): Promise<void> {
  const { folder, name, wanted = Infinity, pictures, parts, resumed, leaveOut, draft } = job;
  const store = new PartStore(folder, name);
  const taken = new Set((resumed ?? []).map(({ source }) => source));
  const offers = sourceOf(pictures, taken, incoming, say);
  const { settings, first, unreadable } = await withReference(job.settings, offers, wanted, say);
  if (first.length > 0) await noteUnfinished(folder, name, { settings });
  const reader = await FeatureReader.open(settings);
  const sample = reader.sample(settings.seed);
  const learned = reader.sample(settings.seed);
  const corrections = new Set(job.learned);
  const collector = new Collector(store, inputOf(settings), (finding) => say({ type: 'finding', finding }));
  const total = Number.isFinite(wanted) ? wanted : (pictures?.length ?? parts?.length ?? 0);
  const keep = async (part: Collected | undefined): Promise<void> => {
    if (part?.isNew !== true) return;
    const { id, image } = part;
    await (corrections.has(id) ? learned : sample).add(id, () => reader.read(image));
    sayProgress({ stage: 'features', done: collector.count, total: Math.max(total, collector.count) });
  };
  const log = resumed === undefined ? undefined : await LessonLog.open(folder, name, resumed);
  for (const { id, source } of resumed ?? []) {
    if (id === '') collector.unreadable(source);
    else await keep(await collector.takeStored(store, id));
  }
  for (const id of parts ?? []) await keep(await collector.takeStored(store, id));
  for (const source of unreadable) {
    collector.recall(unreadableFinding(source));
    await log?.add({ id: '', source });
  }
  const told = new Set<string>();
  const isEnough = (): boolean => {
    if (collector.count < wanted) return false;
    const surplus = collector.surplus(leaveOut);
    for (const finding of surplus.filter(({ part }) => !told.has(part))) {
      told.add(finding.part);
      say({ type: 'finding', finding });
    }
    return collector.count - surplus.length >= wanted;
  };
  if (parts === undefined && !isEnough()) {
    for await (const { source, offered } of chained(first, offers)) {
      if (offered === undefined) collector.unreadable(source);
      const part = offered && (await collector.take(offered));
      await log?.add({ id: part?.id ?? '', source });
      await keep(part);
      if (isEnough()) break;
    }
  }
  await log?.close();
  const findings = collector.findings(leaveOut);
  const leftOut = findings.filter((finding) => finding.leftOut);
  const dropped = new Set(leftOut.filter(({ exact }) => exact !== true).map(({ part }) => part));
  sample.drop(dropped);
  learned.drop(dropped);
  if (sample.ids.length < MINIMUM_PARTS) throw tooFew(sample.ids.length, leftOut.length);
  const taught = await train(
    reader,
    sample,
    settings,
    { draft, store, defects: job.defects ?? [], learned },
    sayProgress,
  );
  await reader.release();
  say({ type: 'taught', taught: { ...taught, findings, skipped: leftOut.length } });
}

function tooFew(parts: number, leftOut: number): AnomalyError {
  const more = leftOut === 0 ? '' : `, ${leftOut} more were left out: duplicates, or not to be read`;
  return new AnomalyError(
    'TEACH_TOO_FEW',
    `${parts} good parts are too few to teach a model (at least ${MINIMUM_PARTS})${more}`,
    { hint: `Offer at least ${MINIMUM_PARTS} different good parts; 60 are better.` },
  );
}

async function checkOnce(
  { settings, pictures }: CheckJob,
  incoming: AsyncGenerator<ToTeacher>,
): Promise<void> {
  const collector = new Collector(undefined, { ...settings, fit: 'stretch' });
  let done = 0;
  for await (const { source, offered } of sourceOf(pictures, new Set(), incoming, say)) {
    if (offered === undefined) collector.unreadable(source);
    else await collector.take(offered);
    done += 1;
    sayProgress({ stage: 'features', done, total: Math.max(pictures?.length ?? 0, done) });
  }
  const findings = collector.findings(['duplicate']);
  say({ type: 'checked', checked: { parts: collector.count, findings } });
}

async function work(job: Job, incoming: AsyncGenerator<ToTeacher>): Promise<void> {
  if (job.kind === 'teach') await teachOnce(job, incoming);
  else if (job.kind === 'check') await checkOnce(job, incoming);
  else if (job.kind === 'collect') await collectOnce(job, incoming, say);
  else say({ type: 'learned', learned: await learnOnce(job, framesFrom(incoming, say), sayProgress) });
}

async function main(): Promise<void> {
  process.on('disconnect', () => process.exit(0));
  // The line goes first: teaching can wait, a part on the belt cannot.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const incoming = messages();
  const first = await incoming.next();
  if (first.done !== true && first.value.type === 'start') await work(first.value.job, incoming);
}

main().catch((error: unknown) => {
  const { code, message } = asCodedError(error);
  const hint = error instanceof CodedError ? error.hint : undefined;
  say({ type: 'failed', code, message, ...(hint === undefined ? {} : { hint }) });
});
