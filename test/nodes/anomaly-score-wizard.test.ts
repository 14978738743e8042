/** The teach wizard of a deployed node: from parts to a new version that serves, and back. */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { ShadowState } from '../../lib/anomaly/shadow.ts';
import type { Frame } from '../../lib/frame/frame.ts';
import { openJournal } from '../../lib/journal/journal.ts';
import { createStation, type StationControl } from '../../lib/station/station.ts';
import register from '../../nodes/anomaly-score/anomaly-score.ts';
import type { PicturePanel } from '../../nodes/anomaly-score/picture-panel.ts';
import type { TeachWizard } from '../../nodes/anomaly-score/teach-wizard.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { realParts, type RealParts } from '../support/good-parts.ts';
import { flowAround, load, nextMessage, node, stationStandIn, unload } from '../support/helper.ts';
import { putTaughtModel } from '../support/taught-model.ts';

const BY = { actor: 'ann', reason: 'a new batch of steel' };

interface Lesson {
  phase: string;
  collected: number;
  chosen: number;
}

interface View {
  lesson?: Lesson;
  candidate?: { digest: string; promises: { missing: number; needed: number; gates: string[] }[] };
  model?: { version: number; digest: string };
  shadow?: ShadowState & { running: boolean };
  work?: { kind: string };
  problem?: { code: string };
}

describe('the teach wizard of anomaly-score', function () {
  this.timeout(120_000);
  let parts: RealParts;
  let folder: string;
  let station: StationControl;

  before(async function () {
    parts = await realParts(this);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-wizard-'));
  });
  afterEach(async () => {
    await unload();
    await station.close();
    await rm(folder, { recursive: true });
  });

  async function deploy(config: Record<string, unknown> = {}): Promise<void> {
    station = createStation({
      ...{ id: 'station', name: 'press 4', line: '', folder, defaultDeadlineMs: 60_000 },
      ...{ autonomy: 'act', leaseMs: 60_000, openJournal },
    });
    const pictures = { model: 'top', teaching: 'none', version: 2, looks: 'pictures', method: 'patch-nn' };
    const tested = { id: 'score', type: 'anomaly-score', station: 'station', ...pictures, ...config };
    await load(
      [stationStandIn(station), register],
      [{ id: 'station', type: 'inspection-station' }, ...flowAround(tested, ['scored', 'events'])],
    );
  }

  function panel(): PicturePanel {
    return (node('score') as unknown as { panel: PicturePanel }).panel;
  }
  const wizard = (): TeachWizard => panel().wizard;
  const view = (): View => panel().state();

  async function until(isSo: (view: View) => boolean): Promise<View> {
    for (;;) {
      const now = view();
      assert.equal(now.problem, undefined, JSON.stringify(now.problem));
      if (isSo(now)) return now;
      await setTimeout(20);
    }
  }

  async function scored(frame: Frame = parts.good[0] as Frame): Promise<Message> {
    const answer = nextMessage('scored');
    node('score').receive({ frame });
    return answer;
  }

  async function ledger(): Promise<string[]> {
    const records = await (await station.journal()).ledger();
    return records
      .filter(({ type }) => type.startsWith('model.'))
      .map(({ type, actor }) => `${type} ${actor}`);
  }

  it('goes from a folder to a version that serves, which nothing noticed until a person said so', async () => {
    await mkdir(join(folder, 'good'));
    for (const path of [...parts.goodPaths, parts.badPath]) {
      await cp(path, join(folder, 'good', basename(path)));
    }
    await putTaughtModel(parts, join(folder, 'models'));
    await deploy({ keepVersions: 0 });
    const before = (await until(({ model }) => model !== undefined)).model?.digest;
    await wizard().fromFolder('good', BY);
    const looking = await until(({ lesson, work }) => lesson?.phase === 'looking' && work === undefined);
    assert.equal(looking.lesson?.collected, 13);
    const { parts: shown, total } = wizard().lessonParts(0) as {
      total: number;
      parts: { id: string; source: string }[];
    };
    assert.equal(total, 13);
    const bad = shown.find(({ source }) => basename(source) === basename(parts.badPath));
    const chosen = (await wizard().choose([bad?.id ?? ''], true, 'ann')) as Lesson;
    assert.equal(chosen.chosen, 12);

    await wizard().teach(BY);
    const { candidate, model } = await until((now) => now.candidate !== undefined && now.work === undefined);
    assert.ok(candidate !== undefined);
    assert.equal(model?.digest, before);
    assert.deepEqual(
      candidate.promises.map(({ needed, missing, gates }) => [needed, missing, gates]),
      [
        [59, 47, []],
        [299, 287, []],
      ],
    );

    await wizard().startShadow({ parts: 2, minutes: 31 * 24 * 60 }, BY);
    await assert.rejects(wizard().startShadow({ parts: 2, minutes: 0 }, BY), { code: 'SHADOW_RUNNING' });
    const calibrations = station.calibrationFor(candidate.digest);
    assert.equal(calibrations, undefined, 'no gate hears of it');
    while (view().shadow?.ended === null) {
      const { inspection } = await scored(parts.good[0]);
      assert.equal(inspection?.anomaly?.model.digest, before);
    }
    const { shadow } = await until((now) => now.shadow?.running === false);
    assert.ok(shadow !== undefined);
    assert.deepEqual([shadow.seen, shadow.ended], [2, 'parts']);
    const { bothAccept, bothReject, onlyServed, onlyCandidate, differing } = shadow;
    assert.equal(bothAccept + bothReject + onlyServed + onlyCandidate, 2);
    assert.equal(differing.length, onlyServed + onlyCandidate);

    await wizard().serve(BY);
    const after = await until((now) => now.model?.version === 2 && now.shadow === undefined);
    assert.deepEqual([after.model?.version, after.model?.digest], [2, candidate.digest]);
    assert.deepEqual([after.candidate, after.lesson, after.shadow], [undefined, undefined, undefined]);
    assert.equal((await scored(parts.good[0])).inspection?.anomaly?.model.digest, candidate.digest);

    await panel().rollback(1, BY);
    await panel().rollback(2, BY);
    const { versions } = (await panel().versions()) as { versions: { version: number }[] };
    assert.deepEqual(
      versions.map(({ version }) => version),
      [4, 3],
    );
    assert.deepEqual(await ledger(), [
      'model.collect ann',
      'model.draft ann',
      'model.shadow ann',
      'model.shadow-end ann',
      'model.serve ann',
      'model.rollback ann',
      'model.prune system',
      'model.rollback ann',
      'model.prune system',
    ]);
  });

  it('collects parts from the line while the version in service judges them, across a restart', async () => {
    await putTaughtModel(parts, join(folder, 'models'));
    await deploy();
    await wizard().fromLine(2, BY);
    const first = await scored(parts.bad[0]);
    assert.ok(first.inspection?.anomaly !== undefined, 'it is judged all the same');
    await until(({ lesson }) => lesson?.collected === 1);
    await unload();
    await station.close();

    await deploy();
    await until(({ work }) => work?.kind === 'collect');
    while (view().lesson?.phase === 'collecting') {
      await scored(parts.good[1]);
      await setTimeout(50);
    }
    const { parts: shown } = wizard().lessonParts(0) as {
      parts: { partId: string; unusual: boolean }[];
    };
    assert.deepEqual([shown.length, shown[0]?.partId], [2, first.inspection.part.id]);
    assert.equal(shown[0]?.unusual, true);
    await assert.rejects(wizard().startShadow({ parts: 1, minutes: 0 }, BY), { code: 'CANDIDATE_MISSING' });
    await wizard().discard(BY);
    assert.deepEqual(
      [view().lesson, await ledger()],
      [undefined, ['model.collect ann', 'model.discard ann']],
    );
  });

  it('without a model lets parts pass unscored while it collects them', async () => {
    await deploy();
    await wizard().fromLine(50, BY);
    const { inspection } = await scored(parts.good[0]);
    assert.equal(inspection?.anomaly, undefined);
    await until(({ lesson }) => lesson?.collected === 1);
    await wizard().enough();
    assert.equal(view().lesson?.phase, 'looking');
    await assert.rejects(wizard().fromFolder('nowhere', BY), { code: 'FOLDER_UNREADABLE' });
  });
});
