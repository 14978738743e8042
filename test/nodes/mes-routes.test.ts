import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signatureOf } from '../../lib/ticket/hook.ts';
import { MesServer } from '../support/mes-server.ts';
import { startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';
import { makeCertificate } from '../support/tls-certificate.ts';

const PERSON = { username: 'ann', password: 'for tests only' };
const SECRET = 'a secret of the plant';

describe('mes-endpoint and mes-ticket in Node-RED', function () {
  this.timeout(120_000);
  let nodeRed: NodeRed;
  let mes: MesServer;
  let folder: string;
  let url: string;
  let flows: FlowNode[];

  async function post(
    path: string,
    body: object,
  ): Promise<{ status: number; said: Record<string, unknown> }> {
    const answer = await nodeRed.request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: answer.status, said: (await answer.json()) as Record<string, unknown> };
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-mes-routes-'));
    mes = new MesServer();
    url = await mes.start();
    nodeRed = await startNodeRed({
      version: '5',
      users: [PERSON],
      settings: { jidokaAllowedHosts: ['127.0.0.1'] },
    });
    await nodeRed.signIn(PERSON.username, PERSON.password);
    const endpoint = {
      type: 'mes-endpoint',
      version: 2,
      dialect: 'template',
      baseUrl: url,
      ticketsPath: 'api/tickets',
      body: "{'externalId': id, 'part': part.id}",
      number: 'body.id',
      findPath: "'api/tickets?externalId=' & id",
      findNumber: 'body.items[0].id',
    };
    flows = [
      { id: 'tab', type: 'tab', label: 'tickets' },
      {
        id: 'station',
        type: 'inspection-station',
        version: 1,
        name: 'Press 4',
        folder: join(folder, 'station'),
      },
      { ...endpoint, id: 'mes', pollMinutes: 0, credentials: { hookSecret: SECRET } },
      { ...endpoint, id: 'endless', pollMinutes: 0, findPath: '($f := function($x) { $f($x + 1) }; $f(0))' },
      { ...endpoint, id: 'elsewhere', pollMinutes: 0, baseUrl: 'http://10.9.8.7' },
      { id: 'part', type: 'function', z: 'tab', x: 100, y: 100, func: 'return msg;', wires: [['ticket']] },
      {
        id: 'ticket',
        type: 'mes-ticket',
        version: 2,
        z: 'tab',
        x: 300,
        y: 100,
        station: 'station',
        endpoint: 'mes',
        defectClass: 'scratch',
        wires: [['acknowledged'], ['failed'], ['changed']],
      },
      ...['acknowledged', 'failed', 'changed'].map((id) => ({
        id,
        type: 'debug',
        z: 'tab',
        x: 500,
        y: 100,
        active: true,
        complete: 'true',
        wires: [],
      })),
    ];
    await nodeRed.deploy(flows);
  });
  after(async () => {
    await nodeRed.stop();
    await mes.stop();
    await rm(folder, { recursive: true, force: true });
  });

  function send(id: string): void {
    const part = {
      id,
      station: 'Press 4',
      sequence: 1,
      capturedAt: '2026-01-02T03:04:05Z',
      deadlineMs: 900,
      startedAt: 0,
    };
    nodeRed.send('part', { inspection: { part, timings: {} } });
  }

  it('tries out an MES without opening a ticket, and shows what came back', async () => {
    const { status, said } = await post('/jidoka/tickets/endpoints/mes/test', {});
    assert.equal(status, 200);
    assert.equal(said['ok'], true);
    const [exchange] = said['exchanges'] as { status: number; method: string }[];
    assert.deepEqual([exchange?.method, exchange?.status], ['GET', 200]);
    assert.equal(mes.tickets.length, 0);
  });

  it('tries out what is typed and not deployed, and says in a word what came of it', async () => {
    const config = { version: 2, dialect: 'rest', baseUrl: url, authentication: 'none', timeoutSeconds: '2' };
    const finding = async (change: object, credentials = {}): Promise<unknown> => {
      const body = { config: { ...config, ...change }, credentials };
      const { said } = await post('/jidoka/tickets/endpoints/not-deployed/test', body);
      return said['finding'];
    };
    assert.equal(await finding({}), 'ok');
    assert.equal(await finding({ baseUrl: nodeRed.url }), 'noLookUp');
    assert.equal(await finding({ baseUrl: 'http://127.0.0.1:1' }), 'refused');
    assert.equal(await finding({ baseUrl: 'http://10.9.8.7' }), 'host');
    assert.equal(await finding({ dialect: 'jira' }), 'settings');
    mes.options = { manner: () => 'forbid' };
    assert.equal(await finding({}), 'signIn');
    mes.options = { manner: () => 'slow' };
    assert.equal(await finding({ timeoutSeconds: '0.1' }), 'timeout');
    mes.options = {};
    assert.equal(mes.tickets.length, 0);
    const kept = { authentication: 'bearer', baseUrl: 'http://127.0.0.1:1' };
    const { said } = await post('/jidoka/tickets/endpoints/mes/test', {
      config: { ...config, ...kept },
      credentials: { token: '__PWRD__' },
    });
    assert.match(String(said['message']), /the secret is known for the deployed address alone/);
  });

  it('tells a certificate nobody trusts from one of the own authority', async () => {
    const certificate = await makeCertificate(folder);
    const server = createServer(certificate, (_request, response) => {
      response.writeHead(200, { server: 'plant-mes/4.2', 'content-type': 'application/json' }).end('[]');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const config = { version: 2, dialect: 'rest', baseUrl: `https://127.0.0.1:${port}`, caFile: '' };
      const asked = async (change: object): Promise<Record<string, unknown>> =>
        (await post('/jidoka/tickets/endpoints/x/test', { config: { ...config, ...change } })).said;
      assert.equal((await asked({}))['finding'], 'tls');
      const trusted = await asked({ caFile: certificate.certFile });
      assert.equal(trusted['finding'], 'ok');
      assert.equal((trusted['exchanges'] as { server: string }[])[0]?.server, 'plant-mes/4.2');
    } finally {
      server.close();
    }
  });

  it('opens a test ticket only where it is asked for, and says in it that it is one', async () => {
    const config = { version: 2, dialect: 'rest', baseUrl: url };
    const { said } = await post('/jidoka/tickets/endpoints/mes/test-ticket', { config });
    assert.deepEqual([said['finding'], typeof said['ticketId']], ['ticket', 'string']);
    const [ticket] = mes.tickets.splice(0);
    assert.match(ticket?.externalId ?? '', /^test-/);
  });

  it('gives up on an expression that never ends', async () => {
    const { said } = await post('/jidoka/tickets/endpoints/endless/test', {});
    assert.deepEqual([said['ok'], said['code']], [false, 'MES_TEMPLATE_FAILED']);
  });

  it('sends nothing to a host that is not listed', async () => {
    const { status, said } = await post('/jidoka/tickets/endpoints/elsewhere/test', {});
    assert.equal(status, 200);
    assert.deepEqual([said['ok'], said['code']], [false, 'MES_HOST_FORBIDDEN']);
  });

  it('shows what was set aside and takes it up again when a person says so', async () => {
    mes.options = { manner: ({ method }) => (method === 'POST' ? 'reject' : 'good') };
    send('part-1');
    await nodeRed.nextMessage('failed');
    const listed = await nodeRed.request('/jidoka/tickets/station?state=dead');
    const [dead] = (await listed.json()) as { key: string; partId: string; error: { code: string } }[];
    assert.deepEqual([dead?.partId, dead?.error.code], ['part-1', 'MES_REJECTED']);
    mes.options = {};
    const path = `/jidoka/tickets/station/${dead?.key}/requeue`;
    assert.equal((await post(path, {})).status, 400, 'not without a reason');
    const acknowledged = nodeRed.nextMessage('acknowledged');
    assert.equal((await post(path, { reason: 'the class exists now' })).status, 200);
    await acknowledged;
    assert.equal(mes.tickets.length, 1);
    assert.equal((await post(path, { reason: 'once more' })).status, 409, 'it is no longer set aside');
  });

  it('lets nobody in who is not signed in, and lists nothing for a state there is not', async () => {
    const anonymous = await fetch(`${nodeRed.url}/jidoka/tickets/station`);
    assert.equal(anonymous.status, 401);
    assert.equal((await nodeRed.request('/jidoka/tickets/station?state=lost')).status, 400);
  });

  it('hears from the MES what has become of a ticket, when the message is signed', async () => {
    const body = JSON.stringify({
      externalId: mes.tickets[0]?.externalId,
      state: 'closed',
      status: 'Scrapped',
    });
    const timestamp = String(Math.floor(Date.now() / 1000));
    const knock = (signature: string): Promise<Response> =>
      fetch(`${nodeRed.url}/jidoka/tickets/hook/mes`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'x-jidoka-timestamp': timestamp,
          'x-jidoka-signature': signature,
        },
        body,
      });
    assert.equal((await knock('sha256=00')).status, 403);
    const changed = nodeRed.nextMessage('changed');
    const heard = await knock(signatureOf(SECRET, timestamp, body));
    assert.deepEqual([heard.status, await heard.json()], [200, { changed: true }]);
    await changed;
    assert.equal((await knock(signatureOf(SECRET, timestamp, body))).status, 403, 'the same message again');
  });

  it('puts everything back at once, and says for whom tickets wait', async () => {
    mes.options = { manner: ({ method }) => (method === 'POST' ? 'reject' : 'good') };
    for (const id of ['all-1', 'all-2']) {
      send(id);
      await nodeRed.nextMessage('failed');
    }
    const waiting = async (): Promise<unknown[]> =>
      (await (await nodeRed.request('/jidoka/tickets/station/undelivered')).json()) as unknown[];
    const before = mes.tickets.length;
    const address = { address: 'mes:mes:', endpoint: 'mes', served: true };
    assert.deepEqual(await waiting(), [{ ...address, waiting: 0, dead: 2 }]);
    const reason = 'they know the class now';
    const aside = await post('/jidoka/tickets/station/aside', { reason, from: 'mes' });
    assert.equal(aside.status, 400, 'not while its endpoint is in the flow');
    mes.options = {};
    assert.deepEqual((await post('/jidoka/tickets/station/requeue', { reason })).said, { requeued: 2 });
    while ((await waiting()).length > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(mes.tickets.length, before + 2);
  });

  it('hands over or sets aside what waits for an MES that has left the flow', async () => {
    const wired = (endpoint: string): FlowNode[] =>
      flows
        .filter(({ id }) => id !== 'mes' || endpoint === 'mes')
        .map((node) => (node.id === 'ticket' ? { ...node, endpoint } : node));
    const other = { ...flows.find(({ id }) => id === 'mes'), id: 'other' } as FlowNode;
    const waiting = async (): Promise<
      { endpoint: string; waiting: number; dead: number; served: boolean }[]
    > => (await (await nodeRed.request('/jidoka/tickets/station/undelivered')).json()) as never;
    const waits = async (count: number): Promise<void> => {
      while ((await waiting())[0]?.waiting !== count) await new Promise((resolve) => setImmediate(resolve));
    };
    const reason = 'the old MES was taken down';
    const before = mes.tickets.length;
    for (const [index, act] of ['handover', 'aside'].entries()) {
      await nodeRed.deploy(flows);
      mes.options = { manner: () => 'busy' };
      for (const id of [`${act}-1`, `${act}-2`]) send(id);
      await waits(2);
      await nodeRed.deploy([...wired('other'), other]);
      const [stranded] = await waiting();
      assert.deepEqual([stranded?.endpoint, stranded?.waiting, stranded?.served], ['mes', 2, false]);
      if (index === 0) {
        const unserved = { reason, from: 'mes', to: 'elsewhere' };
        assert.equal((await post('/jidoka/tickets/station/handover', unserved)).status, 400);
        mes.options = {};
        const { said } = await post('/jidoka/tickets/station/handover', { reason, from: 'mes', to: 'other' });
        assert.deepEqual(said, { handedOver: 2 });
        while ((await waiting()).length > 0) await new Promise((resolve) => setImmediate(resolve));
        assert.equal(mes.tickets.length, before + 2);
      } else {
        mes.options = {};
        const { said } = await post('/jidoka/tickets/station/aside', { reason, from: 'mes' });
        assert.deepEqual(said, { setAside: 2 });
        const [left] = await waiting();
        assert.deepEqual([left?.endpoint, left?.waiting, left?.dead], ['mes', 0, 2]);
      }
    }
    assert.equal(mes.tickets.length, before + 2, 'what was set aside is not sent');
    const ledger = (await (
      await nodeRed.request('/jidoka/stations/station/ledger?limit=50')
    ).json()) as object;
    assert.ok(JSON.stringify(ledger).includes(reason));
  });
});
