import assert from 'node:assert/strict';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { mobileNetV2, resnet18, yolov8n, type Net } from '../../bench/nets.ts';

/**
 * The published figures. Batch normalisation, two numbers a channel, is folded to one bias; the
 * numbers of YOLOv8's 16 distance bins are constants.
 */
const PUBLISHED = [
  { make: mobileNetV2, parameters: 3_504_872 - 17_056, gigaMacs: 0.301, output: [1, 1000] },
  { make: resnet18, parameters: 11_689_512 - 4800, gigaMacs: 1.814, output: [1, 1000] },
  { make: yolov8n, parameters: 3_151_904 - 16, gigaMacs: 4.37, output: [1, 84, 8400] },
];

/** Of one grey picture. */
async function outputOf({ bytes, side }: Net): Promise<Tensor> {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  try {
    const images = new Tensor('float32', new Float32Array(3 * side * side).fill(0.5), [1, 3, side, side]);
    return (await session.run({ images }))['output0'] as Tensor;
  } finally {
    await session.release();
  }
}

describe('nets of the benches', () => {
  for (const { make, parameters, gigaMacs, output } of PUBLISHED) {
    it(`${make.name} has the parameters, multiply-accumulates and output of its paper`, async () => {
      const net = make();
      assert.equal(net.parameters, parameters);
      assert.equal(Number((net.macs / 1e9).toPrecision(3)), Number(gigaMacs.toPrecision(3)));
      const { dims, data } = await outputOf(net);
      assert.deepEqual([...dims], output);
      assert.ok((data as Float32Array).every(Number.isFinite));
    });
  }

  it('the same net has the same weights each time', () => {
    assert.ok(mobileNetV2().bytes.equals(mobileNetV2().bytes));
  });
});
