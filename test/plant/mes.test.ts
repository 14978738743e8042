import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { QualityEvent } from '../../lib/ticket/event.ts';
import { RestTickets } from '../../lib/ticket/rest.ts';
import { Mes } from '../../plant/mes.ts';

const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3, 4]);
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('the MES', () => {
  let mes: Mes;
  beforeEach(async () => {
    mes = new Mes();
    await mes.open();
  });
  afterEach(() => mes.close());

  const post = (event: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${mes.url}/api/tickets`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(event),
    });
  const get = async (path: string): Promise<Record<string, unknown>> =>
    (await (await fetch(`${mes.url}${path}`)).json()) as Record<string, unknown>;

  it('numbers tickets, keeps what was sent, and finds them by id and by the sender’s key', async () => {
    const created = await post({ externalId: 'part-1', kind: 'defect' });
    assert.equal(created.status, 201);
    assert.equal(created.headers.get('location'), '/api/tickets/NC-00001');
    const body = (await created.json()) as Record<string, unknown>;
    assert.deepEqual([body['id'], body['externalId'], body['kind']], ['NC-00001', 'part-1', 'defect']);
    await post({ externalId: 'part-2' });
    assert.equal((await get('/api/tickets/NC-00001'))['externalId'], 'part-1');
    const found = await get('/api/tickets?externalId=part-2');
    assert.deepEqual([found['count'], (found['tickets'] as { id: string }[])[0]?.id], [1, 'NC-00002']);
    assert.equal((await fetch(`${mes.url}/api/tickets/NC-00009`)).status, 404);
  });

  it('makes one ticket of a repeated key and refuses the key for another body', async () => {
    const first: unknown = await (await post({ externalId: 'a' }, { 'Idempotency-Key': 'k' })).json();
    const again = await post({ externalId: 'a' }, { 'Idempotency-Key': 'k' });
    assert.equal(again.headers.get('idempotency-replayed'), 'true');
    assert.deepEqual(await again.json(), first);
    assert.equal((await post({ externalId: 'b' }, { 'Idempotency-Key': 'k' })).status, 422);
    assert.equal(mes.tickets.length, 1);
  });

  it('makes a second ticket of a repeated key when it is told to ignore keys', async () => {
    mes.faults.honourIdempotencyKey = false;
    await post({ externalId: 'a' }, { 'Idempotency-Key': 'k' });
    assert.equal((await post({ externalId: 'a' }, { 'Idempotency-Key': 'k' })).status, 201);
    assert.equal(mes.tickets.length, 2);
    assert.equal((await get('/api/tickets?externalId=a'))['count'], 2);
  });

  it('has created the ticket whose answer it lost', async () => {
    mes.faults.loseAnswer = true;
    await assert.rejects(post({ externalId: 'a' }, { 'Idempotency-Key': 'k' }));
    assert.equal(mes.tickets.length, 1);
    mes.faults.loseAnswer = false;
    const again = (await (await post({ externalId: 'a' }, { 'Idempotency-Key': 'k' })).json()) as {
      id: string;
    };
    assert.equal(again.id, 'NC-00001');
    assert.equal(mes.tickets.length, 1);
    assert.deepEqual(mes.requests.map(({ idempotencyKey }) => idempotencyKey), ['k', 'k']); // prettier-ignore
  });

  it('answers 503 with Retry-After and creates nothing while it is being serviced', async () => {
    mes.faults.unavailable = true;
    const answer = await post({ externalId: 'a' });
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1']);
    assert.equal(mes.tickets.length, 0);
  });

  it('never answers while it hangs', async () => {
    mes.faults.hang = true;
    const asking = new AbortController();
    const answer = fetch(`${mes.url}/api/tickets`, { method: 'POST', body: '{}', signal: asking.signal });
    const before = mes.requests.length;
    while (mes.requests.length === before) await new Promise((resolve) => setImmediate(resolve));
    asking.abort();
    await assert.rejects(answer, { name: 'AbortError' });
    assert.equal(mes.tickets.length, 0);
  });

  it('takes evidence whose bytes have the stated hash, once', async () => {
    await post({});
    const put = (hash: string): Promise<Response> =>
      fetch(`${mes.url}/api/tickets/NC-00001/evidence/${hash}`, { method: 'PUT', headers: { 'Content-Type': 'image/jpeg' }, body: jpeg }); // prettier-ignore
    assert.equal((await put(sha256(Buffer.from('other')))).status, 422);
    assert.equal(mes.evidence(sha256(jpeg)), undefined);
    assert.equal((await put(sha256(jpeg))).status, 201);
    assert.equal((await put(sha256(jpeg))).status, 200);
    assert.deepEqual(mes.tickets.at(0)?.evidence, [
      { sha256: sha256(jpeg), contentType: 'image/jpeg', byteLength: jpeg.length },
    ]);
    assert.deepEqual(mes.evidence(sha256(jpeg)), jpeg);
    const shown = await fetch(`${mes.url}/api/tickets/NC-00001/evidence/${sha256(jpeg)}`);
    assert.equal(shown.headers.get('content-type'), 'image/jpeg');
    assert.deepEqual(Buffer.from(await shown.arrayBuffer()), jpeg);
  });

  it('takes posted evidence and checks whichever hash header it comes with', async () => {
    await post({});
    const attach = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${mes.url}/api/tickets/NC-00001/evidence`, { method: 'POST', headers, body: jpeg });
    const right = sha256(jpeg);
    const wrong = sha256(Buffer.from('other'));
    const digest = (hash: string): string => `sha-256=:${Buffer.from(hash, 'hex').toString('base64')}:`;
    assert.equal((await attach({ 'X-Content-SHA256': wrong })).status, 422);
    assert.equal((await attach({ 'Content-Digest': digest(wrong) })).status, 422);
    const first = await attach({ 'X-Content-SHA256': right });
    assert.equal(first.status, 201);
    assert.equal(((await first.json()) as { sha256: string }).sha256, right);
    assert.equal((await attach({ 'Content-Digest': digest(right) })).status, 200);
    assert.equal((await attach({})).status, 200);
  });

  it('takes a ticket and its evidence from the station’s own REST client, once', async () => {
    const client = new RestTickets({
      ticketsUrl: new URL(`${mes.url}/api/tickets`),
      authentication: { type: 'none' },
      timeoutMs: 5000,
    });
    const evidence = { role: 'frame', sha256: sha256(jpeg), mediaType: 'image/jpeg' } as const;
    const event: QualityEvent = {
      version: 2,
      type: 'nonconformance',
      id: '01K',
      hierarchyScope: { enterprise: '', site: '', area: '', line: 'press', station: 'press-4' },
      material: { definition: '', lot: '', serial: '' },
      measurements: [],
      equipment: { id: '', station: 'press-4', camera: 'top' },
      part: { id: 'A-000001', sequence: 1 },
      defectClass: 'crack',
      severity: 'major',
      verdict: null,
      model: null,
      evidence: [evidence],
      occurredAt: '2026-11-22T13:05:11.402Z',
    };
    const { signal } = new AbortController();
    try {
      assert.equal(await client.find('01K', signal), undefined);
      assert.equal(await client.create(event, signal), 'NC-00001');
      assert.equal(await client.create(event, signal), 'NC-00001');
      assert.equal(await client.find('01K', signal), 'NC-00001');
      await client.attach('NC-00001', { ...evidence, bytes: jpeg }, signal);
      await client.attach('NC-00001', { ...evidence, bytes: jpeg }, signal);
      await assert.rejects(client.attach('NC-00001', { ...evidence, bytes: Buffer.from('x') }, signal));
    } finally {
      client.close();
    }
    assert.deepEqual(mes.tickets.map((ticket) => ticket.evidence.length), [1]); // prettier-ignore
  });

  it('shows tickets and evidence on a page on which nothing sent can act', async () => {
    const hostile = '<script>alert(1)</script>"\'&';
    await post({ externalId: hostile, note: hostile });
    await fetch(`${mes.url}/api/tickets/NC-00001/evidence/${sha256(Buffer.from(hostile))}`, {
      method: 'PUT',
      headers: { 'Content-Type': 'text/html' },
      body: hostile,
    });
    const page = await fetch(mes.url);
    const html = await page.text();
    assert.match(html, /NC-00001/);
    assert.match(html, /<img alt="evidence" src="\/api\/tickets\/NC-00001\/evidence\/[0-9a-f]{64}">/);
    assert.ok(!html.includes('<script'));
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    const file = await fetch(`${mes.url}/api/tickets/NC-00001/evidence/${sha256(Buffer.from(hostile))}`);
    assert.equal(file.headers.get('content-type'), 'application/octet-stream');
  });

  it('refuses what is not a JSON object', async () => {
    for (const body of ['[]', 'null', '1', '{', '']) {
      const answer = await fetch(`${mes.url}/api/tickets`, { method: 'POST', body });
      assert.equal(answer.status, 400, body);
    }
  });

  it('asks for its token when it has one', async () => {
    const guarded = new Mes({ token: 'secret' });
    await guarded.open();
    try {
      const ask = (headers: Record<string, string>): Promise<Response> =>
        fetch(`${guarded.url}/api/tickets`, { headers });
      assert.equal((await ask({})).status, 401);
      assert.equal((await ask({ Authorization: 'Bearer wrong' })).status, 401);
      assert.equal((await ask({ Authorization: 'Bearer secret' })).status, 200);
    } finally {
      await guarded.close();
    }
  });
});
