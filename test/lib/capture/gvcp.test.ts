import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { gvcpAnswers } from '../../../lib/capture/gvcp.ts';

const never = new AbortController().signal;

describe('asking for a GigE camera', () => {
  it('takes a network that cannot be reached for no', async () => {
    // a plain socket may not send to it: the same path as a network that is down
    assert.equal(await gvcpAnswers('255.255.255.255', never), false);
  });

  it('takes silence for no, and ends at once when it is told to', async () => {
    const silent = createSocket('udp4');
    await new Promise<void>((resolve) => silent.bind(0, '127.0.0.9', resolve));
    try {
      assert.equal(await gvcpAnswers('127.0.0.9', AbortSignal.timeout(50)), false);
      assert.equal(await gvcpAnswers('127.0.0.9', AbortSignal.abort()), false);
    } finally {
      silent.close();
    }
  });
});
