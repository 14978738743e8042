import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { portAnswers, portOf } from '../../../lib/capture/port.ts';

describe('knocking at a port', () => {
  const { signal } = new AbortController();

  it('tells a port that takes connections from one that does not, and hangs up', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const connected = once(server, 'connection');
    assert.equal(await portAnswers('127.0.0.1', port, signal), true);
    await connected;
    server.close();
    await once(server, 'close');
    assert.equal(await portAnswers('127.0.0.1', port, signal), false);
  });

  it('ends at once when nobody wants to know any longer', async () => {
    const abort = new AbortController();
    // 192.0.2.0/24 is reserved for documentation: nothing answers there.
    const answer = portAnswers('192.0.2.1', 80, abort.signal);
    abort.abort();
    assert.equal(await answer, false);
    assert.equal(await portAnswers('192.0.2.1', 80, abort.signal), false);
  });

  it('reads host and port from an address', () => {
    assert.deepEqual(portOf(new URL('rtsp://cam-1/stream'), 554), { host: 'cam-1', port: 554 });
    assert.deepEqual(portOf(new URL('http://[::1]:8080/'), 80), { host: '::1', port: 8080 });
  });
});
