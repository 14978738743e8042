/** Writes the tiny ONNX graphs the tests run: just enough of onnx.proto3, opset 13. */
import { bytesField, integerField } from '../../../lib/protobuf.ts';

export type Field = Buffer;

export const FLOAT = 1;
const UINT8 = 2;
export const INT64 = 7;
const BOOL = 9;

/** A message, or a text, of parts. */
export function bytes(field: number, ...content: (Buffer | string)[]): Field {
  return bytesField(field, Buffer.concat(content.map((part) => Buffer.from(part))));
}

export function value(field: number, name: string, type: number, shape: readonly (number | string)[]): Field {
  const dimensions = shape.map((dimension) =>
    bytes(1, typeof dimension === 'number' ? integerField(1, dimension) : bytes(2, dimension)),
  );
  return bytes(field, bytes(1, name), bytes(2, bytes(1, integerField(1, type), bytes(2, ...dimensions))));
}

type Attribute = number | readonly number[] | Buffer;

/** Numbers become `i`, lists `ints`, a Buffer is a graph. */
function attribute(name: string, content: Attribute): Field {
  if (Buffer.isBuffer(content)) return bytes(5, bytes(1, name), bytes(6, content), integerField(20, 5));
  if (typeof content === 'number')
    return bytes(5, bytes(1, name), integerField(3, content), integerField(20, 2));
  return bytes(5, bytes(1, name), ...content.map((entry) => integerField(8, entry)), integerField(20, 7));
}

export function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): Field {
  return bytes(
    1,
    ...inputs.map((name) => bytes(1, name)),
    ...outputs.map((name) => bytes(2, name)),
    bytes(4, operator),
    ...Object.entries(attributes).map(([name, content]) => attribute(name, content)),
  );
}

export function floats(name: string, dims: readonly number[], values: readonly number[]): Field {
  const raw = Buffer.from(Float32Array.from(values).buffer);
  return bytes(
    5,
    ...dims.map((dim) => integerField(1, dim)),
    integerField(2, FLOAT),
    bytes(8, name),
    bytes(9, raw),
  );
}

function truth(name: string): Field {
  return bytes(5, integerField(2, BOOL), bytes(8, name), bytes(9, Buffer.from([1])));
}

export function model(...graph: Field[]): Buffer {
  return modelOf({ graph });
}

/** A model of other versions than the usual, or with more in it than a graph. */
export function modelOf({
  graph,
  opset = 13,
  irVersion = 8,
  more = [],
}: {
  graph: readonly Field[];
  opset?: number;
  irVersion?: number;
  more?: readonly Field[];
}): Buffer {
  return Buffer.concat([
    integerField(1, irVersion),
    bytes(7, bytes(2, 'graph'), ...graph),
    bytes(8, integerField(2, opset)),
    ...more,
  ]);
}

const SIDE = 8;
const IMAGE = [1, SIDE, SIDE, 3];

/** uint8 image → `mean` of its pixels, 0…255. */
export const meanOfImage = [
  value(11, 'image', UINT8, IMAGE),
  node('Cast', ['image'], ['pixels'], { to: FLOAT }),
  node('ReduceMean', ['pixels'], ['mean'], { axes: [1, 2, 3], keepdims: 0 }),
];

/** Score = mean, map = mean over the channels, and an output nobody needs. */
export function meanModel(): Buffer {
  return model(
    ...meanOfImage,
    node('Identity', ['mean'], ['score']),
    node('ReduceMean', ['pixels'], ['map'], { axes: [0, 3], keepdims: 0 }),
    value(12, 'score', FLOAT, [1]),
    value(12, 'map', FLOAT, [SIDE, SIDE]),
    value(12, 'pixels', FLOAT, IMAGE),
  );
}

/** Score = log(mean): −∞ for a black image. */
export function logModel(): Buffer {
  return model(
    ...meanOfImage,
    node('Log', ['mean'], ['score']),
    node('ReduceMean', ['pixels'], ['map'], { axes: [0, 3], keepdims: 0 }),
    value(12, 'score', FLOAT, [1]),
    value(12, 'map', FLOAT, [SIDE, SIDE]),
  );
}

/** As a head reads them: `score` and `map`, one number each. */
export const scoreAndMap = [value(12, 'score', FLOAT, [1]), value(12, 'map', FLOAT, [1])];

/** Score = mean, and a square map of it with so many numbers a side. */
export function mapModel(side: number): Buffer {
  return model(
    ...meanOfImage,
    node('Identity', ['mean'], ['score']),
    int64s('shape', [2], [side, side]),
    node('Expand', ['mean', 'shape'], ['map']),
    value(12, 'score', FLOAT, [1]),
    value(12, 'map', FLOAT, [side, side]),
  );
}

/** Answers at once for a black image (and so in the warm-up), in many seconds for a bright one, without a loop. */
export function slowModel(): Buffer {
  const rounds = 40;
  return model(
    ...meanOfImage,
    floats('factor', [1], [15]),
    floats('one', [1], [1]),
    // a square matrix of 3 000 numbers a side at grey 200
    node('Mul', ['mean', 'factor'], ['product']),
    node('Max', ['product', 'one'], ['atLeastOne']),
    node('Cast', ['atLeastOne'], ['side'], { to: INT64 }),
    node('Concat', ['side', 'side'], ['shape'], { axis: 0 }),
    node('Expand', ['mean', 'shape'], ['power0']),
    ...Array.from({ length: rounds }, (_, round) =>
      node('MatMul', [`power${round}`, 'power0'], [`power${round + 1}`]),
    ),
    node('ReduceMean', [`power${rounds}`], ['total'], { axes: [0, 1], keepdims: 0 }),
    node('Max', ['total', 'mean'], ['score']),
    node('Identity', ['mean'], ['map']),
    ...scoreAndMap,
  );
}

/** Body of a Loop that goes on as long as it may and adds this value each time. */
function addingBody(added: string): Buffer {
  return Buffer.concat([
    bytes(2, 'body'),
    value(11, 'iteration', INT64, []),
    value(11, 'condition', BOOL, []),
    value(11, 'before', FLOAT, [1]),
    node('Identity', ['condition'], ['goOn']),
    node('Add', ['before', added], ['after']),
    value(12, 'goOn', BOOL, []),
    value(12, 'after', FLOAT, [1]),
  ]);
}

/** Answers at once for a black image (and so in the warm-up), never for a bright one. */
export function endlessModel(): Buffer {
  const body = addingBody('one');
  return model(
    ...meanOfImage,
    floats('many', [1], [1e15]),
    floats('one', [1], [1]),
    truth('true'),
    node('Mul', ['mean', 'many'], ['product']),
    node('Cast', ['product'], ['trips'], { to: INT64 }),
    node('Loop', ['trips', 'true', 'mean'], ['score'], { body }),
    node('Identity', ['mean'], ['map']),
    value(12, 'score', FLOAT, [1]),
    value(12, 'map', FLOAT, [1]),
  );
}

/** Never answers, whatever it is shown. */
export function endlessAtOnceModel(): Buffer {
  const body = addingBody('before');
  return model(
    ...meanOfImage,
    truth('true'),
    node('Loop', ['', 'true', 'mean'], ['score'], { body }),
    node('Identity', ['mean'], ['map']),
    value(12, 'score', FLOAT, [1]),
    value(12, 'map', FLOAT, [1]),
  );
}

/** Three classes: the mean of red, green and blue as their logits. Float, planar, any size. */
export function colourModel(): Buffer {
  return model(
    value(11, 'x', FLOAT, [1, 3, 'height', 'width']),
    node('GlobalAveragePool', ['x'], ['pooled']),
    node('Flatten', ['pooled'], ['logits'], { axis: 1 }),
    value(12, 'logits', FLOAT, [1, 3]),
  );
}

/** How many numbers of a convolved picture are above zero; NonZero is what GPUs leave to the CPU. */
export function nonZeroModel(): Buffer {
  return model(
    value(11, 'x', FLOAT, [1, 3, SIDE, SIDE]),
    floats('weights', [4, 3, 1, 1], [1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1]),
    node('Conv', ['x', 'weights'], ['mixed']),
    node('Relu', ['mixed'], ['positive']),
    node('NonZero', ['positive'], ['places']),
    node('Cast', ['places'], ['numbers'], { to: FLOAT }),
    node('ReduceSum', ['numbers'], ['total'], { keepdims: 0 }),
    node('ReduceMean', ['positive'], ['mean'], { axes: [0, 1, 2, 3], keepdims: 0 }),
    value(12, 'total', FLOAT, []),
    value(12, 'mean', FLOAT, []),
  );
}

/** Asks for `gigabytes` of memory when it runs. */
export function hungryModel(gigabytes: number): Buffer {
  return model(
    ...meanOfImage,
    int64s('shape', [2], [gigabytes * 2 ** 20, 256]),
    node('Expand', ['mean', 'shape'], ['large']),
    node('ReduceMax', ['large'], ['score'], { axes: [0, 1], keepdims: 0 }),
    node('Identity', ['mean'], ['map']),
    value(12, 'score', FLOAT, []),
    value(12, 'map', FLOAT, [1]),
  );
}

export function int64s(name: string, dims: readonly number[], values: readonly number[]): Field {
  const raw = Buffer.from(BigInt64Array.from(values, BigInt).buffer);
  return bytes(
    5,
    ...dims.map((dim) => integerField(1, dim)),
    integerField(2, INT64),
    bytes(8, name),
    bytes(9, raw),
  );
}
