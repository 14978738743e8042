import assert from 'node:assert/strict';
import { checkRegions } from '../../../lib/frame/region.ts';

const points = [
  [1, 1],
  [9, 1],
  [9, 9],
];
const part = { name: 'left', kind: 'part', points };

function refuses(regions: unknown, message: RegExp): void {
  assert.throws(() => checkRegions(regions), { code: 'REGION_INVALID', message });
}

describe('region', () => {
  it('takes parts and masks as they were drawn, and nothing else of what was saved', () => {
    const mask = { name: '', kind: 'mask', points };
    assert.deepEqual(checkRegions([{ ...part, colour: 'red' }, mask, mask]), [part, mask, mask]);
    assert.deepEqual(checkRegions([]), []);
  });

  it('names the region it refuses, by its place where it has no name', () => {
    refuses([part, { ...part, name: 'right', points: points.slice(1) }], /region right has fewer than 3/);
    refuses([part, { ...part, name: '' }], /region 2 needs a name/);
    refuses([part, null], /region 2 is neither/);
  });

  it('refuses what has no meaning', () => {
    refuses('all', /not a list/);
    refuses(Array(33).fill({ ...part, kind: 'mask' }), /33 regions are more than 32/);
    refuses([part, part], /two regions are named left/);
    refuses([{ ...part, kind: 'hole' }], /neither a part nor a mask/);
    refuses([{ ...part, name: 'a\nb' }], /printable/);
    refuses([{ ...part, name: 'x'.repeat(65) }], /printable/);
    refuses([{ ...part, name: '  ' }], /printable/);
    refuses([{ ...part, points: 'M0 0' }], /fewer than 3 points/);
    refuses([{ ...part, points: Array(257).fill([1, 1]) }], /more than 256 points/);
    for (const point of [[1], [1, 2, 3], [-1, 2], [NaN, 2], [Infinity, 2], ['1', '2'], null]) {
      refuses([{ ...part, points: [...points, point] }], /not two numbers from 0/);
    }
    refuses([{ ...part, points: [points[0], points[1], points[0]] }], /no area/);
  });
});
