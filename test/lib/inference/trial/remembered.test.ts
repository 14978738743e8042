import assert from 'node:assert/strict';
import { Remembered } from '../../../../lib/inference/trial/remembered.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

describe('what is remembered', () => {
  const found: string[] = [];
  const find = (key: string) => (): Promise<string> => {
    found.push(key);
    return Promise.resolve(key);
  };
  beforeEach(() => found.splice(0));

  it('is found out once, also for those who ask at the same time', async () => {
    const memory = new Remembered<string>(2);
    await Promise.all([memory.get('a', find('a')), memory.get('a', find('a'))]);
    assert.equal(await memory.get('a', find('a')), 'a');
    assert.deepEqual(found, ['a']);
  });

  it('gives way to newer things in the order in which they were asked for', async () => {
    const memory = new Remembered<string>(2);
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await memory.get(key, find(key));
    assert.deepEqual(found, ['a', 'b', 'c', 'b']);
  });

  it('is no failure', async () => {
    const memory = new Remembered<string>(2);
    await assert.rejects(memory.get('a', () => Promise.reject(new Error('not now'))));
    assert.equal(await memory.get('a', find('a')), 'a');
  });

  it('holds as long as is said of each', async () => {
    const clock = new FakeClock();
    const memory = new Remembered<string>(2, (value) => (value === 'a' ? 1000 : Infinity), clock);
    const ask = async (): Promise<string[]> => {
      for (const key of ['a', 'b']) await memory.get(key, find(key));
      return found.splice(0);
    };
    assert.deepEqual(await ask(), ['a', 'b']);
    clock.advance(999);
    assert.deepEqual(await ask(), []);
    clock.advance(1);
    assert.deepEqual(await ask(), ['a']);
  });

  describe('while it is being found out', () => {
    /** Found out when it is told so, or not any more. */
    function slowly() {
      const told: unknown[] = [];
      let resolve: (value: string) => void = () => assert.fail('nobody asked');
      const finding = (signal: AbortSignal): Promise<string> =>
        new Promise((found, reject) => {
          resolve = found;
          signal.addEventListener('abort', () => {
            told.push(signal.reason);
            reject(signal.reason as Error);
          });
        });
      return { finding, resolve: (value: string) => resolve(value), told };
    }

    it('goes on for others when one has left', async () => {
      const memory = new Remembered<string>(2);
      const { finding, resolve, told } = slowly();
      const [first, second] = [new AbortController(), new AbortController()];
      const one = memory.get('a', finding, first.signal);
      const other = memory.get('a', finding, second.signal);
      first.abort(new Error('left'));
      await assert.rejects(one, /left/);
      assert.deepEqual(told, []);
      resolve('found');
      assert.equal(await other, 'found');
      second.abort();
      assert.equal(await memory.get('a', finding), 'found');
      assert.deepEqual(told, []);
    });

    it('ends when the last has left, and begins anew for the next', async () => {
      const memory = new Remembered<string>(2);
      const { finding, told } = slowly();
      const [first, second] = [new AbortController(), new AbortController()];
      const one = memory.get('a', finding, first.signal);
      const other = memory.get('a', finding, second.signal);
      first.abort(new Error('left'));
      const reason = new Error('left as well');
      second.abort(reason);
      assert.equal(await memory.get('a', find('a')), 'a');
      await assert.rejects(one, /left/);
      await assert.rejects(other, /left as well/);
      assert.deepEqual(told, [reason]);
      await assert.rejects(memory.get('b', find('b'), first.signal), /left/);
      assert.deepEqual(found, ['a']);
    });
  });
});
