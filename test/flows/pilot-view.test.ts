/** What the function behind the operator's page makes of the messages it gets, as it stands in the flow. */
import assert from 'node:assert/strict';
import { compileFunction } from 'node:vm';
import { readPilotFlow } from '../../plant/pilot-flow.ts';

interface View {
  station: string;
  teaching: unknown;
  alarms: { code: string; text: string }[];
  counts: Record<string, number>;
}

describe('the view of the pilot station', () => {
  let kept: Map<string, unknown>;
  let run: (msg: object) => { payload: View } | null;

  beforeEach(() => {
    kept = new Map();
    const context = {
      get: (key: string) => structuredClone(kept.get(key)),
      set: (key: string, value: unknown) => void kept.set(key, structuredClone(value)),
    };
    const view = readPilotFlow().find(({ id }) => id === 'pilot-view');
    const call = compileFunction(String(view?.['func']), ['msg', 'context', 'node', 'env']) as (
      ...values: unknown[]
    ) => ReturnType<typeof run>;
    run = (msg) =>
      call(msg, context, { warn: (error: unknown) => assert.ifError(error) }, { get: () => 'Press 4' });
  });

  const lesson = { stage: 'folds', done: 1, total: 5, fraction: 0.6 };
  const teaching = (payload: object) => run({ topic: 'jidoka/teaching', payload })?.payload;
  it('shows a lesson until it ends, however it ends', () => {
    assert.deepEqual(teaching(lesson)?.teaching, lesson);
    const cancelled = teaching({ ended: 'cancelled' });
    assert.deepEqual([cancelled?.teaching, cancelled?.alarms], [null, []]);
    teaching(lesson);
    const failed = teaching({ ended: 'failed', code: 'TEACH_TOO_FEW', message: 'nine parts are too few' });
    assert.equal(failed?.teaching, null);
    assert.deepEqual(
      failed.alarms.map(({ code, text }) => [code, text]),
      [['TEACH_TOO_FEW', 'nine parts are too few']],
    );
  });

  it('says that parts no longer look as taught', () => {
    const payload = { code: 'DRIFT', message: 'scores have risen' };
    const alarms = run({ topic: 'jidoka/drift', payload })?.payload.alarms;
    assert.deepEqual(
      alarms?.map(({ code, text }) => [code, text]),
      [['DRIFT', 'scores have risen']],
    );
  });

  it('tells the page which station it shows', () => {
    assert.equal(run({ topic: 'line', payload: {} })?.payload.station, 'Press 4');
  });
});
