import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openInspection } from '../../../lib/inspection/inspection.ts';
import { qualityEvent } from '../../../lib/ticket/event.ts';
import { mesUrl } from '../../../lib/ticket/exchange.ts';
import { retryAfterMs, type Authentication } from '../../../lib/ticket/http.ts';
import { RestTickets } from '../../../lib/ticket/rest.ts';

const event = qualityEvent({
  key: 'key-1',
  inspection: openInspection({ station: 'press 4', sequence: 1, deadlineMs: 900, id: 'part-1' }),
  line: 'line 1',
  station: 'press 4',
  defectClass: 'scratch',
  severity: 'major',
  evidence: [],
});

describe('the address of an MES', () => {
  it('is http or https, joined with its path', () => {
    assert.equal(
      mesUrl('https://mes.plant.local/', '/api/tickets').href,
      'https://mes.plant.local/api/tickets',
    );
    for (const wrong of ['', 'mes.plant.local', 'ftp://mes.plant.local', 'file:///etc/passwd']) {
      assert.throws(() => mesUrl(wrong), { code: 'MES_URL_INVALID' });
    }
    assert.throws(() => mesUrl('http://user:secret@mes.plant.local'), { code: 'MES_URL_INVALID' });
  });

  it('is no link-local or metadata address, however it is spelled', () => {
    const forbidden = [
      'http://169.254.169.254',
      'http://[fe80::1]',
      'http://[::ffff:169.254.169.254]',
      'http://0xa9fea9fe',
      'http://2852039166',
      'http://[fd00:ec2::254]',
    ];
    for (const address of forbidden) {
      assert.throws(() => mesUrl(address, '/latest'), { code: 'MES_HOST_FORBIDDEN' }, address);
    }
    assert.ok(mesUrl('http://10.0.0.7:8080'));
    assert.ok(mesUrl('http://127.0.0.1:8080'));
  });
});

describe('tickets over REST', () => {
  let server: Server | undefined;
  const clients: RestTickets[] = [];
  const never = new AbortController().signal;

  async function client(
    answer: RequestListener,
    authentication: Authentication = { type: 'none' },
    timeoutMs = 2000,
  ) {
    server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const ticketsUrl = new URL(`http://127.0.0.1:${port}/api/tickets`);
    const tickets = new RestTickets({ ticketsUrl, authentication, timeoutMs });
    clients.push(tickets);
    return tickets;
  }

  afterEach(() => {
    for (const tickets of clients.splice(0)) tickets.close();
    server?.closeAllConnections();
    server?.close();
  });

  it('sends who it is', async () => {
    const seen: (string | undefined)[] = [];
    const answer: RequestListener = (request, response) => {
      seen.push(request.headers.authorization);
      response.end('{"id":7}');
    };
    const bearer = await client(answer, { type: 'bearer', token: 'abc' });
    assert.equal(await bearer.create(event, never), '7');
    server?.close();
    const basic = await client(answer, { type: 'basic', user: 'jidoka', password: 'päss' });
    await basic.create(event, never);
    assert.deepEqual(seen, ['Bearer abc', `Basic ${Buffer.from('jidoka:päss').toString('base64')}`]);
  });

  it('tells what may pass from what will not', async () => {
    let status = 0;
    const tickets = await client((_request, response) => response.writeHead(status).end());
    for (status of [408, 425, 429, 500, 503]) {
      await assert.rejects(tickets.create(event, never), { code: 'MES_BUSY', passing: true }, String(status));
    }
    for (status of [401, 403]) {
      await assert.rejects(tickets.create(event, never), { code: 'MES_AUTH', passing: true }, String(status));
    }
    for (status of [301, 400, 404, 422]) {
      await assert.rejects(
        tickets.create(event, never),
        { code: 'MES_REJECTED', passing: false },
        String(status),
      );
    }
  });

  it('reads the wait an MES asks for, in seconds and as a date', () => {
    const now = Date.UTC(2026, 10, 22, 12, 0, 0);
    assert.equal(retryAfterMs('7', now), 7000);
    assert.equal(retryAfterMs('Sun, 22 Nov 2026 12:00:30 GMT', now), 30_000);
    assert.equal(retryAfterMs('Sun, 22 Nov 2020 12:00:30 GMT', now), 0);
    assert.equal(retryAfterMs('soon', now), 0);
    assert.equal(retryAfterMs('99999999', now), 3_600_000);
  });

  it('gives up on an MES that does not answer, and on one that never stops', async () => {
    const silent = await client(() => undefined, { type: 'none' }, 50);
    await assert.rejects(silent.create(event, never), { code: 'MES_TIMEOUT' });
    server?.closeAllConnections();
    server?.close();
    const endless = await client((_request, response) => {
      response.on('error', () => undefined);
      const more = (): boolean => response.write(Buffer.alloc(65_536, 'x'));
      response.on('drain', () => setImmediate(more));
      while (more());
    });
    await assert.rejects(endless.create(event, never), { code: 'MES_BAD_ANSWER' });
  });

  it('says that nobody is there', async () => {
    const tickets = await client(() => undefined);
    server?.close();
    await assert.rejects(tickets.create(event, never), { code: 'MES_UNREACHABLE', passing: true });
  });

  it('follows no name to a forbidden address', async () => {
    for (const address of ['169.254.169.254', '::ffff:169.254.169.254', 'fe80::1']) {
      const tickets = new RestTickets({
        ticketsUrl: new URL('http://mes.plant.local:9/api/tickets'),
        authentication: { type: 'none' },
        timeoutMs: 2000,
        resolve: (_hostname, _options, callback) =>
          callback(null, [
            { address: '127.0.0.1', family: 4 },
            { address, family: address.includes(':') ? 6 : 4 },
          ]),
      });
      clients.push(tickets);
      await assert.rejects(tickets.create(event, never), { code: 'MES_HOST_FORBIDDEN' }, address);
    }
  });

  it('takes only the ticket with its own external id from a look-up', async () => {
    let answer: unknown;
    const tickets = await client((_request, response) => response.end(JSON.stringify(answer)));
    for (const shape of [
      (list: unknown) => list,
      (items: unknown) => ({ items }),
      (data: unknown) => ({ data }),
    ]) {
      answer = shape([
        { id: 1, externalId: 'other' },
        { id: 2, externalId: 'key-1' },
      ]);
      assert.equal(await tickets.find('key-1', never), '2');
      answer = shape([{ id: 1, externalId: 'other' }]);
      assert.equal(await tickets.find('key-1', never), undefined);
    }
  });

  it('takes the earlier ticket when the MES says that the key was used', async () => {
    const tickets = await client((request, response) => {
      if (request.method === 'POST') response.writeHead(409).end();
      else response.end('[{"id":"NC-3","externalId":"key-1"}]');
    });
    assert.equal(await tickets.create(event, never), 'NC-3');
  });

  it('takes the number from the Location of a ticket that was answered without a body', async () => {
    const tickets = await client((_request, response) =>
      response.writeHead(201, { location: '/api/tickets/NC-9/' }).end(),
    );
    assert.equal(await tickets.create(event, never), 'NC-9');
  });
});
