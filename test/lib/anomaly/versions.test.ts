import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '../../../lib/anomaly/backbone.ts';
import type { Finding } from '../../../lib/anomaly/findings.ts';
import { manifestOf } from '../../../lib/anomaly/manifest-of.ts';
import { latestModel, type AnomalyModel, type Change } from '../../../lib/anomaly/model.ts';
import type { Taught } from '../../../lib/anomaly/teach-protocol.ts';
import { newDraftPath, publish } from '../../../lib/anomaly/versions.ts';

const GRAPH = Buffer.from('a graph');
const DIGEST = sha256(GRAPH);
const idOf = (part: number): string => sha256(Buffer.from(`${part}`)).slice('sha256:'.length);
const PARTS = Array.from({ length: 12 }, (_, part) => idOf(part));

function taught(changes: Partial<Taught> = {}): Taught {
  return {
    digest: DIGEST,
    method: 'patch-nn',
    why: 'It was asked for.',
    candidates: [],
    input: { width: 224, height: 224, colour: 'rgb', fit: 'stretch' },
    backbone: { digest: DIGEST, name: 'jidoka' },
    bankSize: 1,
    parts: PARTS,
    memorised: 12,
    learned: [],
    scores: PARTS.map((_, part) => part),
    defects: [],
    defectScores: [],
    embedding: { mean: [0], deviation: [1] },
    files: {},
    skipped: 0,
    findings: [],
    ...changes,
  };
}

describe('publishing a version', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-versions-'));
    await published(taught());
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function published(from: Taught, graph = GRAPH): Promise<AnomalyModel> {
    const draft = newDraftPath(folder, 'cubes');
    await mkdir(draft, { recursive: true });
    await writeFile(join(draft, 'model.onnx'), graph);
    const change: Change = { kind: 'teach', parts: [], actor: 'erika', reason: '' };
    const lineage = { name: 'cubes', parent: null, change };
    return publish(draft, folder, 'cubes', manifestOf(from, { seed: 1, coresetSize: 100 }, lineage));
  }

  for (const [what, changes, graph] of [
    ['a score that is no number', { defects: [idOf(99)], defectScores: [NaN] }],
    ['scores of other parts', { scores: [1, 2] }],
    ['learned parts it does not have', { learned: [idOf(99)] }],
    ['a graph that is not the one it names', {}, Buffer.from('another')],
  ] as const satisfies readonly (readonly [string, object, Buffer?])[]) {
    it(`refuses one with ${what}, and the one before goes on serving`, async () => {
      await assert.rejects(
        published(taught(changes as Partial<Taught>), graph),
        /MODEL_|cannot be used|is not the graph/,
      );
      assert.deepEqual(await readdir(join(folder, 'cubes')), ['1']);
      assert.equal((await latestModel(folder, 'cubes'))?.version, 1);
    });
  }

  it('keeps the first thousand findings of more', async () => {
    const finding: Finding = { kind: 'blurred', part: idOf(1), source: 'a.png', leftOut: false };
    const model = await published(taught({ findings: new Array<Finding>(1500).fill(finding) }));
    assert.equal(model.findings.length, 1000);
    assert.deepEqual(await latestModel(folder, 'cubes'), model);
  });

  it('calibrates with all parts but those learned from corrections', async () => {
    const model = await published(taught({ learned: [PARTS[11] as string] }));
    assert.deepEqual(model.goodScores, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});
