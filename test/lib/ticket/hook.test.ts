import assert from 'node:assert/strict';
import { Hook, signatureOf, type SignedMessage, type TicketNews } from '../../../lib/ticket/hook.ts';

const SECRET = 'a secret of the plant';
const NOW_MS = 1_767_322_800_000;
const timestamp = String(NOW_MS / 1000);
const body = '{"ticketId":"NC-1","state":"closed","status":"Done"}';

function signed(text = body, at = timestamp, secret = SECRET) {
  return { timestamp: at, body: text, signature: signatureOf(secret, at, text) };
}

function read(hook: Hook, message: SignedMessage): Promise<TicketNews> {
  return hook.take(message, (news) => Promise.resolve(news));
}

describe('a message of a webhook', () => {
  it('tells the state of a ticket when it is signed', async () => {
    assert.deepEqual(await read(new Hook(SECRET, () => NOW_MS), signed()), {
      ticketId: 'NC-1',
      state: { state: 'closed', said: 'Done' },
    });
  });

  it('is refused when it was changed, signed by somebody else, too old, too early or seen before', async () => {
    const hook = new Hook(SECRET, () => NOW_MS);
    const refused = { code: 'HOOK_REFUSED' };
    const late = String(NOW_MS / 1000 - 301);
    const early = String(NOW_MS / 1000 + 301);
    for (const message of [
      { ...signed(), body: body.replace('closed', 'open') },
      { ...signed(), timestamp: String(NOW_MS / 1000 + 1) },
      { ...signed(), signature: '' },
      { ...signed(), signature: 'sha256=00' },
      signed(body, timestamp, 'another secret'),
      signed(body, late),
      signed(body, early),
      signed('not JSON'),
      signed('{"state":"closed"}'),
      signed('{"ticketId":"NC-1","state":"exploded"}'),
    ]) {
      await assert.rejects(read(hook, message), refused);
    }
    await read(hook, signed());
    await assert.rejects(read(hook, signed()), refused, 'the second time');
    const open = new Hook('', () => NOW_MS);
    await assert.rejects(read(open, signed(body, timestamp, '')), refused, 'no secret');
  });

  it('may be sent again when it could not be kept', async () => {
    const hook = new Hook(SECRET, () => NOW_MS);
    const failing = hook.take(signed(), () => Promise.reject(new Error('the disk is full')));
    await assert.rejects(failing, /the disk is full/);
    assert.equal((await read(hook, signed())).ticketId, 'NC-1');
  });

  it('is not taken again by the endpoint that comes after a deploy', async () => {
    const next = new Hook(SECRET, () => NOW_MS + 1000);
    await assert.rejects(read(next, signed()), { code: 'HOOK_REFUSED' });
    const later = String(NOW_MS / 1000 + 1);
    assert.equal((await read(next, signed(body, later))).ticketId, 'NC-1');
  });
});
