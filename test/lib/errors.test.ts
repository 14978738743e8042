import assert from 'node:assert/strict';
import { asCodedError, CodedError } from '../../lib/errors.ts';

describe('whatever was thrown', () => {
  it('keeps an error that has a code, and gives one to whatever has none', () => {
    const coded = new CodedError('LINK_DOWN', 'no link');
    assert.equal(asCodedError(coded), coded);
    assert.deepEqual(
      [new Error('boom'), 'boom', undefined, Symbol('boom')].map((thrown) => asCodedError(thrown).code),
      ['UNEXPECTED', 'UNEXPECTED', 'UNEXPECTED', 'UNEXPECTED'],
    );
  });

  it('is an error with a code also where it cannot be shown', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const thrown of [Object.create(null) as unknown, { toString: false }, proxy]) {
      assert.equal(asCodedError(thrown, 'CLOSED').code, 'CLOSED');
    }
  });
});
