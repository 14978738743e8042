import assert from 'node:assert/strict';
import { readInTurn, writeInTurn, type Reading, type WriteAnswer } from '../../../lib/plc/transport.ts';

describe('what is asked of a PLC in turn', () => {
  /** Takes a few milliseconds for each request. */
  class SlowLink {
    readonly timeouts: number[] = [];
    #take(timeoutMs: number): void {
      this.timeouts.push(timeoutMs);
      const from = performance.now();
      while (performance.now() - from < 5);
    }
    read(_tag: string, timeoutMs: number): Promise<Reading> {
      this.#take(timeoutMs);
      return Promise.resolve({ value: 1, good: true, status: 'Good', sourceAt: null });
    }
    write(_tag: string, _value: unknown, _type: string, timeoutMs: number): Promise<WriteAnswer> {
      this.#take(timeoutMs);
      return Promise.resolve({ result: 'good', status: 'Good' });
    }
  }
  const isShared = ([first = 0, second = 0, third = 0]: number[]): void =>
    assert.ok(first <= 1000 && second <= first - 4 && third <= second - 4, String([first, second, third]));

  it('shares one time when it is read', async () => {
    const link = new SlowLink();
    await readInTurn(link, ['a', 'b', 'c'], 1000);
    isShared(link.timeouts);
  });

  it('shares one time when it is written', async () => {
    const link = new SlowLink();
    const block = ['a', 'b', 'c'].map((tag) => ({ tag, value: 1, dataType: 'Int16' }) as const);
    await writeInTurn(link, block, 1000);
    isShared(link.timeouts);
  });
});
