import assert from 'node:assert/strict';
import { Hook, signatureOf } from '../../../lib/ticket/hook.ts';

const SECRET = 'a secret of the plant';
const NOW_MS = 1_767_322_800_000;
const timestamp = String(NOW_MS / 1000);
const body = '{"ticketId":"NC-1","state":"closed","status":"Done"}';

function signed(text = body, at = timestamp, secret = SECRET) {
  return { timestamp: at, body: text, signature: signatureOf(secret, at, text) };
}

describe('a message of a webhook', () => {
  it('tells the state of a ticket when it is signed', () => {
    assert.deepEqual(new Hook(SECRET, () => NOW_MS).read(signed()), {
      ticketId: 'NC-1',
      state: { state: 'closed', said: 'Done' },
    });
  });

  it('is refused when it was changed, signed by somebody else, too old, too early or seen before', () => {
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
      assert.throws(() => hook.read(message), refused);
    }
    hook.read(signed());
    assert.throws(() => hook.read(signed()), refused, 'the second time');
    assert.throws(() => new Hook('', () => NOW_MS).read(signed(body, timestamp, '')), refused, 'no secret');
  });
});
