import assert from 'node:assert/strict';
import type { TicketClient } from '../../../lib/ticket/client.ts';
import { ticketsOf } from '../../../lib/ticket/dialects.ts';
import { compileForTests, EVENT } from '../../support/quality-event.ts';
import { RecordedMes, type Exchange } from '../../support/recorded-mes.ts';

const never = new AbortController().signal;

describe('an answer in B2MML', () => {
  let mes: RecordedMes;
  let client: TicketClient;

  beforeEach(async () => {
    mes = new RecordedMes();
    client = ticketsOf({
      dialect: 'b2mml',
      baseUrl: await mes.start(),
      authentication: { type: 'none' },
      fields: {},
      timeoutMs: 2000,
      compile: compileForTests,
    });
  });
  afterEach(async () => {
    client.close();
    await mes.stop();
  });

  /** The number, or the code of the error. */
  async function created(status: number, body: string): Promise<string> {
    mes.play([{ response: { status, body } } as Exchange]);
    return client.create(EVENT, never).catch((error: unknown) => (error as { code: string }).code);
  }

  it('is a ticket only when it acknowledges the event', async () => {
    const acknowledged =
      '<?xml version="1.0"?><!-- by the MES --><b:AcknowledgeOperationsEvent><DataArea><Acknowledge/>' +
      '<OperationsEvent><ID>OE-7</ID></OperationsEvent></DataArea></b:AcknowledgeOperationsEvent>';
    assert.equal(await created(200, acknowledged), 'OE-7');
    assert.equal(await created(200, '<AcknowledgeOperationsEvent/>'), EVENT.id);
    assert.equal(await created(202, ''), EVENT.id);
    assert.equal(await created(204, ''), EVENT.id);
  });

  it('is none when it is empty, a page, a refusal or a fault, though the status is 200', async () => {
    const refused =
      '<Acknowledge><ResponseCriteria><ResponseExpression actionCode="Rejected"/></ResponseCriteria></Acknowledge>';
    const ofEvent = (inside: string): string =>
      `<AcknowledgeOperationsEvent><DataArea>${inside}<OperationsEvent><ID>OE-7</ID></OperationsEvent></DataArea></AcknowledgeOperationsEvent>`;
    assert.equal(await created(200, ''), 'MES_BAD_ANSWER');
    assert.equal(await created(200, 'ok'), 'MES_BAD_ANSWER');
    assert.equal(await created(200, '<!DOCTYPE html><html><body>Sign in</body></html>'), 'MES_BUSY');
    assert.equal(await created(200, '<html lang="en"><body>Back soon</body></html>'), 'MES_BUSY');
    assert.equal(await created(200, '<ConfirmBOD><DataArea/></ConfirmBOD>'), 'MES_BAD_ANSWER');
    assert.equal(
      await created(200, '<s:Envelope><s:Body><s:Fault/></s:Body></s:Envelope>'),
      'MES_BAD_ANSWER',
    );
    assert.equal(await created(200, ofEvent(refused)), 'MES_REJECTED');
    assert.equal(await created(200, ofEvent('<BODFailureMessage/>')), 'MES_REJECTED');
  });

  it('is read once from end to end, however many elements begin in it and never end', async function () {
    this.timeout(20_000);
    const begun = '<OperationsEvent>'.repeat(60_000);
    mes.play([
      { response: { status: 200, body: `<ShowOperationsEvent>${begun}</ShowOperationsEvent>` } } as Exchange,
    ]);
    assert.equal(await client.find(EVENT.id, never), undefined);
  });

  it('to the question for a ticket is not "there is none" when it is a page', async () => {
    mes.play([{ response: { status: 200, body: '<html><body>Sign in</body></html>' } } as Exchange]);
    await assert.rejects(client.find(EVENT.id, never), { code: 'MES_BUSY' });
  });
});
