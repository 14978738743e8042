import assert from 'node:assert/strict';
import { Turns } from '../../../lib/capture/turns.ts';

describe('turns', () => {
  const { signal } = new AbortController();
  let turns: Turns;
  let done: string[];
  /** Takes a turn that lasts until the function that is returned is called. */
  const begin = (name: string): (() => void) => {
    let end: () => void = () => undefined;
    const lasting = new Promise<void>((resolve) => (end = resolve));
    void turns.take(async () => {
      done.push(name);
      await lasting;
    }, signal);
    return end;
  };

  beforeEach(() => {
    turns = new Turns();
    done = [];
  });

  it('go round in the order they were asked for, one at a time', async () => {
    const ends = [begin('first'), begin('second')];
    const third = turns.take(() => Promise.resolve(done.push('third')), signal);
    assert.deepEqual(done, ['first']);
    for (const end of ends) end();
    await third;
    assert.deepEqual(done, ['first', 'second', 'third']);
  });

  it('go on after work that fails', async () => {
    await assert.rejects(
      turns.take(() => Promise.reject(new Error('broken')), signal),
      /broken/,
    );
    assert.equal(await turns.take(() => Promise.resolve(7), signal), 7);
  });

  it('pass over who has gone, before and while the turn comes', async () => {
    const end = begin('first');
    const [gone, leaving] = [new AbortController(), new AbortController()];
    const work = (): Promise<unknown> => Promise.resolve(done.push('never'));
    const ended = [gone, leaving].map(({ signal: their }) => assert.rejects(turns.take(work, their), /left/));
    gone.abort(new Error('left'));
    end();
    const last = turns.take(() => Promise.resolve(), signal);
    leaving.abort(new Error('left'));
    await Promise.all([...ended, last]);
    await assert.rejects(turns.take(work, gone.signal), /left/);
    assert.deepEqual(done, ['first']);
  });
});
