import assert from 'node:assert/strict';
import nodeRedUtil from '@node-red/util';
import type { Message } from '../../../nodes/runtime/types.ts';
import { setLazily } from '../../../nodes/runtime/message.ts';

/** A message with a payload that counts how often it was made. */
function lazy(): { message: Message; made: () => number } {
  const message: Message = {};
  let made = 0;
  setLazily(message, 'payload', () => Buffer.from([(made += 1)]));
  return { message, made: () => made };
}

describe('a property made when it is read', () => {
  it('is made once, however often it is read', () => {
    const { message, made } = lazy();
    assert.equal(message.payload, message.payload);
    assert.equal(made(), 1);
  });

  it('is never made where it is only replaced', () => {
    const { message, made } = lazy();
    message.payload = 'verdict';
    assert.equal(message.payload, 'verdict');
    assert.deepEqual(Object.entries(message), [['payload', 'verdict']]);
    assert.equal(made(), 0);
  });

  it('is plain data in a clone, a copy and JSON', () => {
    for (const copy of [
      (message: Message) => nodeRedUtil.util.cloneMessage(message),
      (message: Message) => Object.assign({}, message),
      (message: Message) => ({ ...message }),
    ]) {
      const { message } = lazy();
      const copied: { payload?: unknown } = copy(message);
      assert.deepEqual(copied.payload, Buffer.from([1]));
      assert.equal(typeof Object.getOwnPropertyDescriptor(copied, 'payload')?.get, 'undefined');
    }
    assert.equal(JSON.stringify(lazy().message), '{"payload":{"type":"Buffer","data":[1]}}');
  });

  it('can be deleted, as Node-RED deletes properties', () => {
    const { message, made } = lazy();
    delete message.payload;
    assert.deepEqual(message, {});
    assert.equal(made(), 0);
  });
});
