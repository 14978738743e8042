import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Frame } from '../../lib/frame/frame.ts';
import { isLate, openInspection, type Inspection } from '../../lib/inspection/inspection.ts';
import { openJournal } from '../../lib/journal/journal.ts';
import inspectionStation from '../../nodes/inspection-station/inspection-station.ts';
import mesEndpoint from '../../nodes/mes-endpoint/mes-endpoint.ts';
import mesTicket from '../../nodes/mes-ticket/mes-ticket.ts';
import { KeptMessages } from '../../nodes/mes-ticket/kept-messages.ts';
import type { Message } from '../../nodes/runtime/types.ts';
import { codeOf, flowAround, load, nextMessage, node, unload } from '../support/helper.ts';
import { MesServer } from '../support/mes-server.ts';

function rejected(sequence: number): Inspection {
  const opened = openInspection({ station: 'Press 4', sequence, deadlineMs: 900, id: `part-${sequence}` });
  return {
    ...opened,
    anomaly: {
      score: 4,
      pValue: 0.01,
      method: 'patch-nn',
      model: { name: 'press-4', version: '7', digest: 'sha256:aa' },
      provider: 'cpu',
      boxes: [],
    },
    verdict: {
      decision: 'reject',
      score: 4,
      threshold: 3,
      reason: 'above-threshold',
      mode: 'NORMAL',
      calibration: 'c-7',
    },
  };
}

function picture(): Frame {
  return new Frame(Buffer.from('the picture'), { width: 4, height: 3, format: 'jpeg', source: 'cam-top' });
}

describe('mes-ticket', () => {
  let folder: string;
  let server: MesServer;
  let url: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jidoka-mes-ticket-'));
    server = new MesServer();
    url = await server.start();
  });
  afterEach(async () => {
    await unload();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function deploy(ticket: Record<string, unknown> = {}, endpoint: Record<string, unknown> = {}) {
    await load(
      [inspectionStation, mesEndpoint, mesTicket],
      [
        { id: 'station', type: 'inspection-station', name: 'Press 4', line: 'Line 2', folder },
        { id: 'mes', type: 'mes-endpoint', baseUrl: url, timeoutSeconds: '2', ...endpoint },
        ...flowAround(
          {
            id: 'ticket',
            type: 'mes-ticket',
            station: 'station',
            endpoint: 'mes',
            defectClass: 'surface',
            ...ticket,
          },
          ['acknowledged', 'failed'],
        ),
      ],
      { mes: { token: 'secret-token' } },
    );
  }

  /** Sends the message and resolves to the next one on an output. */
  async function outcomeOf(message: Message, output: 'acknowledged' | 'failed' | 'caught'): Promise<Message> {
    const outcome = nextMessage(output);
    node('ticket').receive(message);
    return outcome;
  }

  /** The part as the journal knows it, read after the flow has let go of it. */
  async function journalled(partId: string): Promise<Inspection | undefined> {
    const journal = await openJournal({ folder });
    const parts = await journal.parts();
    await journal.close();
    return parts.find(({ inspection }) => inspection.part.id === partId)?.inspection;
  }

  it('sends the message on when the MES has ticket and evidence', async () => {
    await deploy({}, { authentication: 'bearer' });
    const frame = picture();
    const message = await outcomeOf({ inspection: rejected(1), frame, other: 'untouched' }, 'acknowledged');

    assert.equal(message.payload, 'NC-00001');
    assert.equal(message['other'], 'untouched');
    assert.equal(message.frame, frame);
    const { ticket, timings } = message.inspection ?? {};
    assert.deepEqual({ ...ticket, key: '' }, { id: 'NC-00001', state: 'acknowledged', key: '' });
    assert.ok((timings?.['ticket'] ?? 0) > 0);

    const [stored] = server.tickets;
    assert.ok(stored);
    assert.equal(stored.externalId, ticket?.key);
    const { part, hierarchyScope, equipment, defectClass, severity, verdict, model, evidence } = stored.body;
    assert.deepEqual(part, { id: 'part-1', sequence: 1 });
    assert.deepEqual(hierarchyScope, {
      enterprise: '',
      site: '',
      area: '',
      line: 'Line 2',
      station: 'Press 4',
    });
    assert.deepEqual(equipment, { id: '', station: 'Press 4', camera: '' });
    assert.deepEqual([defectClass, severity], ['surface', 'major']);
    assert.deepEqual(verdict, rejected(1).verdict);
    assert.deepEqual(model, rejected(1).anomaly?.model);
    assert.deepEqual(evidence, [{ role: 'frame', sha256: frame.sha256, mediaType: 'image/jpeg' }]);
    assert.deepEqual([...stored.evidence.values()].map(String), ['the picture']);
    assert.equal(server.requests[0]?.headers.authorization, 'Bearer secret-token');

    assert.deepEqual((await journalled('part-1'))?.ticket, ticket);
  });

  it('opens no second ticket for a part that is sent again', async () => {
    await deploy();
    const first = await outcomeOf({ inspection: rejected(1) }, 'acknowledged');
    const again = await outcomeOf({ inspection: rejected(1), copy: 2 }, 'acknowledged');
    assert.equal(again.payload, first.payload);
    assert.equal(again['copy'], 2);
    assert.equal(server.tickets.length, 1);
  });

  it('gives each of several messages of one part its outcome', async () => {
    await deploy();
    const seen: unknown[] = [];
    const both = new Promise<void>((resolve) => {
      node('acknowledged').on('input', (message: Message) => {
        seen.push(message['copy']);
        if (seen.length === 2) resolve();
      });
    });
    node('ticket').receive({ inspection: rejected(1), copy: 1 });
    node('ticket').receive({ inspection: rejected(1), copy: 2 });
    await both;
    assert.deepEqual(seen, [1, 2]);
    assert.equal(server.tickets.length, 1);
  });

  it('sends what the MES refuses to the second output, with the reason', async () => {
    server.options = { manner: () => 'reject' };
    await deploy();
    const message = await outcomeOf({ inspection: rejected(1) }, 'failed');
    assert.equal((message.payload as { code: string }).code, 'MES_REJECTED');
    assert.equal(message.inspection?.ticket?.state, 'failed');
    assert.equal((await journalled('part-1'))?.ticket?.state, 'failed');
  });

  it('takes the defect class from the message, and leaves the image at home when told to', async () => {
    await deploy({
      defectClass: 'defect.kind',
      defectClassType: 'msg',
      attachEvidence: false,
      severity: 'critical',
    });
    await outcomeOf({ inspection: rejected(1), frame: picture(), defect: { kind: 'dent' } }, 'acknowledged');
    await outcomeOf({ inspection: rejected(2) }, 'acknowledged');
    assert.deepEqual(
      server.tickets.map(({ body, evidence }) => [
        body['defectClass'],
        body['severity'],
        body['evidence'],
        evidence.size,
      ]),
      [
        ['dent', 'critical', [], 0],
        ['unclassified', 'critical', [], 0],
      ],
    );
  });

  it('delivers after a redeploy what was waiting before', async () => {
    const reached = new Promise<void>((resolve) => {
      server.options.manner = () => {
        resolve();
        return 'lose';
      };
    });
    await deploy();
    node('ticket').receive({ inspection: rejected(1), frame: picture() });
    await reached;
    await unload();
    assert.equal(server.tickets.length, 1, 'the MES has the ticket, and nobody knows');

    server.options = { manner: () => 'busy' };
    await deploy();
    const outcome = nextMessage('acknowledged');
    server.options = {};
    const message = await outcome;
    assert.equal(message.payload, 'NC-00001');
    assert.equal(message.inspection?.part.id, 'part-1');
    assert.ok(isLate(message.inspection), 'nothing may act on a part of an earlier run');
    assert.equal(message.inspection.ticket?.state, 'acknowledged');
    assert.equal(server.tickets.length, 1);
    assert.equal(server.tickets[0]?.evidence.size, 1);
  });

  it('refuses a message without a part', async () => {
    await deploy();
    const caught = await outcomeOf({ payload: 'no envelope' }, 'caught');
    assert.equal(codeOf(caught), 'PART_MISSING');
    assert.equal(server.requests.length, 0);
  });

  it('ends every input in the error of its MES or its configuration', async () => {
    await deploy({}, { baseUrl: 'http://169.254.169.254' });
    const forbidden = await outcomeOf({ inspection: rejected(1) }, 'caught');
    assert.equal(codeOf(forbidden), 'MES_HOST_FORBIDDEN');
    await unload();
    await deploy({ endpoint: 'nowhere' });
    const missing = await outcomeOf({ inspection: rejected(1) }, 'caught');
    assert.equal(codeOf(missing), 'CONFIG_INVALID');
    await unload();
    await deploy({ severity: 'catastrophic' });
    const wrong = await outcomeOf({ inspection: rejected(1) }, 'caught');
    assert.equal(codeOf(wrong), 'CONFIG_INVALID');
  });
});

describe('the messages kept for an acknowledgement', () => {
  const kept = (sequence: number) => ({ message: { inspection: rejected(sequence) }, startedAt: 0 });

  it('are at most 64, and the oldest go', () => {
    const messages = new KeptMessages();
    for (let number = 1; number <= 66; number += 1) messages.keep(`key-${number}`, kept(number));
    assert.deepEqual(
      [1, 2, 3, 66].map((number) => messages.take(`key-${number}`).length),
      [0, 0, 1, 1],
    );
    messages.keep('key-67', kept(67));
    assert.equal(messages.take('key-4').length, 1, 'there was room again');
  });

  it('can be given up one by one', () => {
    const messages = new KeptMessages();
    const [first, second] = [kept(1), kept(1)];
    messages.keep('key', first);
    messages.keep('key', second);
    assert.equal(messages.drop('key', first), true);
    assert.equal(messages.drop('key', first), false);
    assert.deepEqual(messages.take('key'), [second]);
  });
});
