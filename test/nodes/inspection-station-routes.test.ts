/** Who may ask what of a station, in a real Node-RED with real sign-ins, and what it takes no notice of. */
import assert from 'node:assert/strict';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';

const PASSWORD = 'stamping-line-2';
const reason = 'shift start';
const PERMISSIONS = [
  'jidoka.read',
  'jidoka.audit',
  'plc.arm',
  'plc.approve',
  'plc.disarm',
  'plc.reset',
  'plc.command',
  'gate.tolerance',
  'gate.label',
] as const;
type Permission = (typeof PERMISSIONS)[number];

interface Route {
  method: 'GET' | 'POST';
  path: string;
  needs: Permission[];
  body?: Record<string, unknown>;
}

const get = (path: string, needs: Permission = 'jidoka.read'): Route => ({
  method: 'GET',
  path,
  needs: [needs],
});
const post = (path: string, needs: Permission[], body: Record<string, unknown> = {}): Route => ({
  method: 'POST',
  path: `/press/${path}`,
  needs,
  body: { reason, ...body },
});

const ROUTES: Route[] = [
  get(''),
  get('/press'),
  get('/press/parts'),
  get('/press/ledger', 'jidoka.audit'),
  get('/press/commands'),
  get('/press/commands/c1'),
  post('arm', ['plc.arm'], { leaseMs: 60_000 }),
  post('arm/approve', ['plc.approve']),
  post('arm/withdraw', ['plc.arm']),
  post('disarm', ['plc.disarm']),
  post('trip', ['plc.disarm']),
  post('reset', ['plc.reset']),
  post('release', ['plc.arm', 'plc.reset']),
  post('tolerance', ['gate.tolerance'], { threshold: 3 }),
  post('gates/g1/settings', ['gate.tolerance'], { alphaPercent: 4 }),
  post('parts/p1/label', ['gate.label'], { truth: 'good' }),
  post('commands', ['plc.command'], { target: 'gate', value: true }),
  post('commands/c1/confirm', ['plc.approve']),
];

const STATION = {
  id: 'press',
  type: 'inspection-station',
  name: 'Press 4',
  line: 'L2',
  folder: '',
  deadlineMs: 900,
  autonomy: 'act',
  arming: 'dual',
  leaseHours: 8,
  version: 1,
};

describe('the routes of a station', function () {
  this.timeout(180_000);
  let nodeRed: NodeRed;
  let url: string;
  const tokens = new Map<string, string>();

  const users = [
    { username: 'reader', permissions: ['read'] },
    { username: 'writer', permissions: ['read', 'write'] },
    { username: 'everything', permissions: ['*'] },
    { username: 'anna', permissions: ['jidoka.read', 'plc.arm', 'plc.approve', 'plc.reset'] },
    ...PERMISSIONS.map((permission) => ({ username: permission, permissions: [permission] })),
  ].map((user) => ({ ...user, password: PASSWORD }));

  before(async () => {
    nodeRed = await startNodeRed({ version: '5', users, flows: [STATION] });
    ({ url } = nodeRed);
    for (const { username } of users) tokens.set(username, await nodeRed.signIn(username, PASSWORD, ''));
  });
  after(() => nodeRed.stop());

  function send(
    { method, path, body }: Route,
    username: string,
    raw?: { body: string; type?: string },
    headers: Record<string, string> = { 'idempotency-key': 'k-1' },
  ): Promise<Response> {
    const token = tokens.get(username);
    return fetch(new URL(`/jidoka/stations${path}`, url), {
      method,
      headers: {
        ...headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(method === 'GET' ? {} : { 'content-type': raw?.type ?? 'application/json' }),
      },
      ...(method === 'GET' ? {} : { body: raw?.body ?? JSON.stringify(body) }),
    });
  }

  const codeOf = async (response: Response): Promise<unknown> =>
    ((await response.json()) as { code?: unknown }).code;
  const state = async (): Promise<unknown> =>
    ((await (await send(get('/press'), 'everything')).json()) as { arming: { state: unknown } }).arming.state;

  function mayUse({ needs }: Route, username: string): boolean {
    const granted = users.find((user) => user.username === username)?.permissions ?? [];
    return needs.every((need) =>
      granted.some((one) => one === '*' || one === need || (one === 'read' && need === 'jidoka.read')),
    );
  }

  for (const route of ROUTES) {
    const name = `${route.method} ${route.path || '/'}`;
    it(`lets those with ${route.needs.join(' and ')} use ${name}, and nobody else`, async () => {
      for (const username of ['nobody', ...users.map((user) => user.username)]) {
        const answer = await send(route, username);
        const { status } = answer;
        if (!mayUse(route, username)) assert.equal(status, 401, `${username} on ${name}`);
        else if (status === 403) assert.equal(await codeOf(answer), 'SAME_PERSON', username);
        else assert.ok(status !== 401 && status < 500, `${username}: ${status}`);
      }
    });
  }

  it('changes nothing by what is asked with GET', async () => {
    const ledger = async (): Promise<string> =>
      (await send(get('/press/ledger', 'jidoka.audit'), 'everything')).text();
    const before = await ledger();
    for (const route of ROUTES) await send({ ...route, method: 'GET' }, 'everything');
    assert.equal(await ledger(), before);
  });

  it('refuses keys it does not know, prototypes among them, what is not JSON, and what is too large', async () => {
    for (const route of ROUTES.filter(({ method }) => method === 'POST')) {
      const known = JSON.stringify(route.body).slice(1);
      const bodies: [number, { body: string; type?: string }][] = [
        [400, { body: `{"actor":"eve",${known}` }],
        [400, { body: `{"__proto__":{"reason":"mine"},${known}` }],
        [400, { body: `{"constructor":{"prototype":{}},${known}` }],
        [400, { body: JSON.stringify({ ...route.body, reason: 'ok' }) }],
        [413, { body: JSON.stringify({ ...route.body, reason: 'x'.repeat(70_000) }) }],
        [415, { body: 'reason=shift+start', type: 'application/x-www-form-urlencoded' }],
      ];
      for (const [status, body] of bodies) {
        const answer = await send(route, 'everything', body);
        assert.equal(answer.status, status, `${route.path} ${body.body.slice(0, 40)}`);
      }
    }
  });

  it('is armed by two persons and not by one who asks twice', async () => {
    await send(post('disarm', []), 'everything');
    const arm = post('arm', [], { leaseMs: 60_000 });
    const asked = await send(arm, 'anna');
    assert.deepEqual([asked.status, await state()], [200, 'ARMING']);
    const twice = await send(post('arm/approve', []), 'anna');
    assert.deepEqual([twice.status, await codeOf(twice), await state()], [403, 'SAME_PERSON', 'ARMING']);
    const agreed = await send(post('arm/approve', []), 'plc.approve');
    const arming = (await agreed.json()) as Record<string, unknown>;
    assert.deepEqual(
      [agreed.status, arming['state'], arming['actor'], arming['approvedBy']],
      [200, 'ARMED', 'anna', 'plc.approve'],
    );
    await send(post('disarm', []), 'everything');
    assert.equal(await state(), 'DISARMED');
    await send(arm, 'anna');
    await send(post('arm/withdraw', []), 'anna');
    assert.equal((await send(post('arm/approve', []), 'plc.approve')).status, 404);
  });

  it('takes no lease above a shift, and no arming without a reason', async () => {
    const long = await send(post('arm', [], { leaseMs: 8 * 60 * 60 * 1000 + 1 }), 'anna');
    assert.deepEqual([long.status, await codeOf(long)], [409, 'ARM_REFUSED']);
    assert.equal((await send({ ...post('arm', []), body: {} }, 'anna')).status, 400);
    assert.equal(await state(), 'DISARMED');
  });

  it('asks for an idempotency key, and for an output that is there', async () => {
    const command = post('commands', [], { target: 'gate', value: true });
    const keyless = await send(command, 'plc.command', undefined, {});
    assert.deepEqual([keyless.status, await codeOf(keyless)], [400, 'IDEMPOTENCY_KEY_INVALID']);
    const nowhere = await send(command, 'plc.command');
    assert.deepEqual([nowhere.status, await codeOf(nowhere)], [404, 'NOT_FOUND']);
  });

  describe('without adminAuth', () => {
    let open: NodeRed;
    before(async () => {
      open = await startNodeRed({ version: '5', flows: [STATION] });
      ({ url } = open);
    });
    after(async () => {
      ({ url } = nodeRed);
      await open.stop();
    });

    it('are for looking only', async () => {
      for (const route of ROUTES) {
        const answer = await send(route, 'nobody');
        if (route.method === 'GET')
          assert.ok([200, 404].includes(answer.status), `${route.path}: ${answer.status}`);
        else assert.deepEqual([answer.status, await codeOf(answer)], [403, 'SIGN_IN_REQUIRED'], route.path);
      }
      assert.equal(await state(), 'DISARMED');
    });
  });
});
