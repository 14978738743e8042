import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { OnnxError } from '../../../lib/onnx/errors.ts';
import { constantsOf, inputsOf, opsetOf, readDocument, writeDocument } from '../../../lib/onnx/document.ts';
import { attributeOf, makeNode, type AttributeValue } from '../../../lib/onnx/node.ts';
import { floatsOf, integersOf, makeIntegers, makeTensor } from '../../../lib/onnx/tensor.ts';
import { makeValue, tensorTypeOf } from '../../../lib/onnx/value.ts';
import { bytesField, integerField } from '../../../lib/protobuf.ts';
import { requirePath, shared } from '../../support/shared.ts';
import { bytes, FLOAT, floats, int64s, meanModel, modelOf, node, value } from '../inference/onnx.ts';

const MODELS = ['yolox_nano.onnx', 'resnet18_l123_features.onnx', 'mobilenetv1_100_features.onnx'];

/** What the graph answers to a picture that is not plain, of its own size or 64 × 64. */
async function answers(model: Uint8Array): Promise<Record<string, Float32Array>> {
  const session = await InferenceSession.create(model, { graphOptimizationLevel: 'disabled' });
  const [input] = session.inputMetadata;
  assert.ok(input?.isTensor === true);
  const dims = input.shape.map((dimension, axis) =>
    typeof dimension === 'number' ? dimension : ([1, 3, 64, 64][axis] ?? 1),
  );
  const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (i * 37) % 256);
  const results = await session.run({ [input.name]: new Tensor('float32', data, dims) });
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
}

describe('an ONNX document', () => {
  for (const name of MODELS) {
    it(`gives an equivalent ${name} when it is written as it was read`, async function () {
      const path = shared('data', 'models', name);
      requirePath(this, path, name);
      const bytes = await readFile(path);
      const written = writeDocument(readDocument(bytes));
      assert.deepEqual(writeDocument(readDocument(written)), written);
      assert.equal(written.length, bytes.length);
      assert.deepEqual(await answers(written), await answers(bytes));
    });
  }

  it('keeps what it does not know, of every part', () => {
    const unknown = bytesField(4000, 'kept');
    const written = writeDocument(
      readDocument(
        modelOf({
          graph: [
            bytes(1, node('Relu', ['x'], ['y']).subarray(2), unknown),
            bytes(5, floats('w', [1], [2]).subarray(2), unknown),
            value(11, 'x', FLOAT, [1]),
            value(12, 'y', FLOAT, [1]),
            unknown,
          ],
          more: [bytes(14, bytes(1, 'key'), bytes(2, 'value')), unknown],
        }),
      ),
    );
    assert.equal(written.toString('latin1').split('kept').length - 1, 4);
    assert.ok(written.includes('value'));
  });

  it('keeps integers of 64 bits in attributes it does not touch', () => {
    const end = 9223372036854775807n;
    const attribute = bytes(5, bytes(1, 'ends'), integerField(8, end), integerField(20, 7));
    const slice = bytes(1, bytes(1, 'x'), bytes(2, 'y'), bytes(4, 'Slice'), attribute);
    const written = writeDocument(readDocument(modelOf({ graph: [slice] })));
    assert.ok(written.includes(integerField(8, end)));
  });

  it('adds up a graph that stands in pieces', () => {
    const piece = bytes(7, node('Relu', ['y'], ['z']));
    const document = readDocument(modelOf({ graph: [node('Relu', ['x'], ['y'])], more: [piece] }));
    assert.deepEqual(
      document.graph.nodes.map(({ outputs }) => outputs),
      [['y'], ['z']],
    );
  });

  it('tells constants from what has to be fed', () => {
    const { graph } = readDocument(
      modelOf({ graph: [floats('w', [1], [2]), value(11, 'w', FLOAT, [1]), value(11, 'x', FLOAT, [1])] }),
    );
    assert.deepEqual(
      inputsOf(graph).map(({ name }) => name),
      ['x'],
    );
    assert.deepEqual([...constantsOf(graph).keys()], ['w']);
    assert.equal(opsetOf(readDocument(meanModel())), 13);
  });

  it('does not copy weights when it reads', () => {
    const file = modelOf({ graph: [floats('w', [2], [1, 2])] });
    const [tensor] = readDocument(file).graph.initializers;
    assert.equal(tensor?.raw?.buffer, file.buffer);
  });

  it('reads numbers however they are held', () => {
    const listed = bytes(
      5,
      integerField(1, 2),
      integerField(2, FLOAT),
      bytes(4, Buffer.from(Float32Array.of(1, -2).buffer)),
    );
    const packed = bytes(5, integerField(1, 2), integerField(2, 7), bytes(7, Buffer.from([1, 2])));
    const { initializers } = readDocument(
      modelOf({ graph: [floats('a', [3], [1, 2, 3]), int64s('b', [2], [-1, 7]), listed, packed] }),
    ).graph;
    assert.deepEqual(
      initializers.map((tensor) => [...(floatsOf(tensor) ?? integersOf(tensor) ?? [])]),
      [
        [1, 2, 3],
        [-1, 7],
        [1, -2],
        [1, 2],
      ],
    );
  });

  it('writes what it can read: attributes, tensors, values', () => {
    const of = (value: AttributeValue): ReturnType<typeof attributeOf> =>
      attributeOf(makeNode({ operator: 'X', inputs: [], outputs: [], attributes: { a: value } }), 'a');
    assert.equal(of(-5)?.integer, -5);
    assert.equal(of('nearest')?.text, 'nearest');
    assert.equal(of({ float: 0.5 })?.float, 0.5);
    assert.deepEqual(of([1, -1])?.integers, [1, -1]);
    const tensor = of(makeIntegers('t', [4, 5]))?.tensor;
    assert.deepEqual(tensor === undefined ? undefined : integersOf(tensor), [4, 5]);
    assert.deepEqual(tensorTypeOf(makeValue('v', FLOAT, [1, 'n', 3])), { type: FLOAT, dims: [1, 'n', 3] });
  });

  it('refuses a tensor that holds other numbers than it declares', () => {
    assert.throws(() => floatsOf(makeTensor('w', [3], Float32Array.of(1, 2))), { code: 'ONNX_INVALID' });
  });

  it('ends with a document or a coded error, whatever the bytes', () => {
    const file = meanModel();
    const cut = fc.integer({ min: 0, max: file.length }).map((end) => file.subarray(0, end));
    const spoilt = fc
      .array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { maxLength: 6 })
      .map((changes) => {
        const copy = Buffer.from(file);
        for (const [at, byte] of changes) copy[at] = byte;
        return copy;
      });
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), cut, spoilt), (bytes) => {
        try {
          const document = readDocument(bytes);
          for (const item of document.graph.nodes)
            for (const { name } of item.attributes) attributeOf(item, name);
          for (const item of document.graph.inputs) tensorTypeOf(item);
          writeDocument(document);
        } catch (error) {
          assert.ok(error instanceof OnnxError, String(error));
          refused += 1;
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(refused > 50);
  });

  it('refuses a file of more parts than a model has, before they fill the memory', () => {
    const parts = Buffer.alloc(3_000_000).fill(Buffer.from([0x0a, 0x00]));
    assert.throws(() => readDocument(modelOf({ graph: [parts] })), { code: 'ONNX_TOO_LARGE' });
    const packed = bytes(5, bytes(1, Buffer.alloc(1_100_000, 1)));
    assert.throws(() => readDocument(modelOf({ graph: [packed] })), { code: 'ONNX_TOO_LARGE' });
  });

  it('reads weights that are listed one by one, however many', () => {
    const count = 1_100_000;
    const listed = bytes(
      5,
      integerField(1, count),
      integerField(2, FLOAT),
      bytes(4, Buffer.alloc(4 * count)),
    );
    const [tensor] = readDocument(modelOf({ graph: [listed] })).graph.initializers;
    assert.equal(tensor === undefined ? undefined : floatsOf(tensor)?.length, count);
  });
});
