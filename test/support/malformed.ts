/** Messages nobody should send: hostile values in every place of a message, and envelopes with a wrong field. */
import fc from 'fast-check';
import { Frame } from '../../lib/frame/frame.ts';
import { openInspection } from '../../lib/inspection/inspection.ts';

export interface Malformed {
  /** What is wrong with it, for the report. */
  what: string;
  message: Record<string, unknown>;
}

const HUGE = 'x'.repeat(1_000_000);

function fails(): never {
  throw new Error('this was not to be touched');
}

/** Throws a thing that is no error and cannot be shown either. */
function failsBadly(): never {
  throw Object.create(null) as Error;
}

function cyclic(): object {
  const circle: Record<string, unknown> = { list: [] };
  circle['self'] = circle;
  (circle['list'] as unknown[]).push(circle);
  return circle;
}

function deep(): object {
  let value: object = {};
  for (let depth = 0; depth < 2_000; depth += 1) value = { value };
  return value;
}

/** A different value each time it is read: valid for the check, something else afterwards. */
function fickle(): object {
  let turn = 0;
  const values: unknown[] = [1, Number.NaN, 'x', 1e9];
  const read = (): unknown => values[(turn += 1) % values.length];
  return Object.defineProperties(
    {},
    Object.fromEntries(
      ['startedAt', 'deadlineMs', 'id', 'score', 'value', 'length'].map((key) => [
        key,
        { enumerable: true, configurable: true, get: read },
      ]),
    ),
  );
}

function frame(): Frame {
  return new Frame(Buffer.alloc(48 * 48 * 3), { width: 48, height: 48, format: 'rgb', source: 'test' });
}

/** Each makes a new one, since a node may change what it is given. */
const HOSTILE: Readonly<Record<string, () => unknown>> = {
  'toString no function': () => ({ toString: false }),
  'toString and valueOf throw': () => ({ toString: fails, valueOf: fails }),
  'toPrimitive throws': () => ({ [Symbol.toPrimitive]: fails }),
  'toJSON throws': () => ({ toJSON: fails }),
  'a getter that throws': () => ({
    get payload() {
      return fails();
    },
  }),
  'a getter that throws no error': () => ({
    get id() {
      return failsBadly();
    },
  }),
  'a proxy that throws': () =>
    new Proxy({}, { get: fails, has: fails, ownKeys: fails, getPrototypeOf: fails }),
  'a proxy that throws no error': () => new Proxy({}, { get: failsBadly, ownKeys: failsBadly }),
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  'a proxy that answers everything with itself': () => {
    const mirror: object = new Proxy({}, { get: () => mirror, has: () => true });
    return mirror;
  },
  fickle,
  cyclic,
  deep,
  'a bigint': () => 12n,
  'a symbol': () => Symbol('s'),
  'a function': () => fails,
  'huge text': () => HUGE,
  'a huge list': () => new Array<number>(70_000).fill(1),
  'a list with holes': () => new Array<number>(5),
  'a list of lists': () => [[1, [2]], [{}]],
  'floats of a typed array': () => new Float64Array([1, Number.NaN, Infinity]),
  bytes: () => new Uint8Array(8),
  'big integers of a typed array': () => new BigInt64Array(4),
  'a DataView': () => new DataView(new ArrayBuffer(4)),
  'a shared buffer': () => new SharedArrayBuffer(4),
  'a Buffer': () => Buffer.from([255, 0]),
  '__proto__ of its own': () => JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as unknown,
  'no prototype': () => Object.create(null) as unknown,
  'hasOwnProperty no function': () => ({ hasOwnProperty: 1, error: { source: 1 } }),
  'not a number': () => Number.NaN,
  infinite: () => Infinity,
  'infinite below': () => -Infinity,
  'minus zero': () => -0,
  'the smallest number': () => Number.MIN_VALUE,
  'the largest number': () => Number.MAX_VALUE,
  'a boxed number': () => Object(5) as unknown,
  'a boxed text': () => Object('a') as unknown,
  'a date': () => new Date(0),
  'no date': () => new Date(Number.NaN),
  'a map': () => new Map([[{}, 1]]),
  'a rejected promise of another': () => ({ then: fails }),
  'a regular expression': () => /x/g,
  'an error': () => Object.assign(new Error('an error'), { code: 7 }),
  'half a surrogate': () => 'a\uD800b',
  'text with a zero': () => 'a\0b',
  'a path': () => '../../../../etc/passwd',
  nothing: () => undefined,
  null: () => null,
  'empty text': () => '',
  'a forged frame': () => Object.create(Frame.prototype) as unknown,
  'a frame by its look': () => ({ width: 48, height: 48, format: 'rgb', data: Buffer.alloc(6912) }),
  'a proxy of a frame': () => new Proxy(frame(), {}),
  'a frame with lies': () =>
    new Frame(Buffer.alloc(3), { width: 1e9, height: Number.NaN, format: 'rgb', source: '' }),
  'a frame of no image': () =>
    new Frame(Buffer.from('no image'), { width: 48, height: 48, format: 'jpeg', source: 'x' }),
};

/** As far along as a message can be. */
export function wholeMessage(number: number, payload: unknown = number % 100): Record<string, unknown> {
  const inspection = openInspection({ station: 'press-4', sequence: 1 + number, deadlineMs: 60_000 });
  const model = { name: 'm', version: '1', digest: `sha256:${'0'.repeat(64)}` };
  return {
    topic: 'vibration',
    payload,
    time: 1_000 * number,
    partId: `part-${number}`,
    frame: frame(),
    inspection: {
      ...inspection,
      frame: {
        id: 'f',
        width: 48,
        height: 48,
        format: 'rgb',
        capturedAt: inspection.part.capturedAt,
        source: 'test',
        sha256: '0'.repeat(64),
      },
      inference: [
        {
          model,
          provider: 'cpu',
          ms: 1,
          task: 'detect',
          count: 1,
          objects: [{ label: 'a', score: 0.5, box: [1, 2, 3, 4] }],
        },
      ],
      anomaly: { score: 1, pValue: 0.5, method: 'patch-nn', model, provider: 'cpu', boxes: [[0, 0, 4, 4]] },
      verdict: {
        decision: 'reject',
        score: 1,
        threshold: 0.5,
        reason: 'above-threshold',
        mode: 'NORMAL',
        calibration: 'fixed',
      },
    },
  };
}

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null || Frame.isFrame(value)) return [path];
  const below = Object.entries(value).flatMap(([key, part]) => pathsOf(part, [...path, key]));
  return path.length === 0 ? below : [path, ...below];
}

/** A message as far along as can be, for the node that is tried. */
type Whole = (number: number) => Record<string, unknown>;

function put(message: Record<string, unknown>, path: Path, value: unknown): void {
  const parents = path.slice(0, -1);
  const owner = parents.reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], message);
  (owner as Record<string, unknown>)[String(path.at(-1))] = value;
}

/** Every place with every hostile value in turn; each place is met once before any is met again. */
function inTurn(number: number, whole: Whole): Malformed {
  const names = Object.keys(HOSTILE);
  const message = whole(number);
  const paths = pathsOf(message);
  const path = paths[number % paths.length] ?? [];
  const round = Math.floor(number / paths.length);
  const name = names[(round + 7 * (number % paths.length)) % names.length] ?? '';
  put(message, path, HOSTILE[name]?.());
  return { what: `msg.${path.join('.')} is ${name}`, message };
}

/** Wherever a node of the flow looks first. */
const PLACES = ['payload', 'topic', 'inspection', 'frame', 'time', 'partId', 'error', 'req', '__proto__'];

const hostile = fc.constantFrom(...Object.keys(HOSTILE)).map((name) => ({ name, value: HOSTILE[name]?.() }));
const anything = fc
  .anything({
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
  })
  .map((value) => ({ name: 'anything', value }));
const number = fc.double().map((value) => ({ name: `the number ${value}`, value }));
const list = fc.array(hostile, { maxLength: 4 }).map((parts) => ({
  name: `a list of ${parts.map(({ name }) => name).join(', ')}`,
  value: parts.map(({ value }) => value),
}));
const named = fc
  .dictionary(fc.constantFrom('vibration', 'features', 'window', 'name', 'a'), hostile)
  .map((parts) => ({
    name: `parts ${Object.entries(parts)
      .map(([key, part]) => `${key}: ${part.name}`)
      .join(', ')}`,
    value: Object.fromEntries(Object.entries(parts).map(([key, part]) => [key, part.value])),
  }));

const changes = fc.array(
  fc.tuple(fc.constantFrom(...PLACES), fc.oneof(hostile, anything, number, number, list, named)),
  { maxLength: 3 },
);

/** Throws away what was there before, or leaves the rest of a whole message. */
const scattered = fc
  .tuple(changes, fc.boolean())
  .map(([places, isBare]) => (count: number, whole: Whole): Malformed => {
    const message: Record<string, unknown> = isBare ? {} : whole(count);
    for (const [place, { value }] of places) {
      Object.defineProperty(message, place, { value, writable: true, enumerable: true, configurable: true });
    }
    const what = places.map(([place, { name }]) => `msg.${place} is ${name}`).join('; ');
    return { what: `${isBare ? 'bare, ' : ''}${what}`, message };
  });

/** Message `from` and the `count - 1` after it: half in turn, half at random. The same for the same seed. */
export function malformed(seed: number, from: number, count: number, whole: Whole): Malformed[] {
  return fc.sample(scattered, { numRuns: count, seed: seed + from }).map((make, index) => {
    const position = from + index;
    return position % 2 === 0 ? inTurn(position / 2, whole) : make(position, whole);
  });
}
