import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import nodeRedUtil from '@node-red/util';
import { bytesOf, Frame } from '../../../lib/frame/frame.ts';

const bytes = (): Buffer => Buffer.from([0xff, 0xd8, 0xff, 1, 2, 3, 0xff, 0xd9]);
const frameOf = (content = bytes()): Frame =>
  new Frame(content, { width: 4, height: 2, format: 'jpeg', source: 'cam-top', id: 'f-1' });

describe('Frame', () => {
  it('reaches every branch of a flow as the same object', () => {
    const frame = frameOf();
    const clone = nodeRedUtil.util.cloneMessage({ _msgid: 'a', frame, nested: { frame }, list: [frame] });
    assert.equal(clone.frame, frame);
    assert.equal(clone.nested.frame, frame);
    assert.equal(clone.list[0], frame);
    assert.deepEqual(clone.frame.toBuffer(), bytes());
  });

  it('keeps its bytes however its public members are used', async () => {
    const frame = frameOf();
    const { sha256 } = frame;
    frame.toBuffer().fill(0);
    frame.capturedAt.setTime(0);
    assert.notEqual(frame.capturedAt.getTime(), 0);
    // A Function node has no import, but it has the object, its prototype and its class.
    for (const owner of [frame, Frame.prototype, Frame]) {
      for (const key of Reflect.ownKeys(owner)) {
        const member: unknown = Reflect.get(owner, key, frame);
        if (typeof member !== 'function' || (owner === Frame.prototype && key === 'constructor')) continue;
        for (const argument of [undefined, frame]) {
          try {
            const given: unknown = Reflect.apply(member, frame, [argument]);
            if (Buffer.isBuffer(given)) given.fill(0);
          } catch {
            // Not callable like this; then it gives nothing away either.
          }
        }
      }
    }
    for (const name of ['width', 'sha256', 'byteLength', 'source', 'anything']) {
      assert.throws(() => Object.defineProperty(frame, name, { value: 1 }), TypeError);
      assert.throws(() => Object.assign(frame, { [name]: 1 }), TypeError);
    }
    assert.deepEqual(await bytesOf(frame), bytes());
    assert.equal(createHash('sha256').update(frame.toBuffer()).digest('hex'), sha256);
  });

  it('shows none of its bytes to anybody who lists its properties', () => {
    const frame = frameOf();
    const values: unknown[] = Reflect.ownKeys(frame).map((key) => Reflect.get(frame, key) as unknown);
    assert.equal(
      values.some((value) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer),
      false,
    );
    assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(frame)) as object), [
      'id',
      'width',
      'height',
      'format',
      'source',
      'capturedAt',
      'byteLength',
    ]);
  });

  it('has the SHA-256 of the bytes as captured', () => {
    assert.equal(frameOf().sha256, createHash('sha256').update(bytes()).digest('hex'));
  });

  it('is told from a message property that only looks like one', () => {
    assert.equal(Frame.isFrame(frameOf()), true);
    assert.equal(Frame.isFrame(Object.assign({}, frameOf())), false);
    assert.equal(Frame.isFrame(null), false);
  });
});
