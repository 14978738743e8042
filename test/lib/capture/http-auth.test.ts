import assert from 'node:assert/strict';
import { authorization, parseChallenge } from '../../../lib/capture/http-auth.ts';

describe('HTTP sign-in', () => {
  // RFC 7616, section 3.9.1
  const who = { user: 'Mufasa', password: 'Circle of Life' };
  const request = {
    method: 'GET',
    uri: '/dir/index.html',
    count: 1,
    clientNonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  };
  const challenge = (algorithm: string): string =>
    `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, ` +
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"';

  it('computes the answers of the standard', () => {
    for (const [algorithm, response] of [
      ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
      ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
    ] as const) {
      const parsed = parseChallenge(challenge(algorithm));
      assert.ok(parsed);
      const header = authorization(parsed, who, request);
      assert.match(header, new RegExp(`response="${response}"`));
      assert.match(header, /nc=00000001/);
      assert.doesNotMatch(header, /Circle/);
    }
  });

  it('answers cameras that know no qop (RFC 2069)', () => {
    const parsed = parseChallenge('Digest realm="cam", nonce="n"');
    assert.ok(parsed);
    // MD5 of `${MD5("u:cam:p")}:n:${MD5("GET:/")}`, worked out with md5sum.
    const header = authorization(parsed, { user: 'u', password: 'p' }, { method: 'GET', uri: '/', count: 1 });
    assert.match(header, /response="fade05be5483c29cba2105ea00bfa469"/);
    assert.doesNotMatch(header, /qop|cnonce/);
  });

  it('prefers the strongest way on offer', () => {
    const offer = `Basic realm="cam", ${challenge('MD5')}, ${challenge('SHA-256')}`;
    const best = parseChallenge(offer);
    assert.ok(best?.scheme === 'digest');
    assert.equal(best.algorithm, 'SHA-256');
    assert.deepEqual(parseChallenge('Basic realm="cam"'), { scheme: 'basic' });
    assert.equal(parseChallenge('Negotiate'), undefined);
  });
});
