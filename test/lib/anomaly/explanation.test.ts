import assert from 'node:assert/strict';
import sharp from 'sharp';
import {
  defectsOf,
  explanationPicture,
  keepable,
  likeness,
  mostAlike,
} from '../../../lib/anomaly/explanation.ts';
import { Frame } from '../../../lib/frame/frame.ts';

const SIZE = { width: 320, height: 200 };

function plain(level: number): Frame {
  const { width, height } = SIZE;
  return new Frame(Buffer.alloc(width * height * 3, level), { ...SIZE, format: 'rgb', source: 'test' });
}

function picture(nearest: Frame | undefined): Frame {
  const map = Float32Array.from({ length: 16 }, (_, patch) => (patch === 0 ? 9 : 1));
  const boxes = [[0, 0, 80, 50] as [number, number, number, number]];
  const heat = { map, level: 3 };
  return explanationPicture({ frame: plain(90), heat, boxes, nearest: () => Promise.resolve(nearest) });
}

describe('the explanation of a part', () => {
  it('says of each unusual place how large it is and where', () => {
    const defects = defectsOf(
      [
        [0, 0, 32, 20],
        [150, 90, 20, 20],
        [300, 180, 20, 20],
      ],
      SIZE,
    );
    assert.deepEqual(
      defects.map(({ place }) => place),
      ['top-left', 'middle-centre', 'bottom-right'],
    );
    assert.deepEqual(defects[0], {
      box: [0, 0, 32, 20],
      areaShare: 0.01,
      x: 0.05,
      y: 0.05,
      place: 'top-left',
    });
  });

  it('shows the part with its places beside the good part most like it', async () => {
    const explained = picture(plain(200));
    assert.deepEqual([explained.width, explained.height], [648, 200]);
    const { data, info } = await sharp(await explained.read())
      .raw()
      .toBuffer({ resolveWithObject: true });
    const at = (x: number, y: number) => [
      ...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3),
    ];
    const [red = 0, , blue = 255] = at(30, 20);
    assert.ok(red > 180 && blue < 60, `the unusual place is ${at(30, 20).join()}`);
    assert.ok(Math.abs((at(300, 180)[0] ?? 0) - 90) < 4, 'the rest of the part is as it came');
    assert.ok(Math.abs((at(500, 100)[0] ?? 0) - 200) < 4, 'the good part is to the right');
  });

  it('is there without a good part to compare with', async () => {
    const { width } = await sharp(await picture(undefined).read()).metadata();
    assert.equal(width, 648);
  });

  it('finds the part that looks most alike', async () => {
    const levels = await Promise.all([10, 100, 220].map((level) => likeness(plain(level))));
    assert.equal(mostAlike(await likeness(plain(112)), levels), 1);
    assert.equal(mostAlike(await likeness(plain(112)), []), -1);
  });

  it('keeps raw pixels without loss and encoded ones as they came', async () => {
    const raw = await keepable(plain(90));
    assert.equal(raw.format, 'png');
    const pixels = await sharp(raw.bytes).raw().toBuffer();
    assert.deepEqual(pixels, await plain(90).read());
    const jpeg = await sharp(raw.bytes).jpeg().toBuffer();
    const kept = await keepable(new Frame(jpeg, { ...SIZE, format: 'jpeg', source: 'test' }));
    assert.deepEqual(kept, { bytes: jpeg, format: 'jpeg' });
  });
});
