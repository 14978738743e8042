import assert from 'node:assert/strict';
import { Remembered } from '../../../lib/inference/remembered.ts';
import { FakeClock } from '../../support/fake-clock.ts';

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
});
