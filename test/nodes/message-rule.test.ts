/** What may be on a wire, and that the messages of our nodes keep to it. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { Frame } from '../../lib/frame/frame.ts';
import { openInspection } from '../../lib/inspection/inspection.ts';
import { registrationOf } from '../package/package-files.ts';
import { assertPlainMessage, messageFaults } from '../support/message-rule.ts';
import { nodeRedVersions, ourNodeTypes } from '../support/node-red.ts';
import { repositoryRoot } from '../support/shared.ts';
import { letAllNodesTalk, type Talk } from './our-messages.ts';

class Untagged {
  readonly #secret = 1;

  reveal(): number {
    return this.#secret;
  }
}

class Tensor {
  readonly dims = [1, 3, 224, 224];
}

function frame(): Frame {
  return new Frame(Buffer.alloc(12), { width: 2, height: 2, format: 'rgb', source: 'test' });
}

describe('the rule of the wire', () => {
  it('lets plain data, Buffers, dates and frames pass', () => {
    assertPlainMessage({
      _msgid: 'a',
      payload: Buffer.alloc(100_000),
      frame: frame(),
      inspection: openInspection({ station: 'press 4', sequence: 1, deadlineMs: 900 }),
      at: new Date(),
      nested: { list: [1, 'two', null, undefined, { three: true }] },
      bare: Object.create(null) as object,
    });
  });

  it('lets what a Function node built pass: an object of another realm is plain too', () => {
    assertPlainMessage({ payload: runInNewContext('({ list: [1, { a: 2 }] })') as unknown });
  });

  it('lets the request and response of HTTP nodes pass, which are never cloned', () => {
    assertPlainMessage({ req: new Untagged(), res: new Untagged(), payload: {} });
    assert.equal(messageFaults({ payload: { req: new Untagged() } }).length, 1);
  });

  it('does not lose itself in a circle', () => {
    const message: Record<string, unknown> = {};
    message['self'] = message;
    assertPlainMessage(message);
  });

  for (const [what, value] of [
    ['a typed array', new Float32Array(4)],
    ['a typed array of bytes', new Uint8Array(4)],
    ['a DataView', new DataView(new ArrayBuffer(4))],
    ['an ArrayBuffer', new ArrayBuffer(4)],
    ['a SharedArrayBuffer', new SharedArrayBuffer(4)],
    ['an instance of a class without a tag', new Untagged()],
    ['a tensor', new Tensor()],
    ['an error', new Error('boom')],
    ['a map', new Map()],
    ['a promise', Promise.resolve()],
    ['a function', (): void => undefined],
    ['a bigint', 1n],
  ] as const) {
    it(`finds ${what}, however deep, and says where`, () => {
      const message = { payload: { results: [{ ok: 1 }, { output: value }] } };
      assert.throws(() => assertPlainMessage(message), /msg\.payload\.results\.1\.output/);
    });
  }

  it('finds pixels as numbers, flat or in rows', () => {
    const flat = Array.from({ length: 10_001 }, () => 0);
    const rows = Array.from({ length: 101 }, () => Array.from({ length: 100 }, () => 0));
    assert.match(messageFaults({ payload: flat })[0] ?? '', /msg\.payload holds 10001 numbers/);
    assert.match(messageFaults({ payload: rows })[0] ?? '', /msg\.payload holds 10100 numbers/);
    assertPlainMessage({ payload: flat.slice(1) });
  });

  it('reports every breach, not only the first', () => {
    assert.equal(messageFaults({ a: new Float32Array(1), b: { c: new Untagged() } }).length, 2);
  });
});

/** A node without a dialog counts too, so that its absence is said by a test. */
function hasOutputs(type: string): boolean {
  if (!existsSync(join(repositoryRoot, 'nodes', type, `${type}.html`))) return true;
  return Number(registrationOf(type).literals.get('outputs') ?? 0) > 0;
}

for (const version of nodeRedVersions) {
  describe(`what our nodes send keeps to the rule, in Node-RED ${version}`, function () {
    this.timeout(180_000);
    let talk: Talk | undefined;

    before(async () => {
      talk = await letAllNodesTalk(version);
    });

    after(() => talk?.stop());

    for (const type of ourNodeTypes().filter(hasOutputs)) {
      it(type, () => {
        assert.ok(talk);
        assert.ok(talk.nodeRed.checkedTypes().has(type), `no message of ${type} was seen`);
        assert.deepEqual(
          talk.nodeRed.faults().filter((fault) => fault.startsWith(`${type} `)),
          [],
        );
      });
    }
  });
}
