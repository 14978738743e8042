/**
 * Whether what the inference host answers is an answer to what it was asked: nothing it says is
 * believed before, because a model that took the child over must not lead the parent. Of results
 * only the frame around them is looked at here; `results.ts` takes them apart.
 */
import { InferenceError } from '../errors.ts';
import { REPLY_TYPE, type Hello, type ReplyTo, type Request } from './protocol.ts';

type Entries = Record<string, unknown>;
type Check = (value: unknown) => boolean;

const MAX_CODE_CHARACTERS = 64;
const TASKS = new Set(['classify', 'detect', 'segment', 'regress', 'embed', 'anomaly-map', 'raw']);

export function violated(what: string): InferenceError {
  return new InferenceError('PROTOCOL_VIOLATED', `the inference host sent ${what}`);
}

export function isPlainObject(value: unknown): value is Entries {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => Number.isFinite(value);
/** JSON has no Infinity, but 1e999 is read as one. */
const isDuration: Check = (value) => Number.isFinite(value) && (value as number) >= 0;
const isFlag: Check = (value) => typeof value === 'boolean';

function either(...values: readonly unknown[]): Check {
  return (value) => values.includes(value);
}

function listOf(check: Check, length?: number): Check {
  return (value) =>
    Array.isArray(value) && (length === undefined || value.length === length) && value.every(check);
}

function optional(check: Check): Check {
  return (value) => value === undefined || check(value);
}

/** An object whose named entries pass; others may be there. */
function shaped(checks: Readonly<Record<string, Check>>): Check {
  return (value) => isPlainObject(value) && Object.entries(checks).every(([key, check]) => check(value[key]));
}

const isValue = shaped({
  name: isText,
  type: isText,
  shape: listOf((dimension) => isText(dimension) || isNumber(dimension)),
});

const isRecipe = shaped({
  width: isCount,
  height: isCount,
  layout: either('nchw', 'nhwc'),
  type: either('float32', 'uint8'),
  colour: either('rgb', 'bgr', 'gray'),
  scale: isNumber,
  mean: listOf(isNumber, 3),
  std: listOf(isNumber, 3),
  fit: either('stretch', 'letterbox'),
  align: optional(shaped({ reference: isText, maxShift: isNumber, maxAngle: isNumber })),
});

const isShare = shaped({
  provider: isText,
  nodes: isCount,
  ms: isDuration,
  operators: (operators) => isPlainObject(operators) && Object.values(operators).every(isCount),
});

/** The provider must be one that was asked for: its name decides on devices and memory limits. */
function isInfo({ providers, head }: Extract<Request, { type: 'load' }>): Check {
  const isAsked = either(...providers);
  return shaped({
    provider: isAsked,
    refused: listOf(shaped({ provider: isAsked, message: isText })),
    inputs: listOf(isValue),
    outputs: listOf(isValue),
    input: isRecipe,
    recipe: (digest) => typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest),
    folded: isFlag,
    head: shaped({
      task: (task) => (head.task === 'auto' ? TASKS.has(task as string) : task === head.task),
    }),
    why: optional(isText),
    createMs: isDuration,
  });
}

function checksOf(request: Request): Readonly<Record<string, Check>> {
  switch (request.type) {
    case 'load':
      return { info: isInfo(request) };
    case 'warm':
      return { ms: listOf(isDuration, request.runs) };
    case 'run':
      return {
        results: (results) => Array.isArray(results),
        timings: shaped({ decode: isDuration, resize: isDuration, run: isDuration, head: isDuration }),
      };
    case 'profile':
      return { shares: listOf(isShare) };
    case 'unload':
    case 'quit':
      return {};
  }
}

/** Nothing of what came is asked to show itself: its own `toString` need not be a function. */
function shown(value: unknown): string {
  return typeof value === 'string' ? `'${value.slice(0, 40)}'` : `(${typeof value})`;
}

const isError = shaped({
  code: (code) =>
    typeof code === 'string' && code.length <= MAX_CODE_CHARACTERS && /^[A-Z][A-Z0-9_]*$/.test(code),
  message: isText,
  hint: optional(isText),
});

/** @throws InferenceError `PROTOCOL_VIOLATED` */
export function checkHello(hello: unknown): asserts hello is Hello {
  if (!shaped({ runtime: isText, backends: listOf(isText) })(hello))
    throw violated('a greeting of another shape');
}

/**
 * @throws InferenceError what the host answered instead; `PROTOCOL_VIOLATED` for anything but an
 *   answer to this request
 */
export function checkReply<Type extends keyof ReplyTo>(
  request: Extract<Request, { type: Type }>,
  reply: unknown,
): asserts reply is ReplyTo[Type] {
  const { type } = request;
  if (!isPlainObject(reply)) throw violated('no answer at all');
  if (reply['type'] === 'error') {
    if (!isError(reply)) throw violated('an error of another shape');
    const { code, message, hint } = reply as { code: InferenceError['code']; message: string; hint?: string };
    throw new InferenceError(code, message, hint === undefined ? {} : { hint });
  }
  if (reply['type'] !== REPLY_TYPE[type]) throw violated(`${shown(reply['type'])} for '${type}'`);
  const wrong = Object.entries(checksOf(request)).find(([key, check]) => !check(reply[key]));
  if (wrong !== undefined)
    throw violated(`a '${REPLY_TYPE[type]}' whose ${wrong[0]} is not what was asked for`);
}
