/**
 * Models made to harm whoever opens them. Run as a program this file writes them into the folder it
 * is given: making them takes memory that is not to be counted as the reader's.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesField, integerField } from '../../../lib/protobuf.ts';
import {
  bytes,
  endlessAtOnceModel,
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
  scoreAndMap,
  slowModel,
  value,
  type Field,
} from './onnx.ts';

type Hostile = readonly [what: string, build: () => Buffer, code: string];

/** A graph that answers with `score` and `map` as it should, and does this too. */
function beside(...fields: Field[]): Buffer {
  return model(
    ...meanOfImage,
    node('Identity', ['mean'], ['score']),
    node('Identity', ['mean'], ['map']),
    ...scoreAndMap,
    ...fields,
  );
}

/** A score that has to be computed from `large`. */
function scoreOf(large: readonly Field[]): Buffer {
  return model(
    ...meanOfImage,
    ...large,
    node('ReduceMax', ['large'], ['most'], { keepdims: 0 }),
    node('Add', ['most', 'mean'], ['score']),
    node('Identity', ['mean'], ['map']),
    ...scoreAndMap,
  );
}

/** A tensor whose numbers lie in `location`. */
function external(location: string, field = 5): Field {
  const entry = (key: string, text: string): Field => bytes(13, bytes(1, key), bytes(2, text));
  return bytes(
    field,
    integerField(1, 4),
    integerField(2, FLOAT),
    bytes(8, 'stolen'),
    entry('location', location),
    integerField(14, 1),
  );
}

/** Functions that each call the next one: 3 000 deep, 170 kB. Ends ONNX Runtime in SIGSEGV. */
function functionBomb(): Buffer {
  const depth = 3000;
  const call = (field: number, index: number, from: string, to: string): Field =>
    bytes(field, bytes(1, from), bytes(2, to), bytes(4, `f${index}`), bytes(7, 'mine'));
  const functions = Array.from({ length: depth }, (_, index) =>
    bytes(
      25,
      bytes(1, `f${index}`),
      bytes(4, 'a'),
      bytes(5, 'b'),
      index + 1 < depth
        ? call(7, index + 1, 'a', 'b')
        : bytes(7, bytes(1, 'a'), bytes(2, 'b'), bytes(4, 'Relu')),
      bytes(9, integerField(2, 13)),
      bytes(9, bytes(1, 'mine'), integerField(2, 1)),
      bytes(10, 'mine'),
    ),
  );
  const graph = [
    ...meanOfImage,
    call(1, 0, 'mean', 'score'),
    node('Identity', ['mean'], ['map']),
    ...scoreAndMap,
  ];
  return modelOf({ graph, more: [bytes(8, bytes(1, 'mine'), integerField(2, 1)), ...functions] });
}

function constantOfShapeBomb(): Buffer {
  return scoreOf([int64s('shape', [1], [800_000_000]), node('ConstantOfShape', ['shape'], ['large'])]);
}

function rangeBomb(): Buffer {
  return scoreOf([
    floats('start', [], [0]),
    floats('end', [], [1_200_000_000]),
    floats('step', [], [1]),
    node('Range', ['start', 'end', 'step'], ['large']),
  ]);
}

/** If within If within If, 1 000 deep. */
function nestedBranches(): Buffer {
  let graph: Buffer = bytes(2, 'innermost');
  for (let depth = 0; depth < 1000; depth += 1) {
    graph = Buffer.concat([
      bytes(2, 'branch'),
      node('If', ['condition'], ['out'], { then_branch: graph, else_branch: Buffer.alloc(0) }),
    ]);
  }
  return beside(node('If', ['condition'], ['out'], { then_branch: graph }));
}

/** A sequence of sequences of … 5 000 deep. */
function nestedTypes(): Buffer {
  let type = bytesField(1, integerField(1, FLOAT));
  for (let depth = 0; depth < 5000; depth += 1) type = bytesField(4, bytesField(1, type));
  return beside(bytes(13, bytes(1, 'deep'), bytes(2, type)));
}

function notUtf8(): Buffer {
  return beside(bytes(1, bytes(1, 'mean'), bytes(2, Buffer.from([0x78, 0xff, 0xfe])), bytes(4, 'Relu')));
}

/** What it is, its file, and the verdict of the scan. */
const refused: readonly Hostile[] = [
  ['functions that call each other 3 000 deep', functionBomb, 'MODEL_OPERATOR_REFUSED'],
  ['a ConstantOfShape of 3.2 GB', constantOfShapeBomb, 'MODEL_TENSOR_TOO_LARGE'],
  ['a Range of 4.8 GB', rangeBomb, 'MODEL_TENSOR_TOO_LARGE'],
  [
    'an Expand to 4 GB, its shape made by a node',
    () =>
      scoreOf([
        node('Constant', [], ['half'], { value_ints: [32_768] }),
        node('Concat', ['half', 'half'], ['shape'], { axis: 0 }),
        node('Expand', ['mean', 'shape'], ['large']),
      ]),
    'MODEL_TENSOR_TOO_LARGE',
  ],
  [
    'a Tile to 4 GB',
    () =>
      scoreOf([
        int64s('one', [1], [1]),
        int64s('times', [1], [2 ** 30]),
        node('Tile', ['one', 'times'], ['tiled']),
        node('Cast', ['tiled'], ['large'], { to: FLOAT }),
      ]),
    'MODEL_TENSOR_TOO_LARGE',
  ],
  [
    'a Resize by 10 000 in both directions',
    () =>
      scoreOf([
        floats('scales', [4], [1, 10_000, 10_000, 1]),
        node('Resize', ['pixels', '', 'scales'], ['large']),
      ]),
    'MODEL_TENSOR_TOO_LARGE',
  ],
  [
    'an initializer of 40 GB without its numbers',
    () =>
      beside(
        bytes(5, integerField(1, 100_000), integerField(1, 100_000), integerField(2, FLOAT), bytes(8, 'w')),
      ),
    'MODEL_TENSOR_TOO_LARGE',
  ],
  [
    'a sparse initializer of 40 GB made of one number',
    () =>
      beside(
        bytes(
          15,
          bytes(1, integerField(1, 1), integerField(2, FLOAT), bytes(8, 'w'), bytes(9, Buffer.alloc(4))),
          bytes(2, integerField(1, 1), integerField(2, INT64), bytes(9, Buffer.alloc(8))),
          integerField(3, 10_000_000_000),
        ),
      ),
    'MODEL_TENSOR_TOO_LARGE',
  ],
  [
    'an input of 30 GB',
    () => beside(value(11, 'huge', FLOAT, [1, 50_000, 50_000, 3])),
    'MODEL_TENSOR_TOO_LARGE',
  ],
  [
    'an initializer of a thousand numbers that holds ten',
    () => beside(floats('w', [1000], Array<number>(10).fill(1))),
    'MODEL_INVALID',
  ],
  ['a Loop that never ends', endlessAtOnceModel, 'MODEL_OPERATOR_REFUSED'],
  ['branches within branches, 1 000 deep', nestedBranches, 'MODEL_OPERATOR_REFUSED'],
  ['external data by ../', () => beside(external('../../../etc/passwd')), 'MODEL_EXTERNAL_DATA'],
  ['external data by an absolute path', () => beside(external('/etc/passwd')), 'MODEL_EXTERNAL_DATA'],
  ['external data through a symbolic link', () => beside(external('symbolic.bin')), 'MODEL_EXTERNAL_DATA'],
  ['external data through a hard link', () => beside(external('hard.bin')), 'MODEL_EXTERNAL_DATA'],
  [
    'external data in a constant of a node',
    () =>
      beside(
        bytes(1, bytes(2, 'c'), bytes(4, 'Constant'), bytes(5, bytes(1, 'value'), external('hard.bin', 5))),
      ),
    'MODEL_EXTERNAL_DATA',
  ],
  [
    'external data in a sparse initializer',
    () => beside(bytes(15, external('hard.bin', 1), integerField(3, 4))),
    'MODEL_EXTERNAL_DATA',
  ],
  ['a file that was cut off', () => meanModel().subarray(0, -40), 'MODEL_INVALID'],
  [
    'a file of random bytes',
    () => Buffer.from(meanModel().map((byte, i) => byte ^ (i * 73))),
    'MODEL_INVALID',
  ],
  ['opset 99', () => modelOf({ graph: meanOfImage, opset: 99 }), 'MODEL_OPSET_UNSUPPORTED'],
  ['opset 3', () => modelOf({ graph: meanOfImage, opset: 3 }), 'MODEL_OPSET_UNSUPPORTED'],
  [
    'a graph that runs in a circle',
    () => beside(node('Add', ['mean', 'b'], ['a']), node('Relu', ['a'], ['b'])),
    'MODEL_INVALID',
  ],
  ['a value nobody makes', () => beside(node('Relu', ['nowhere'], ['b'])), 'MODEL_INVALID'],
  ['a name that is not UTF-8', notUtf8, 'MODEL_INVALID'],
  ['types within types, 5 000 deep', nestedTypes, 'MODEL_INVALID'],
  [
    'twenty-five thousand nodes',
    () => beside(...Array<Field>(25_000).fill(node('Relu', ['mean'], ['b']))),
    'MODEL_TOO_LARGE',
  ],
  [
    'operators of somebody else',
    () => beside(bytes(1, bytes(1, 'mean'), bytes(2, 'b'), bytes(4, 'Run'), bytes(7, 'shell'))),
    'MODEL_OPERATOR_REFUSED',
  ],
];

/** Sound to look at, and wrong once they run. */
const misbehaving: readonly Hostile[] = [
  ['a score that is no number', () => logModel(), 'SCORE_NOT_FINITE'],
  [
    'a score of another shape than declared',
    () =>
      model(
        ...meanOfImage,
        node('Identity', ['pixels'], ['score']),
        node('Identity', ['mean'], ['map']),
        ...scoreAndMap,
      ),
    'RUN_FAILED',
  ],
  [
    'a Range whose length is the brightness of the picture',
    () =>
      scoreOf([
        floats('many', [1], [1e8]),
        node('Mul', ['mean', 'many'], ['end']),
        node('Squeeze', ['end'], ['scalar']),
        floats('start', [], [-1]),
        floats('step', [], [1]),
        node('Range', ['start', 'scalar', 'step'], ['large']),
      ]),
    'RUN_FAILED',
  ],
  ['forty products of matrices as large as the picture is bright', slowModel, 'NO_RESULT'],
];

/** Some of the above, and what ends them where nobody scanned them. */
const pastTheScan: readonly Hostile[] = [
  ['functions that call each other 3 000 deep', functionBomb, 'MODEL_INVALID'],
  ['a ConstantOfShape of 3.2 GB', constantOfShapeBomb, 'MODEL_INVALID'],
  ['a Range of 4.8 GB', rangeBomb, 'MODEL_INVALID'],
  ['a Loop that never ends', endlessAtOnceModel, 'MODEL_LOAD_TIMEOUT'],
  [
    'external data through a hard link',
    () => scoreOf([external('hard.bin'), node('Identity', ['stolen'], ['large'])]),
    'MODEL_INVALID',
  ],
];

/** Each with the name of the file it is written to. */
function named(
  group: string,
  models: readonly Hostile[],
): { what: string; code: string; file: string; build: () => Buffer }[] {
  return models.map(([what, build, code], index) => ({ what, build, code, file: `${group}-${index}.onnx` }));
}

export const throughTheDoor = [...named('refused', refused), ...named('misbehaving', misbehaving)];
export const behindTheScan = named('unscanned', pastTheScan);

if (import.meta.main) {
  const folder = process.argv[2] ?? '.';
  for (const { file, build } of [...throughTheDoor, ...behindTheScan])
    writeFileSync(join(folder, file), build());
}
