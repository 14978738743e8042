import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { readBackbone } from '../../../../lib/anomaly/backbone.ts';
import { headOf } from '../../../../lib/anomaly/heads/head.ts';
import { METHODS } from '../../../../lib/anomaly/method.ts';
import { distancesOf, fitHeads } from '../../../../lib/anomaly/heads/memory.ts';
import { appendToModel, standaloneModel } from '../../../../lib/anomaly/onnx-graph.ts';
import { InferenceError } from '../../../../lib/inference/errors.ts';
import { GRAPH_LIMITS } from '../../../../lib/inference/model/graph.ts';
import { scanModel } from '../../../../lib/inference/model/scan.ts';
import { integerField } from '../../../../lib/protobuf.ts';
import { requirePath, shared } from '../../../support/shared.ts';
import {
  bytes,
  colourModel,
  FLOAT,
  floats,
  INT64,
  int64s,
  logModel,
  meanModel,
  meanOfImage,
  model,
  modelOf,
  node,
  slowModel,
  value,
  type Field,
} from '../onnx.ts';

const mean = [...meanOfImage, value(12, 'mean', FLOAT, [1])];

/** A sound graph with these fields added. */
function withFields(...fields: readonly Field[]): Buffer {
  return model(...mean, ...fields);
}

function tensor(dims: readonly number[], type: number, ...data: readonly Field[]): Field {
  return bytes(5, ...dims.map((dim) => integerField(1, dim)), integerField(2, type), bytes(8, 'w'), ...data);
}

function refuses(graph: Buffer, code: string, message: RegExp): void {
  assert.throws(
    () => scanModel(graph),
    (error: InferenceError) => {
      assert.ok(error instanceof InferenceError, error);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.ok((error.hint ?? '').length > 10, 'says what to do');
      return true;
    },
  );
}

function passes(graph: Buffer): void {
  assert.doesNotThrow(() => scanModel(graph));
}

describe('model scan', () => {
  describe('lets pass', () => {
    it('the models of the tests', () => {
      for (const build of [meanModel, logModel, colourModel, slowModel]) passes(build());
    });

    for (const file of ['mobilenetv1_100_features', 'resnet18_l123_features', 'yolox_nano']) {
      it(`${file}, as it was exported`, function () {
        const path = shared('data', 'models', `${file}.onnx`);
        requirePath(this, path, 'the model');
        passes(readFileSync(path));
      });
    }

    it('a taught model: a head put behind the backbone', async () => {
      const { bytes: backbone } = await readBackbone();
      passes(backbone);
      const shape = { channels: 128, grid: { columns: 28, rows: 28 } };
      const parts = Array.from({ length: 3 }, (_, part) => new Float32Array(128 * 784).fill(part));
      const options = { size: 90, seed: 1 };
      const heads = await fitHeads({ ...shape, parts }, ['patch-nn', 'position-nn', 'padim'], options);
      for (const method of METHODS) {
        const distances = distancesOf(shape, method, { ...heads, spreads: [1, 1] }, options);
        passes(appendToModel(backbone, headOf(shape, distances)));
        passes(standaloneModel(headOf(shape, distances, { standalone: true })));
      }
    });

    it('every opset and IR version the runtime reads', () => {
      for (const opset of [7, 26]) passes(modelOf({ graph: mean, opset }));
      for (const irVersion of [3, 13]) passes(modelOf({ graph: mean, irVersion }));
    });

    it('operators of quantised models', () => {
      const quantised = bytes(
        1,
        bytes(1, 'mean'),
        bytes(2, 'q'),
        bytes(4, 'QLinearSigmoid'),
        bytes(7, 'com.microsoft'),
      );
      passes(withFields(quantised, node('DynamicQuantizeLinear', ['mean'], ['x', 'scale', 'zero'])));
    });

    it('nodes in any order, optional inputs left out and shapes left open', () => {
      passes(
        model(
          node('Relu', ['clipped'], ['y']),
          node('Clip', ['x', '', 'most'], ['clipped']),
          floats('most', [], [6]),
          value(11, 'x', FLOAT, ['batch', 3, -1, 'width']),
          value(12, 'y', FLOAT, ['batch', 3, -1, 'width']),
        ),
      );
    });

    it('data written as lists and numbers of less than a byte', () => {
      passes(withFields(tensor([3], INT64, integerField(7, 1), integerField(7, 2), integerField(7, -1))));
      passes(withFields(tensor([3], 22, bytes(9, Buffer.alloc(2)))));
      passes(withFields(tensor([0, 4], FLOAT)));
    });

    it('operators that make as much as a picture needs', () => {
      passes(
        withFields(
          floats('scales', [4], [1, 2, 2, 1]),
          node('Resize', ['pixels', '', 'scales'], ['twice']),
          int64s('shape', [4], [1, 256, 80, 80]),
          node('ConstantOfShape', ['shape'], ['zeros']),
          int64s('margins', [8], [0, 3, 3, 0, 0, 3, 3, 0]),
          node('Pad', ['pixels', 'margins'], ['wider']),
          node('Tile', ['pixels', 'shape'], ['tiles']),
        ),
      );
    });
  });

  describe('refuses', () => {
    it('versions the runtime does not read, and says which it does', () => {
      for (const opset of [1, 6, 27]) {
        refuses(modelOf({ graph: mean, opset }), 'MODEL_OPSET_UNSUPPORTED', /opset \d+; 7 to 26/);
      }
      for (const irVersion of [2, 14, -1]) {
        refuses(modelOf({ graph: mean, irVersion }), 'MODEL_OPSET_UNSUPPORTED', /IR version -?\d+; 3 to 13/);
      }
      const none = Buffer.concat([integerField(1, 8), bytes(7, ...mean)]);
      refuses(none, 'MODEL_OPSET_UNSUPPORTED', /no opset/);
    });

    it('a file cut off anywhere', () => {
      const whole = meanModel();
      for (let length = 0; length < whole.length; length += 1) {
        assert.throws(() => scanModel(whole.subarray(0, length)), InferenceError, `after ${length} bytes`);
      }
    });

    it('a file without a graph, and a graph without an output', () => {
      const opset = bytes(8, integerField(2, 13));
      refuses(Buffer.concat([integerField(1, 8), opset]), 'MODEL_INVALID', /no graph/);
      refuses(model(...meanOfImage), 'MODEL_INVALID', /no output/);
    });

    it('operators that are not on the list, whose they ever are', () => {
      const of = (operator: string, domain: string): Buffer =>
        withFields(bytes(1, bytes(1, 'mean'), bytes(2, 'y'), bytes(4, operator), bytes(7, domain)));
      refuses(of('RandomNormalLike', ''), 'MODEL_OPERATOR_REFUSED', /node 2 "" \(RandomNormalLike\)/);
      refuses(of('SequenceMap', 'ai.onnx'), 'MODEL_OPERATOR_REFUSED', /loop or a branch/);
      refuses(of('Relu', 'com.microsoft'), 'MODEL_OPERATOR_REFUSED', /"com.microsoft"/);
      refuses(of('TreeEnsemble', 'ai.onnx.ml'), 'MODEL_OPERATOR_REFUSED', /"ai.onnx.ml"/);
    });

    it('a graph in an attribute of any operator', () => {
      const graph = node('Relu', ['mean'], ['y'], { hidden: Buffer.alloc(0) });
      refuses(withFields(graph), 'MODEL_OPERATOR_REFUSED', /graph of its own/);
    });

    it('training steps', () => {
      refuses(modelOf({ graph: mean, more: [bytes(20, '')] }), 'MODEL_INVALID', /training/);
    });

    it('a message that comes in two pieces, of which each alone would be harmless', () => {
      const piece = bytes(5, integerField(1, 1), integerField(2, FLOAT), bytes(9, Buffer.alloc(4)));
      const constant = bytes(
        1,
        bytes(2, 'c'),
        bytes(4, 'Constant'),
        bytes(5, bytes(1, 'value'), piece, piece),
      );
      refuses(withFields(constant), 'MODEL_INVALID', /second time/);
    });

    it('data that is declared outside the file in either way', () => {
      const raw = bytes(9, Buffer.alloc(4));
      refuses(withFields(tensor([1], FLOAT, raw, integerField(14, 1))), 'MODEL_EXTERNAL_DATA', /"w"/);
      refuses(withFields(tensor([1], FLOAT, raw, bytes(13, ''))), 'MODEL_EXTERNAL_DATA', /"w"/);
    });

    it('tensors whose shape, type and data do not agree', () => {
      const four = bytes(9, Buffer.alloc(4));
      refuses(withFields(tensor([2], FLOAT, four)), 'MODEL_INVALID', /declares 8 bytes and holds 4/);
      refuses(withFields(tensor([-1], FLOAT, four)), 'MODEL_INVALID', /impossible shape/);
      refuses(
        withFields(tensor(Array<number>(100).fill(1), FLOAT, four)),
        'MODEL_INVALID',
        /impossible shape/,
      );
      refuses(withFields(tensor([1], 99, four)), 'MODEL_INVALID', /element type 99/);
      refuses(withFields(tensor([1], 2 ** 32 + 1, four)), 'MODEL_INVALID', /element type/);
      refuses(withFields(tensor([3], FLOAT, bytes(4, Buffer.alloc(8)))), 'MODEL_INVALID', /holds 2 at most/);
      refuses(withFields(tensor([3], INT64, bytes(7, Buffer.alloc(2)))), 'MODEL_INVALID', /holds 2 at most/);
      refuses(withFields(tensor([2], 8, bytes(6, 'one'))), 'MODEL_INVALID', /holds 1 at most/);
    });

    it('sizes that overflow', () => {
      refuses(withFields(tensor([2 ** 40, 2 ** 40], FLOAT)), 'MODEL_TENSOR_TOO_LARGE', /"w"/);
      refuses(withFields(tensor(Array<number>(64).fill(2 ** 62), FLOAT)), 'MODEL_TENSOR_TOO_LARGE', /"w"/);
    });

    it('operators whose constants ask for too much, directly or through other nodes', () => {
      const tooMuch = (...fields: Field[]): void =>
        refuses(withFields(...fields), 'MODEL_TENSOR_TOO_LARGE', /node \d+ "" \(\w+\) makes/);
      const big = int64s('big', [1], [2 ** 30]);
      tooMuch(tensor([1], INT64, integerField(7, 2 ** 30)), node('ConstantOfShape', ['w'], ['y']));
      tooMuch(big, node('Identity', ['big'], ['same']), node('ConstantOfShape', ['same'], ['y']));
      tooMuch(int64s('many', [65], Array<number>(65).fill(2)), node('ConstantOfShape', ['many'], ['y']));
      tooMuch(node('Upsample', ['pixels'], ['y'], { scales: [1, 9999, 9999, 1] }));
      tooMuch(node('Pad', ['pixels'], ['y'], { pads: [0, 0, 0, 0, 0, 20_000, 20_000, 0] }));
      tooMuch(big, node('OneHot', ['pixels', 'big', 'mean'], ['y']));
      tooMuch(node('ConvTranspose', ['pixels', 'pixels'], ['y'], { strides: [10_000, 10_000] }));
      tooMuch(
        node('RoiAlign', ['pixels', 'a', 'b'], ['y'], { output_height: 50_000, output_width: 50_000 }),
        floats('a', [1, 4], [0, 0, 1, 1]),
        int64s('b', [1], [0]),
      );
      tooMuch(
        floats('from', [], [0]),
        floats('to', [], [1]),
        floats('step', [], [1e-9]),
        node('Range', ['from', 'to', 'step'], ['y']),
      );
    });

    it('many operators that only together ask for too much', () => {
      const each = Array.from({ length: 5 }, (_, i) => node('ConstantOfShape', ['shape'], [`y${i}`]));
      refuses(
        withFields(int64s('shape', [1], [65_000_000]), ...each),
        'MODEL_TENSOR_TOO_LARGE',
        /those before it make 1300000000 bytes/,
      );
    });

    it('a chain of constants that doubles with each node, without following it', () => {
      const chain = Array.from({ length: 64 }, (_, i) =>
        node('Concat', [`c${i}`, `c${i}`], [`c${i + 1}`], { axis: 0 }),
      );
      passes(withFields(int64s('c0', [1], [1]), ...chain));
    });

    it('names that are made twice, by nobody or in a circle', () => {
      refuses(
        withFields(node('Relu', ['mean'], ['pixels'])),
        'MODEL_INVALID',
        /"pixels", which is there already/,
      );
      refuses(
        withFields(node('Relu', ['mean'], ['image'])),
        'MODEL_INVALID',
        /"image", which is there already/,
      );
      refuses(withFields(node('Relu', ['none'], ['y'])), 'MODEL_INVALID', /needs "none"/);
      refuses(withFields(value(12, 'none', FLOAT, [1])), 'MODEL_INVALID', /output "none"/);
      refuses(withFields(node('Relu', ['y'], ['y'])), 'MODEL_INVALID', /circle/);
      refuses(
        withFields(floats('w', [1], [1]), floats('w', [1], [2])),
        'MODEL_INVALID',
        /two initializers are named "w"/,
      );
    });

    it('names that are not UTF-8 or longer than any name', () => {
      const named = (name: Buffer): Buffer =>
        withFields(bytes(1, bytes(1, 'mean'), bytes(2, 'y'), bytes(3, name), bytes(4, 'Relu')));
      passes(named(Buffer.from('Prüfung \uFFFD')));
      refuses(named(Buffer.from([0xc3, 0x28])), 'MODEL_INVALID', /name at byte \d+ is not UTF-8/);
      refuses(named(Buffer.alloc(5000, 0x61)), 'MODEL_INVALID', /too long/);
    });

    it('more nodes or fields than its limits', () => {
      const code = 'MODEL_TOO_LARGE';
      const graph = meanModel();
      assert.throws(() => scanModel(graph, { ...GRAPH_LIMITS, nodes: 3 }), { code, message: /3 nodes/ });
      assert.throws(() => scanModel(graph, { ...GRAPH_LIMITS, fields: 50 }), { code, message: /50 parts/ });
    });
  });

  it('answers with a coded error or none, whatever is changed in a model', () => {
    const whole = Buffer.concat([meanModel(), slowModel()]);
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const changed = Buffer.from(whole);
        for (const [offset, byte] of changes) changed[offset] = byte;
        try {
          scanModel(changed);
        } catch (error) {
          assert.ok(error instanceof InferenceError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('copies no weights', () => {
    const weights = Array.from({ length: 50 }, (_, i) =>
      bytes(
        5,
        integerField(1, 250_000),
        integerField(2, FLOAT),
        bytes(8, `w${i}`),
        bytes(9, Buffer.alloc(1e6)),
      ),
    );
    const large = withFields(...weights);
    const before = process.memoryUsage().arrayBuffers;
    scanModel(large);
    assert.ok(process.memoryUsage().arrayBuffers - before < 1e6);
  });
});
