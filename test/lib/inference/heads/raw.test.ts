import assert from 'node:assert/strict';
import { planRaw, RAW_LIMIT_BYTES } from '../../../../lib/inference/heads/raw.ts';
import { resolveInput } from '../../../../lib/inference/graph/input.ts';

const INPUT = { name: 'x', type: 'float32', shape: [1, 3, 8, 8] };
const PLACEMENT = { scaleX: 1, scaleY: 1, frameWidth: 8, frameHeight: 8 };
const outputs = ['a', 'b'].map((name) => ({ name, type: 'float32', shape: ['n'] }));
const recipe = resolveInput([INPUT], {});

describe('raw head', () => {
  it('hands on the outputs asked for, with their dimensions', () => {
    const head = planRaw({ task: 'raw', outputs: ['b'] }, { inputs: [INPUT], outputs }).bind(recipe);
    assert.deepEqual(head.outputs, ['b']);
    const b = { dims: [1, 2], data: Float32Array.of(1, 2) };
    const { prediction, tensors } = head.read({ b }, PLACEMENT);
    assert.deepEqual(tensors, { b });
    assert.deepEqual(prediction, { task: 'raw', outputs: { b: { dims: [1, 2], values: [1, 2] } } });
  });

  it('refuses what is too large for a message', () => {
    const head = planRaw({ task: 'raw' }, { inputs: [INPUT], outputs }).bind(recipe);
    const half = RAW_LIMIT_BYTES / 8;
    const tensor = (length: number) => ({ dims: [length], data: new Float32Array(length) });
    assert.doesNotThrow(() => head.read({ a: tensor(half), b: tensor(half) }, PLACEMENT));
    assert.throws(() => head.read({ a: tensor(half), b: tensor(half + 1) }, PLACEMENT), {
      code: 'OUTPUT_TOO_LARGE',
    });
  });

  it('refuses an output the graph does not have', () => {
    const plan = (): unknown => planRaw({ task: 'raw', outputs: ['c'] }, { inputs: [INPUT], outputs });
    assert.throws(plan, { code: 'MODEL_OUTPUT_UNSUPPORTED' });
  });

  it('leaves out what are no numbers, and refuses names that mean something to an object', () => {
    const named = (name: string, type = 'float32') => ({ name, type, shape: [1] });
    const plan = (...list: ReturnType<typeof named>[]): readonly string[] =>
      planRaw({ task: 'raw' }, { inputs: [INPUT], outputs: list }).bind(recipe).outputs;
    assert.deepEqual(plan(named('a'), named('text', 'string')), ['a']);
    for (const name of ['__proto__', 'constructor', 'x'.repeat(200)]) {
      assert.throws(() => plan(named(name)), { code: 'MODEL_OUTPUT_UNSUPPORTED' });
    }
  });

  it('stays below 256 kB of JSON', () => {
    const many = Array.from({ length: 64 }, (_, index) => ({
      name: `${index}`.padEnd(128, '\u0001'),
      type: 'float32',
      shape: ['n'],
    }));
    const head = planRaw({ task: 'raw' }, { inputs: [INPUT], outputs: many }).bind(recipe);
    const data = new Float32Array(RAW_LIMIT_BYTES / 4 / 64).fill(-1.1754943508222875e-38);
    const read = Object.fromEntries(many.map(({ name }) => [name, { dims: [1, data.length], data }]));
    assert.ok(JSON.stringify(head.read(read, PLACEMENT).prediction).length < 256_000);
  });
});
