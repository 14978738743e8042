import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../../lib/statistics/random.ts';
import { openInspection, type Inspection } from '../../../lib/inspection/inspection.ts';
import { openJournal } from '../../../lib/journal/journal.ts';
import { JournalError } from '../../../lib/journal/journal-error.ts';
import type { Journal, OutboxDelivery } from '../../../lib/journal/types.ts';
import type { TicketClient } from '../../../lib/ticket/client.ts';
import { Breaker } from '../../../lib/ticket/breaker.ts';
import { Delivery, type DeliveryState } from '../../../lib/ticket/delivery.ts';
import type { TicketBody, TicketChange, TicketOutcome } from '../../../lib/ticket/outcome.ts';
import { Follower } from '../../../lib/ticket/follower.ts';
import { TicketError } from '../../../lib/ticket/ticket-error.ts';
import { qualityEvent } from '../../../lib/ticket/event.ts';
import { RestTickets } from '../../../lib/ticket/rest.ts';
import { MesServer, type Manner } from '../../support/mes-server.ts';

const NODE = 'ticket-node';
const PREFIX = 'mes:endpoint:';
const EVENTS = 300;

function bodyOf(number: number, sha256?: string): TicketBody {
  const inspection = openInspection({
    station: 'press 4',
    sequence: number,
    deadlineMs: 900,
    id: `part-${number}`,
  });
  const event = qualityEvent({
    key: `key-${number}`,
    inspection,
    line: 'line 1',
    station: 'press 4',
    defectClass: 'scratch',
    severity: 'major',
    evidence: sha256 === undefined ? [] : [{ role: 'frame', sha256, mediaType: 'image/jpeg' }],
  });
  return { node: NODE, event, inspection };
}

describe('the delivery of tickets', () => {
  let folder: string;
  let journal: Journal;
  let server: MesServer;
  let url: string;
  const running = new Set<Delivery>();

  function client(timeoutMs = 2000): TicketClient {
    return new RestTickets({
      ticketsUrl: new URL(`${url}/api/tickets`),
      authentication: { type: 'none' },
      timeoutMs,
    });
  }

  /** Retries at once: full jitter between nothing and the bound, at its lower end. */
  function deliver(tickets: TicketClient = client(), random = () => 0): Delivery {
    const delivery = new Delivery({ journal, streamPrefix: PREFIX, tickets, random });
    running.add(delivery);
    return delivery;
  }

  async function accept(delivery: Delivery, number: number, bytes?: Buffer, stream = `part:${number}`) {
    const sha256 = bytes === undefined ? undefined : createHash('sha256').update(bytes).digest('hex');
    return delivery.accept({
      key: `key-${number}`,
      stream,
      partId: `part-${number}`,
      body: bodyOf(number, sha256),
      ...(bytes === undefined ? {} : { attachment: { bytes, mediaType: 'image/jpeg' } }),
    });
  }

  /** Resolves when so many outcomes have come. */
  function outcomes(delivery: Delivery, count: number): Promise<TicketOutcome[]> {
    return new Promise((resolve) => {
      const collected: TicketOutcome[] = [];
      delivery.join(NODE, {
        outcome: (outcome) => {
          collected.push(outcome);
          if (collected.length === count) resolve(collected);
        },
        state: () => undefined,
      });
    });
  }

  async function close(delivery: Delivery): Promise<void> {
    running.delete(delivery);
    await delivery.close();
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-ticket-'));
    journal = await openJournal({ folder, ballastBytes: 4096 });
    server = new MesServer();
    url = await server.start();
  });
  afterEach(async () => {
    await Promise.all([...running].map(close));
    await server.stop();
    await journal.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('opens the ticket, then adds the evidence, and puts both on the part’s record', async () => {
    const delivery = deliver();
    const done = outcomes(delivery, 1);
    const picture = Buffer.from('a picture');
    await accept(delivery, 1, picture);
    const [outcome] = await done;
    assert.equal(outcome?.ticketId, 'NC-00001');
    assert.deepEqual(
      server.requests.map(({ method, path }) => `${method} ${path}`),
      ['POST ', 'PUT /NC-00001/evidence'],
    );
    assert.deepEqual([...(server.tickets[0]?.evidence.values() ?? [])], [picture]);
    assert.equal(server.requests[0]?.headers['idempotency-key'], 'key-1');
    const [record] = await journal.parts();
    assert.deepEqual(record?.inspection.ticket, { id: 'NC-00001', state: 'acknowledged', key: 'key-1' });
    assert.deepEqual((await journal.counts()).outbox, { waiting: 0, delivered: 1, dead: 0 });
  });

  it('leaves a part that was inspected again as it is when the ticket of the earlier inspection comes through', async () => {
    const delivery = deliver();
    const done = outcomes(delivery, 1);
    const again = openInspection({ station: 'press 4', sequence: 9, deadlineMs: 900, id: 'part-1' });
    await journal.recordPart(again);
    await accept(delivery, 1);
    await done;
    const [record] = await journal.parts();
    assert.deepEqual(record?.inspection.part, { ...again.part });
    assert.equal(record.inspection.ticket, undefined);
    assert.equal(await journal.lastSequence(), 9);
  });

  it('keeps the number of a ticket the journal could not keep, and opens no other while it takes no writes', async () => {
    const tickets = client();
    // An MES without look-up that ignores the key.
    tickets.find = () => Promise.resolve(undefined);
    let full = true;
    let refusals = 0;
    let refusedAgain: () => void = () => undefined;
    const write =
      <Parameters extends unknown[]>(method: (...parameters: Parameters) => Promise<void>) =>
      (...parameters: Parameters): Promise<void> => {
        if (!full) return method(...parameters);
        refusals += 1;
        if (refusals >= 2) refusedAgain();
        return Promise.reject(new JournalError('JOURNAL_FULL', 'the disk is full'));
      };
    const delivery = new Delivery({
      journal: {
        ...journal,
        settleOutbox: write((delivered: OutboxDelivery) => journal.settleOutbox(delivered)),
        recordPart: write((part: Inspection) => journal.recordPart(part)),
      },
      streamPrefix: PREFIX,
      tickets,
      random: () => 0,
    });
    running.add(delivery);
    const done = outcomes(delivery, 2);
    const again = (): Promise<void> => new Promise((resolve) => (refusedAgain = resolve));
    const first = again();
    await accept(delivery, 1);
    await first;
    await accept(delivery, 2);
    refusals = 0;
    await again();
    full = false;
    assert.equal(server.tickets.length, 1);
    await done;
    assert.deepEqual(
      server.tickets.map(({ externalId }) => externalId),
      ['key-1', 'key-2'],
    );
  });

  /** One in ten refused for now, 15 % of the answers lost, 5 % slower than the timeout. */
  function badManners(seed: number): () => Manner {
    const random = seededRandom(seed);
    return () => {
      const drawn = random.uniform();
      if (drawn < 0.1) return 'busy';
      if (drawn < 0.25) return 'lose';
      return drawn < 0.3 ? 'slow' : 'good';
    };
  }

  async function ticketsFor300(tickets: TicketClient): Promise<number> {
    server.options = { honoursKey: false, manner: badManners(7) };
    const delivery = deliver(tickets);
    const done = outcomes(delivery, EVENTS);
    await Promise.all(Array.from({ length: EVENTS }, (_, index) => accept(delivery, index + 1)));
    assert.ok((await done).every(({ error }) => error === undefined));
    assert.equal(new Set(server.tickets.map(({ externalId }) => externalId)).size, EVENTS);
    return server.tickets.length;
  }

  it('makes 300 tickets of 300 events on a bad day of an MES that ignores the key', async function () {
    this.timeout(60_000);
    const tickets = await ticketsFor300(client(60));
    console.log(`      ${tickets} tickets of ${EVENTS} events, asking before each retry`);
    assert.equal(tickets, EVENTS);
  });

  it('would make more of them if it did not ask before a retry', async function () {
    this.timeout(60_000);
    const careless = client(60);
    careless.find = () => Promise.resolve(undefined);
    const tickets = await ticketsFor300(careless);
    console.log(`      ${tickets} tickets of ${EVENTS} events without asking`);
    assert.ok(tickets > EVENTS);
  });

  it('delivers what waits after a restart once, also what had reached the MES unnoticed', async () => {
    server.options = { manner: ({ method }) => (method === 'POST' ? 'lose' : 'busy') };
    const before = deliver(client(), () => 1);
    await Promise.all([1, 2, 3].map((number) => accept(before, number)));
    await new Promise<void>((resolve) => {
      before.join(NODE, { outcome: () => undefined, state: ({ online }) => !online && resolve() });
    });
    await close(before);
    await journal.close();
    assert.ok(server.tickets.length > 0, 'some tickets exist that nobody knows of');

    server.options = {};
    journal = await openJournal({ folder, ballastBytes: 4096 });
    const after = deliver();
    const done = await outcomes(after, 3);
    assert.deepEqual(done.map(({ body }) => body.inspection.part.id).toSorted(), [
      'part-1',
      'part-2',
      'part-3',
    ]);
    assert.equal(server.tickets.length, 3);
  });

  it('keeps the order within a stream while another stream goes on', async () => {
    let refusals = 3;
    server.options = {
      manner: ({ method }) => (method === 'POST' && refusals-- > 0 ? 'busy' : 'good'),
    };
    const delivery = deliver();
    const done = outcomes(delivery, 20);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        accept(delivery, index, undefined, index % 2 === 0 ? 'even' : 'odd'),
      ),
    );
    await done;
    for (const parity of [0, 1]) {
      const order = server.tickets
        .map(({ externalId }) => Number(externalId.replace('key-', '')))
        .filter((number) => number % 2 === parity);
      assert.deepEqual(
        order,
        order.toSorted((left, right) => left - right),
      );
      assert.equal(order.length, 10);
    }
  });

  it('sets aside what the MES refuses, and the next of the stream moves up', async () => {
    let first = true;
    server.options = {
      manner: ({ method }) => {
        const refused = method === 'POST' && first;
        first = false;
        return refused ? 'reject' : 'good';
      },
    };
    const delivery = deliver();
    const done = outcomes(delivery, 2);
    await accept(delivery, 1, undefined, 'station');
    await accept(delivery, 2, undefined, 'station');
    const [dead, delivered] = await done;
    assert.equal(dead?.error?.code, 'MES_REJECTED');
    assert.match(dead.error.message, /422.*no such defect class/);
    assert.equal(delivered?.error, undefined);
    assert.deepEqual((await journal.counts()).outbox, { waiting: 0, delivered: 1, dead: 1 });
    const [entry] = await journal.outbox({ state: 'dead' });
    assert.equal((entry?.answer as { error: { code: string } }).error.code, 'MES_REJECTED');
  });

  it('does not open a second ticket when only the evidence failed', async () => {
    let failures = 2;
    server.options = { manner: ({ method }) => (method === 'PUT' && failures-- > 0 ? 'lose' : 'good') };
    const delivery = deliver();
    const done = outcomes(delivery, 1);
    await accept(delivery, 1, Buffer.from('a picture'));
    await done;
    assert.deepEqual(
      server.requests.map(({ method }) => method),
      ['POST', 'PUT', 'PUT', 'PUT'],
    );
  });

  it('counts the MES as offline while it fails, and as online once it answers', async () => {
    let busy = 4;
    server.options = { manner: () => (busy-- > 0 ? 'busy' : 'good') };
    const seen: boolean[] = [];
    const delivery = deliver();
    const done = outcomes(delivery, 1);
    delivery.join('onlooker', { outcome: () => undefined, state: ({ online }) => seen.push(online) });
    await accept(delivery, 1);
    await done;
    assert.ok(seen.includes(false));
    assert.equal(seen.at(-1), true);
  });

  it('looks for a ticket only when an MES that gave no answer in time has had time to open it', async () => {
    let posts = 0;
    server.options = {
      manner: ({ method }) => (method === 'POST' && posts++ === 0 ? 'late' : 'good'),
      lateMs: 200,
    };
    const delivery = deliver(Object.assign(client(50), { commitsWithinMs: 1000 }));
    const done = outcomes(delivery, 1);
    await accept(delivery, 1);
    assert.equal((await done)[0]?.ticketId, 'NC-00001');
    assert.equal(server.tickets.length, 1);
  });

  it('looks for what an earlier run may have sent only after a while, and sends at once what is new', async () => {
    const stream = `${PREFIX}part:1`;
    await journal.acceptOutbox({ key: 'key-1', stream, partId: 'part-1', body: bodyOf(1) });
    const delivery = deliver(Object.assign(client(), { commitsWithinMs: 500 }));
    const done = outcomes(delivery, 2);
    await accept(delivery, 2);
    assert.deepEqual(
      (await done).map(({ key }) => key),
      ['key-2', 'key-1'],
    );
  });

  it('waits when it is closed for a ticket that is being opened', async () => {
    const posted = new Promise<void>((resolve) => {
      server.options = {
        manner: ({ method }) => {
          if (method === 'POST') resolve();
          return 'good';
        },
      };
    });
    const delivery = deliver();
    await accept(delivery, 1);
    await posted;
    await close(delivery);
    assert.deepEqual((await journal.counts()).outbox, { waiting: 0, delivered: 1, dead: 0 });
  });

  it('ends a request that is under way when it is closed, and keeps the entry', async () => {
    const reached = new Promise<void>((resolve) => {
      server.options = {
        manner: () => {
          resolve();
          return 'slow';
        },
      };
    });
    const delivery = new Delivery({
      journal,
      streamPrefix: PREFIX,
      tickets: client(30_000),
      closeWithinMs: 10,
    });
    await accept(delivery, 1);
    await reached;
    await close(delivery);
    assert.deepEqual((await journal.counts()).outbox, { waiting: 1, delivered: 0, dead: 0 });
  });

  /** Resolves when a state of the delivery is as asked. */
  function stateOf(delivery: Delivery, wanted: (state: DeliveryState) => boolean): Promise<DeliveryState> {
    return new Promise((resolve) => {
      delivery.join('onlooker', {
        outcome: () => undefined,
        state: (state) => {
          if (wanted(state)) resolve(state);
        },
      });
    });
  }

  it('keeps tickets waiting while the MES refuses who we are, and delivers them at once with new credentials', async () => {
    server.options = { manner: () => 'forbid' };
    const before = deliver();
    const refused = stateOf(before, ({ authorised }) => !authorised);
    await Promise.all([1, 2, 3].map((number) => accept(before, number)));
    await refused;
    await close(before);
    assert.deepEqual((await journal.counts()).outbox, { waiting: 3, delivered: 0, dead: 0 });
    assert.equal(server.requests.length < 6, true, 'nobody’s account is locked');

    server.options = {};
    const after = deliver();
    const done = await outcomes(after, 3);
    assert.ok(done.every(({ error }) => error === undefined));
    assert.equal(server.tickets.length, 3);
  });

  it('sets aside the one ticket the MES refuses us while it lets others in', async () => {
    const refusing: TicketClient = client();
    const create = refusing.create.bind(refusing);
    refusing.create = (event, signal) =>
      event.part.id === 'part-1'
        ? Promise.reject(new TicketError('MES_AUTH', 'not this one', { status: 403 }))
        : create(event, signal);
    const delivery = new Delivery({
      journal,
      streamPrefix: PREFIX,
      tickets: refusing,
      breaker: new Breaker({ refusedRetryMs: 1 }),
    });
    running.add(delivery);
    const done = outcomes(delivery, 3);
    for (const number of [1, 2, 3]) await accept(delivery, number);
    const byPart = new Map((await done).map(({ body, error }) => [body.inspection.part.id, error?.code]));
    assert.deepEqual(
      [1, 2, 3].map((number) => byPart.get(`part-${number}`)),
      ['MES_AUTH', undefined, undefined],
    );
  });

  it('tries a wrong password with no more than four requests, however many stations send tickets', async () => {
    server.options = { manner: () => 'forbid' };
    const breaker = new Breaker();
    const refused = [1, 2, 3].map((station) => {
      const streamPrefix = `mes:${station}:`;
      const delivery = new Delivery({ journal, streamPrefix, tickets: client(), breaker });
      running.add(delivery);
      return { delivery, station, seen: stateOf(delivery, ({ authorised }) => !authorised) };
    });
    await Promise.all(
      refused.flatMap(({ delivery, station }) =>
        [1, 2, 3, 4].map((number) => accept(delivery, station * 10 + number)),
      ),
    );
    await Promise.race(refused.map(({ seen }) => seen));
    await Promise.all([...running].map(close));
    assert.ok(server.requests.length <= 4, `${server.requests.length} requests`);
    assert.equal((await journal.counts()).outbox.waiting, 12);
  });

  it('does not ask for the state of tickets while the MES refuses who we are', async () => {
    const tickets = client();
    const delivery = deliver(tickets);
    const done = outcomes(delivery, 1);
    await accept(delivery, 1);
    await done;
    let looks = 0;
    let enough: () => void = () => undefined;
    const seen = new Promise<void>((resolve) => (enough = resolve));
    const breaker = {
      online: true,
      get authorised() {
        looks += 1;
        if (looks === 3) enough();
        return looks > 2;
      },
    };
    const askedAfter: number[] = [];
    tickets.states = () => {
      askedAfter.push(looks);
      return Promise.resolve(new Map());
    };
    const follower = new Follower({
      journal,
      streamPrefix: PREFIX,
      tickets,
      everyMs: 5,
      tell: () => undefined,
      breaker,
    });
    await seen;
    await follower.close();
    assert.ok(askedAfter.every((after) => after > 2));
  });

  it('keeps all tickets waiting while nobody is let in, though one is set aside without having been sent', async () => {
    server.options = { manner: () => 'forbid' };
    const tickets = client();
    const create = tickets.create.bind(tickets);
    tickets.create = (event, signal) =>
      event.part.id === 'part-4'
        ? Promise.reject(new TicketError('MES_TEMPLATE_FAILED', 'no such field'))
        : create(event, signal);
    const breaker = new Breaker({ refusedRetryMs: 20 });
    const delivery = new Delivery({ journal, streamPrefix: PREFIX, tickets, breaker });
    running.add(delivery);
    const refused = stateOf(delivery, ({ authorised }) => !authorised);
    const done = outcomes(delivery, 1);
    for (const number of [1, 2, 3]) await accept(delivery, number);
    await refused;
    await accept(delivery, 4);
    assert.equal((await done)[0]?.key, 'key-4');
    assert.equal(breaker.authorised, false);
    const asked = server.requests.length;
    await new Promise<void>((resolve) => {
      server.options = {
        manner: () => {
          if (server.requests.length >= asked + 6) resolve();
          return 'forbid';
        },
      };
    });
    assert.deepEqual((await journal.counts()).outbox, { waiting: 3, delivered: 0, dead: 1 });
  });

  it('sets aside after ten attempts what a working MES fails at, and goes on with the next of the line', async () => {
    server.options = {
      manner: ({ method }) => (method === 'POST' && server.tickets.length === 0 ? 'fail' : 'good'),
    };
    const tickets = client();
    let creates = 0;
    const create = tickets.create.bind(tickets);
    tickets.create = (event, signal) => {
      if (event.part.id === 'part-1') creates += 1;
      else server.options = {};
      return create(event, signal);
    };
    const delivery = deliver(tickets);
    const done = outcomes(delivery, 2);
    await accept(delivery, 1, undefined, 'station');
    await accept(delivery, 2, undefined, 'station');
    const [poison, next] = await done;
    assert.equal(poison?.error?.code, 'MES_BUSY');
    assert.equal(next?.error, undefined);
    assert.equal(creates, 10);
  });

  it('sets aside a ticket whose evidence cannot be read, and the journal goes on', async () => {
    const bytes = Buffer.from('a picture');
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await journal.acceptOutbox({
      key: 'key-1',
      stream: `${PREFIX}part:1`,
      partId: 'part-1',
      body: bodyOf(1, sha256),
      attachment: { bytes, mediaType: 'image/jpeg' },
    });
    const file = join(folder, 'evidence', sha256.slice(0, 2), sha256);
    await rm(file);
    await mkdir(file);
    const states: string[] = [];
    const watching = await openJournal({ folder, onState: (state) => states.push(state) });
    const [outcome] = await outcomes(deliver(), 1);
    assert.equal(outcome?.error?.code, 'JOURNAL_EVIDENCE_UNREADABLE');
    assert.equal(outcome.ticketId, 'NC-00001');
    await watching.close();
    assert.deepEqual(states, []);
  });

  it('sets aside after ten attempts what fails in a way nobody knows, and says why', async () => {
    const tickets = client();
    let creates = 0;
    tickets.create = () => {
      creates += 1;
      return Promise.reject(new TypeError('items is not iterable'));
    };
    const delivery = deliver(tickets);
    const done = outcomes(delivery, 1);
    await accept(delivery, 1);
    assert.match((await done)[0]?.error?.message ?? '', /items is not iterable/);
    assert.equal(creates, 10);
  });

  it('sets aside one ticket an MES fails at, and not the whole queue where it fails at everything', async () => {
    let failing = true;
    server.options.manner = ({ method }) => (failing && method === 'POST' ? 'fail' : 'good');
    const delivery = deliver(client(), () => 0);
    const dead = outcomes(delivery, 1);
    for (let number = 1; number <= 3; number += 1) await accept(delivery, number);
    const [first] = await dead;
    assert.equal(first?.error?.code, 'MES_BUSY');
    const attempts = async (): Promise<number> =>
      Math.min(...(await journal.outbox({ state: 'waiting' })).map((record) => record.attempts));
    while ((await attempts()) < 12) await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await journal.outbox({ state: 'dead' })).length, 1, 'the others keep waiting');
    const delivered = outcomes(delivery, 2);
    failing = false;
    assert.deepEqual(
      (await delivered).map(({ error }) => error),
      [undefined, undefined],
    );
  });

  it('tries a ticket again where nothing, or another place, was found: what stands before an MES says so too', async () => {
    let refusals = 0;
    const tickets = client();
    const create = tickets.create.bind(tickets);
    tickets.create = async (event, signal) => {
      refusals += 1;
      if (refusals > 4) return create(event, signal);
      const status = [404, 405, 302, 307][refusals - 1] ?? 404;
      throw new TicketError('MES_REJECTED', `the MES answered ${status}`, { status });
    };
    const delivery = deliver(tickets);
    const done = outcomes(delivery, 1);
    await accept(delivery, 1);
    assert.equal((await done)[0]?.error, undefined);
    assert.equal(refusals, 5);
  });

  it('delivers what was set aside once somebody has put it back', async () => {
    server.options = { manner: ({ method }) => (method === 'POST' ? 'reject' : 'good') };
    const delivery = deliver();
    const dead = outcomes(delivery, 1);
    await accept(delivery, 1, Buffer.from('a picture'));
    assert.equal((await dead)[0]?.error?.code, 'MES_REJECTED');
    server.options = {};
    const done = outcomes(delivery, 1);
    await journal.requeueOutbox('key-1', { actor: 'ann', reason: 'the class exists now' });
    delivery.wake();
    assert.equal((await done)[0]?.ticketId, 'NC-00001');
    assert.deepEqual((await journal.counts()).outbox, { waiting: 0, delivered: 1, dead: 0 });
    assert.equal((await journal.parts())[0]?.inspection.ticket?.state, 'acknowledged');
  });

  it('tells the node that sent it when a ticket is closed, asked for or heard of, once', async () => {
    const tickets = client();
    const delivery = deliver(tickets);
    const done = outcomes(delivery, 2);
    await accept(delivery, 1);
    await accept(delivery, 2);
    await done;
    const told: TicketChange[] = [];
    const both = new Promise<void>((resolve) => {
      delivery.join(NODE, {
        outcome: () => undefined,
        state: () => undefined,
        changed: (change) => {
          told.push(change);
          if (told.length === 2) resolve();
        },
      });
    });
    tickets.states = (ids) =>
      Promise.resolve(
        new Map(ids.filter((id) => id === 'NC-00001').map((id) => [id, { state: 'closed', said: 'Done' }])),
      );
    const follower = new Follower({
      journal,
      streamPrefix: PREFIX,
      tickets,
      everyMs: 5,
      tell: (change) => delivery.tell(change),
    });
    const closed = { state: 'closed', said: 'Scrapped' } as const;
    assert.equal(await follower.heard({ ticketId: 'NC-00002' }, closed), true);
    assert.equal(await follower.heard({ ticketId: 'NC-00002' }, closed), false);
    assert.equal(await follower.heard({ externalId: 'somebody else’s' }, closed), false);
    await both;
    await follower.close();
    assert.deepEqual(told.map(({ ticketId, receiver }) => [ticketId, receiver.said]).toSorted(), [
      ['NC-00001', 'Done'],
      ['NC-00002', 'Scrapped'],
    ]);
    const records = await journal.ledger();
    assert.equal(records.filter(({ type }) => type === 'ticket.state').length, 2);
  });

  it('lets an MES say again what it says of a ticket that is not known to be open yet', async () => {
    server.options = { manner: () => 'busy' };
    const delivery = deliver();
    await accept(delivery, 1);
    const follower = new Follower({
      journal,
      streamPrefix: PREFIX,
      tickets: client(),
      everyMs: 0,
      tell: () => undefined,
    });
    const closed = { state: 'closed', said: 'Done' } as const;
    await assert.rejects(follower.heard({ externalId: 'key-1' }, closed), { code: 'TICKET_WAITING' });
    const done = outcomes(delivery, 1);
    server.options = {};
    await done;
    assert.equal(await follower.heard({ externalId: 'key-1' }, closed), true);
    await follower.close();
  });

  it('hears of other tickets though the MES says no to the question for one', async () => {
    const tickets = client();
    const delivery = deliver(tickets);
    const done = outcomes(delivery, 3);
    for (const number of [1, 2, 3]) await accept(delivery, number, undefined, 'station');
    await done;
    tickets.states = (ids) => {
      if (ids.includes('NC-00001')) {
        return Promise.reject(new TicketError('MES_REJECTED', 'gone', { status: 410 }));
      }
      if (ids.includes('NC-00002')) {
        return Promise.reject(new TicketError('MES_AUTH', 'not yours', { status: 403 }));
      }
      return Promise.resolve(new Map([['NC-00003', { state: 'closed', said: 'Done' }]]));
    };
    let follower: Follower | undefined;
    const change = await new Promise<TicketChange>((tell) => {
      follower = new Follower({ journal, streamPrefix: PREFIX, tickets, everyMs: 5, tell });
    });
    await follower?.close();
    assert.equal(change.ticketId, 'NC-00003');
  });

  it('sends the heatmap after the image, and says which is which', async () => {
    const roles: string[] = [];
    const tickets = client();
    tickets.attach = (_id, { role }) => {
      roles.push(role);
      return Promise.resolve();
    };
    const delivery = deliver(tickets);
    const done = outcomes(delivery, 1);
    const [frame, heat] = [Buffer.from('frame'), Buffer.from('heat')];
    const of = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    const body = bodyOf(1);
    body.event.evidence = [
      { role: 'frame', sha256: of(frame), mediaType: 'image/jpeg' },
      { role: 'heatmap', sha256: of(heat), mediaType: 'image/png' },
    ];
    await delivery.accept({
      key: 'key-1',
      stream: 'part:1',
      partId: 'part-1',
      body,
      attachment: { bytes: frame, mediaType: 'image/jpeg' },
      furtherAttachments: [{ bytes: heat, mediaType: 'image/png' }],
    });
    await done;
    assert.deepEqual(roles, ['frame', 'heatmap']);
  });
});
