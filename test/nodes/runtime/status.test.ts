import assert from 'node:assert/strict';
import { mock } from 'node:test';
import type { Node } from '../../../nodes/runtime/types.ts';
import { Status } from '../../../nodes/runtime/status.ts';

type Shown = Parameters<Node['status']>[0];

function badge(): { status: Status; shown: Shown[] } {
  const shown: Shown[] = [];
  const node = { status: (status: Shown): void => void shown.push(status) };
  const translate = (key: string, parameters?: Record<string, string | number>): string =>
    `${key.split('.').at(-1) ?? ''} ${Object.values(parameters ?? {}).join(' ')}`;
  return { status: new Status(node, 'plc-write', { translate, intervalMs: 250 }), shown };
}

describe('the status under a node', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('is a key of the catalogue, so that the editor shows it in the reader’s language', () => {
    const { status, shown } = badge();
    status.show('ready', 'armed');
    assert.deepEqual(shown, [{ fill: 'green', shape: 'dot', text: 'plc-write.status.armed' }]);
  });

  it('is translated here when it carries figures, and cut to 20 characters', () => {
    const { status, shown } = badge();
    status.show('degraded', 'missing', { count: 17, what: 'parts of this very station' });
    assert.deepEqual(shown, [{ fill: 'yellow', shape: 'ring', text: 'missing 17 parts of ' }]);
  });

  it('shows a failure by its code, in red', () => {
    const { status, shown } = badge();
    status.fail('PLC_CERTIFICATE_NOT_TRUSTED');
    assert.deepEqual(shown, [{ fill: 'red', shape: 'ring', text: 'PLC_CERTIFICATE_NOT_' }]);
  });

  it('uses one colour for one meaning', () => {
    const looks = {
      ready: 'green',
      working: 'blue',
      connecting: 'yellow',
      degraded: 'yellow',
      failed: 'red',
      disabled: 'grey',
    };
    for (const [look, fill] of Object.entries(looks)) {
      const { status, shown } = badge();
      status.show(look as keyof typeof looks, 'x');
      assert.equal((shown[0] as { fill: string }).fill, fill);
    }
  });

  it('thins out a burst: the first at once, then the newest once per interval', () => {
    const { status, shown } = badge();
    for (let part = 1; part <= 100; part += 1) status.show('working', 'part', { part });
    assert.equal(shown.length, 1);
    mock.timers.tick(250);
    assert.deepEqual(
      shown.map((item) => (item as { text: string }).text),
      ['part 1', 'part 100'],
    );
    status.show('ready', 'idle');
    assert.equal(shown.length, 2, 'the interval holds after a late one too');
    mock.timers.tick(250);
    assert.equal(shown.length, 3);
    mock.timers.tick(10_000);
    assert.equal(shown.length, 3, 'nothing is repeated');
    status.show('ready', 'armed');
    assert.equal(shown.length, 4, 'after a quiet interval the next one shows at once');
  });

  it('is empty after clear, whatever was waiting', () => {
    const { status, shown } = badge();
    status.show('working', 'first');
    status.show('working', 'second');
    status.clear();
    mock.timers.tick(1_000);
    assert.deepEqual(shown.at(-1), {});
    assert.equal(shown.length, 2);
  });

  it('stays empty after clear: the node under that id may be another one by then', () => {
    const { status, shown } = badge();
    status.clear();
    status.show('failed', 'late');
    status.fail('LATE');
    mock.timers.tick(1_000);
    assert.deepEqual(shown, [{}]);
  });
});
