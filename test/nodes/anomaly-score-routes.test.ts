/** The admin routes of anomaly-score: who may see and change what, and which requests are refused. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';

const PATH = '/jidoka/anomaly/score';
const BECAUSE = { reason: 'to see what happens' };
const PART = 'a'.repeat(64);

type Answer = Record<string, unknown>;

describe('the routes of anomaly-score', function () {
  this.timeout(60_000);
  let folder: string;
  let nodeRed: NodeRed;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-anomaly-routes-'));
    nodeRed = await startNodeRed({
      version: '5',
      users: [
        { username: 'engineer', password: 'e', permissions: '*' },
        { username: 'teacher', password: 't', permissions: 'model.teach' },
        { username: 'reader', password: 'r', permissions: 'model.read' },
        { username: 'writer', password: 'w', permissions: 'flows.write' },
      ],
    });
    await nodeRed.signIn('engineer', 'e');
    const score = { type: 'anomaly-score', z: 'tab', x: 0, y: 0, version: 2, looks: 'pictures' };
    await nodeRed.deploy([
      { id: 'tab', type: 'tab' },
      { id: 'station', type: 'inspection-station', version: 1, name: 'press 4', folder },
      { ...score, id: 'score', station: 'station', model: 'top', teaching: 'none', wires: [[], []] },
    ]);
    await nodeRed.waitForStatus('score', ({ fill }) => fill === 'red');
  });
  after(async () => {
    await nodeRed.stop();
    await rm(folder, { recursive: true });
  });
  beforeEach(() => nodeRed.signIn('engineer', 'e'));

  async function ask(path: string, body?: unknown): Promise<{ status: number; answer: Answer }> {
    const sent = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    };
    const response = await nodeRed.request(`${PATH}/${path}`, body === undefined ? {} : sent);
    return { status: response.status, answer: (await response.json().catch(() => ({}))) as Answer };
  }

  async function statusOf(path: string, body?: unknown): Promise<number> {
    return (await ask(path, body)).status;
  }

  const READS = ['state', 'versions', 'parts', `parts/${PART}/picture`, 'recent/p1/frame'];
  const CHANGES: readonly (readonly [string, Answer])[] = [
    ['teach', BECAUSE],
    ['cancel', BECAUSE],
    ['learn', BECAUSE],
    ['dismiss', { ...BECAUSE, parts: ['p1'] }],
    ['unteach', { ...BECAUSE, parts: [PART] }],
    ['rollback', { ...BECAUSE, version: 1 }],
    ['check', { folder: 'nowhere' }],
  ];

  it('let nobody read or change anything without the permission for it', async () => {
    await nodeRed.signIn('writer', 'w', 'flows.write');
    for (const path of READS) assert.equal(await statusOf(path), 401, path);
    assert.equal(await statusOf('cost', { tiles: false }), 401);
    await nodeRed.signIn('reader', 'r', 'model.read');
    for (const [path, body] of CHANGES) assert.equal(await statusOf(path, body), 401, path);
  });

  it('let those read who may, and say that there is no such part', async () => {
    await nodeRed.signIn('reader', 'r', 'model.read');
    const { status, answer } = await ask('state');
    assert.deepEqual([status, answer['deployed'], answer['model']], [200, true, undefined]);
    assert.deepEqual((await ask('versions')).answer, { versions: [], serving: null });
    assert.deepEqual((await ask('parts')).answer, { total: 0, parts: [] });
    assert.equal(await statusOf(`parts/${PART}/enormous`), 404);
    assert.equal((await ask('recent/p1/frame')).answer['code'], 'NOT_FOUND');
    assert.equal((await ask(`parts/${PART}/picture`)).answer['code'], 'PART_MISSING');
  });

  it('say what scoring will take, and what is wrong with the sizes', async () => {
    await nodeRed.signIn('reader', 'r', 'model.read');
    const whole = (await ask('cost', { tiles: false, resolution: '224' })).answer;
    assert.deepEqual([whole['width'], whole['height'], whole['tiles']], [224, 224, 1]);
    const sizes = { tileWidth: '896', tileHeight: '448', tileSide: '448', tileOverlap: '64' };
    const tiled = (await ask('cost', { tiles: true, ...sizes })).answer;
    assert.deepEqual([tiled['width'], tiled['height'], tiled['tiles']], [896, 448, 3]);
    assert.ok((tiled['ms'] as number) > 8 * (whole['ms'] as number));
    const wrong = await ask('cost', { tiles: true, tileSide: '7' });
    assert.deepEqual([wrong.status, wrong.answer['code']], [400, 'CONFIG_INVALID']);
    assert.match(String(wrong.answer['message']), /tileSide/);
  });

  it('refuse bodies that say less or more than they must', async () => {
    for (const [path, body] of CHANGES) {
      const [first = ''] = Object.keys(body);
      const less = Object.fromEntries(Object.entries(body).filter(([name]) => name !== first));
      assert.equal(await statusOf(path, less), 400, `${path} without ${first}`);
      assert.equal(await statusOf(path, { ...body, actor: 'bob' }), 400, `${path} with an actor`);
    }
    assert.equal(await statusOf('unteach', { ...BECAUSE, parts: ['../../x'] }), 400);
    assert.equal(await statusOf('rollback', { ...BECAUSE, version: 0 }), 400);
    assert.equal(await statusOf('cost', { tiles: false, extra: 1 }), 400);
  });

  it('act for a person who may teach: what cannot be done is said with its code', async () => {
    await nodeRed.signIn('teacher', 't', 'model.teach');
    assert.equal((await ask('learn', BECAUSE)).answer['code'], 'LEARN_NOTHING');
    const back = await ask('rollback', { ...BECAUSE, version: 7 });
    assert.ok(back.status >= 400 && typeof back.answer['code'] === 'string', JSON.stringify(back));
    assert.equal(await statusOf('cancel', BECAUSE), 200);
  });

  it('know no node that is not deployed', async () => {
    const at = (path: string): Promise<Response> => nodeRed.request(`/jidoka/anomaly/none/${path}`);
    assert.deepEqual(await (await at('state')).json(), { deployed: false });
    assert.equal((await at('versions')).status, 404);
  });
});
