import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { checkParts } from '../../../lib/anomaly/check-parts.ts';
import type { Finding } from '../../../lib/anomaly/findings.ts';
import { realParts, type RealParts } from '../../support/good-parts.ts';

describe('pictures that are looked at before teaching', function () {
  this.timeout(60_000);
  let parts: RealParts;
  let folder: string;

  before(async function () {
    parts = await realParts(this);
    folder = await mkdtemp(join(tmpdir(), 'jidoka-check-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const put = async (name: string, picture: Promise<Buffer> | Buffer): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, await picture);
    return path;
  };
  const told = ({ findings }: { findings: Finding[] }): string[] =>
    findings
      .map(({ kind, source, leftOut }) => `${kind} ${basename(source)}${leftOut ? ' left out' : ''}`)
      .sort();

  it('have nothing said about them when they are different good parts', async () => {
    assert.deepEqual(await checkParts({ pictures: parts.goodPaths }), { parts: 12, findings: [] });
  });

  it('are pointed out where they are duplicates, blurred, burnt out, of another size or unreadable', async () => {
    const [first = '', second = '', third = '', fourth = '', fifth = ''] = parts.goodPaths;
    const others = await Promise.all([
      put('same.jpg', sharp(first).jpeg({ quality: 100 }).toBuffer()),
      put('copy.png', sharp(second).png().toBuffer()),
      put('copy-of-copy.png', sharp(second).png().toBuffer()),
      put('soft.jpg', sharp(third).blur(2).jpeg({ quality: 95 }).toBuffer()),
      put('bright.jpg', sharp(fourth).linear(2.5, 0).jpeg({ quality: 95 }).toBuffer()),
      put(
        'small.png',
        sharp(fifth).resize(320, 240).extract({ left: 20, top: 0, width: 300, height: 240 }).png().toBuffer(),
      ),
      put('torn.jpg', Buffer.from('no picture')),
    ]);
    const checked = await checkParts({ pictures: [...parts.goodPaths, ...others, join(folder, 'gone.png')] });
    const duplicate = checked.findings.find(({ source }) => basename(source) === 'same.jpg');
    assert.equal(duplicate?.ofSource, first);
    assert.equal(checked.findings.find(({ exact }) => exact)?.source, join(folder, 'copy-of-copy.png'));
    const expected = [
      'clipped bright.jpg',
      'duplicate copy-of-copy.png left out',
      'duplicate same.jpg left out',
      'other-size small.png',
      'unreadable gone.png left out',
      'unreadable torn.jpg left out',
    ];
    const all = told(checked);
    for (const line of expected) assert.ok(all.includes(line), `${line} is among ${all.join(', ')}`);
    assert.ok(all.includes('blurred soft.jpg'));
    assert.ok(
      !all.some(
        (line) => line.startsWith('blurred') && line !== 'blurred soft.jpg' && !line.includes('small'),
      ),
    );
  });

  it('are no duplicates where all good parts look alike', async () => {
    const flat = await Promise.all(
      Array.from({ length: 12 }, (_, index) => {
        const noise = { type: 'gaussian', mean: 128, sigma: 6 } as const;
        const picture = sharp({
          create: { width: 300, height: 300, channels: 3, background: '#888', noise },
        });
        return put(`flat-${index}.png`, picture.png().toBuffer());
      }),
    );
    assert.deepEqual((await checkParts({ pictures: flat })).findings, []);
  });
});
