import assert from 'node:assert/strict';
import { once } from 'node:events';
import { CodedError } from '../../../lib/errors.ts';
import {
  registerNode,
  TAKEN_OVER,
  type Answer,
  type NodeContext,
  type NodeDefinition,
} from '../../../nodes/runtime/register.ts';
import type { Message, NodeAPI } from '../../../nodes/runtime/types.ts';
import { flowAround, load, nextMessage, node, unload } from '../../support/helper.ts';

interface Config {
  limit: number;
}

/** A node as they come off the canvas: it can be closed the way a deploy closes it. */
interface Closable {
  close(removed: boolean): Promise<void>;
}

type Input = (message: Message, signal: AbortSignal) => Answer | Promise<Answer>;

function definition(part: Partial<NodeDefinition<Config>>): (RED: NodeAPI) => void {
  return (RED) =>
    registerNode<Config>(RED, {
      type: 'under-test',
      normalise: (config) => ({ limit: config.number('limit', { fallback: 10 }) }),
      start: () => ({ input: (message) => [message, null] }),
      ...part,
    });
}

async function deploy(
  part: Partial<NodeDefinition<Config>>,
  config: Record<string, unknown> = {},
): Promise<void> {
  const flow = flowAround({ id: 'n', type: 'under-test', ...config }, ['first', 'second']);
  await load([definition(part)], flow, { n: { password: 'secret' } });
}

function deployInput(input: Input): Promise<void> {
  return deploy({ start: () => ({ input }) });
}

interface Caught {
  error: { message: string; code: string; source: { id: string } };
}

async function caught(): Promise<Caught['error']> {
  return ((await nextMessage('caught')) as unknown as Caught).error;
}

/** Libraries reject with all sorts of things. */
async function rejection(thrown: unknown): Promise<never> {
  const generator = (async function* (): AsyncGenerator<never> {})();
  return generator.throw(thrown) as Promise<never>;
}

/** Collects what reaches a helper node. */
function collect(id: string): Message[] {
  const messages: Message[] = [];
  node(id).on('input', (message: Message) => messages.push(message));
  return messages;
}

/** Counts how often Node-RED is told that an input is done, and with what. */
function completions(): { error: unknown }[] {
  const done: { error: unknown }[] = [];
  const target = node('n') as unknown as { _complete(message: Message, error?: unknown): void };
  const complete = target._complete.bind(target);
  target._complete = (message, error) => {
    done.push({ error });
    complete(message, error);
  };
  return done;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('the one way nodes handle input', () => {
  afterEach(unload);

  it('sends what the handler gives, to the output it chose, and completes the input once', async () => {
    await deployInput((message) => [null, { ...message, payload: 'done' }]);
    const done = completions();
    const first = collect('first');
    node('n').receive({ payload: 'in', other: 7 });
    const message = await nextMessage('second');
    assert.equal(message.payload, 'done');
    assert.equal(message['other'], 7);
    await until(() => done.length > 0);
    assert.deepEqual(done, [{ error: undefined }]);
    assert.deepEqual(first, []);
  });

  for (const [how, input] of [
    [
      'throws',
      () => {
        throw new CodedError('TOO_HOT', 'the oven is too hot');
      },
    ],
    ['rejects', () => Promise.reject(new CodedError('TOO_HOT', 'the oven is too hot'))],
  ] as [string, Input][]) {
    it(`ends the input in the coded error when the handler ${how}, once`, async () => {
      await deployInput(input);
      const done = completions();
      node('n').receive({ payload: 1 });
      const error = await caught();
      assert.equal(error.code, 'TOO_HOT');
      assert.match(error.message, /too hot/);
      assert.equal(error.source.id, 'n');
      assert.equal(done.length, 1);
    });
  }

  for (const [what, thrown] of [
    ['a plain error', new Error('boom')],
    ['no error at all', 'boom'],
  ] as const) {
    it(`gives a code to what was thrown: ${what}`, async () => {
      await deployInput(() => rejection(thrown));
      node('n').receive({});
      const error = await caught();
      assert.equal(error.code, 'UNEXPECTED');
      assert.match(error.message, /boom/);
    });
  }

  it('does not let a part vanish: no outcome is an error', async () => {
    await deployInput(() => [null, null]);
    node('n').receive({});
    assert.equal((await caught()).code, 'NO_OUTCOME');
  });

  it('refuses a message where the node takes none', async () => {
    await deploy({ start: () => ({}) });
    node('n').receive({});
    assert.equal((await caught()).code, 'NO_INPUT');
  });

  it('completes an input that something durable has taken over, and lets its outcome follow', async () => {
    let context: NodeContext<Config> | undefined;
    await deploy({
      start: (given) => {
        context = given;
        return { input: () => TAKEN_OVER };
      },
    });
    const done = completions();
    const first = collect('first');
    node('n').receive({ payload: 'kept' });
    await until(() => done.length > 0);
    assert.deepEqual(done, [{ error: undefined }]);
    assert.deepEqual(first, []);
    const later = nextMessage('first');
    context?.emit([{ payload: 'acknowledged' }, null]);
    assert.equal((await later).payload, 'acknowledged');
    const failure = caught();
    context?.fail(new CodedError('MES_DOWN', 'the MES is down'), { payload: 'kept' });
    assert.equal((await failure).code, 'MES_DOWN');
  });

  it('sends outputs in the order the inputs came, however long each takes', async () => {
    const releases: (() => void)[] = [];
    await deployInput((message) => new Promise((resolve) => releases.push(() => resolve([message, null]))));
    const first = collect('first');
    for (const payload of [1, 2, 3]) node('n').receive({ payload });
    await until(() => releases.length === 3);
    for (const release of releases.reverse()) release();
    await until(() => first.length === 3);
    assert.deepEqual(
      first.map(({ payload }) => payload),
      [1, 2, 3],
    );
  });

  it('tells the Catch node of a failed input that holds what cannot be cloned, without that', async () => {
    await deployInput(() => {
      throw new CodedError('NO_PART', 'there is no part');
    });
    const error = JSON.parse('{"hasOwnProperty": 1}') as unknown;
    const unreadable = {
      get value(): never {
        throw new Error('not to be read');
      },
    };
    const next = nextMessage('caught');
    node('n').receive({ _msgid: 'one', payload: 7, error, unreadable });
    const heard = await next;
    assert.equal((heard as unknown as Caught).error.code, 'NO_PART');
    assert.deepEqual([heard._msgid, heard.payload, 'unreadable' in heard], ['one', 7, false]);
  });

  for (const [what, message] of [
    [
      'a property of the name __proto__',
      JSON.parse('{"__proto__": {"hasOwnProperty": 1, "error": {"source": 1}}}'),
    ],
    ['a prototype of its own', Object.create({ hasOwnProperty: 1, error: { source: 1 } })],
  ] as [string, object][]) {
    it(`lets the Catch node hear of a message with ${what}`, async () => {
      await deployInput(() => {
        throw new CodedError('NO_PART', 'there is no part');
      });
      const next = nextMessage('caught');
      node('n').receive(Object.assign(message, { _msgid: 'one', payload: 7 }));
      const heard = await next;
      assert.equal((heard as unknown as Caught).error.code, 'NO_PART');
      assert.deepEqual([heard._msgid, heard.payload], ['one', 7]);
    });
  }

  it('lives through a report with a message that cannot be cloned', async () => {
    await deploy({
      start: (context) => ({
        input: (message) => {
          context.fail(new CodedError('NOT_KEPT', 'this was not put on record'), message);
          return [{ _msgid: 'other' }, null];
        },
      }),
    });
    const next = caught();
    node('n').receive({
      payload: new Proxy({}, { get: () => assert.fail('not to be read') }),
    });
    assert.equal((await next).code, 'NOT_KEPT');
  });

  it('goes on after a failed input', async () => {
    await deployInput((message) => {
      if (message.payload === 'bad') throw new CodedError('BAD', 'bad');
      return [message, null];
    });
    const failure = caught();
    node('n').receive({ payload: 'bad' });
    assert.equal((await failure).code, 'BAD');
    const next = nextMessage('first');
    node('n').receive({ payload: 'good' });
    assert.equal((await next).payload, 'good');
  });

  it('refuses the 257th message under way instead of piling up', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    await deployInput(async (message) => {
      await gate;
      return [message, null];
    });
    const first = collect('first');
    const done = completions();
    for (let count = 0; count < 257; count += 1) node('n').receive({ payload: count });
    const failure = caught();
    await until(() => done.length === 0);
    release();
    assert.equal((await failure).code, 'OVERLOAD');
    await until(() => done.length === 257);
    assert.equal(first.length, 256);
  });
});

describe('the start of a node', () => {
  afterEach(unload);

  it('hands over the typed configuration, the credentials and the catalogue', async () => {
    let context: NodeContext<Config> | undefined;
    await deploy(
      {
        credentials: { password: { type: 'password' } },
        start: (given) => {
          context = given;
          return {};
        },
      },
      { limit: '42' },
    );
    assert.equal(context?.config.limit, 42);
    assert.equal(context.credentials['password'], 'secret');
    assert.equal(typeof context.translate('under-test.status.ready'), 'string');
  });

  it('lets inputs wait for it', async () => {
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    await deploy({
      start: async () => {
        await opened;
        return { input: (message) => [message, null] };
      },
    });
    const first = collect('first');
    node('n').receive({ payload: 'early' });
    assert.deepEqual(first, []);
    open();
    await until(() => first.length === 1);
  });

  it('shows a wrong configuration in red and ends every input in its error', async () => {
    await deploy({}, { limit: 'many' });
    for (let count = 0; count < 2; count += 1) {
      node('n').receive({});
      const error = await caught();
      assert.equal(error.code, 'CONFIG_INVALID');
      assert.match(error.message, /limit/);
    }
  });

  it('ends every input in the error of a start that failed', async () => {
    await deploy({ start: () => Promise.reject(new CodedError('NO_CAMERA', 'there is no camera')) });
    node('n').receive({});
    assert.equal((await caught()).code, 'NO_CAMERA');
  });

  it('brings an old configuration up to date first', async () => {
    let limit = 0;
    await deploy(
      {
        migrations: [(config) => ({ ...config, limit: Number(config['max']) * 2 })],
        start: ({ config }) => {
          limit = config.limit;
          return {};
        },
      },
      { version: 1, max: '4' },
    );
    assert.equal(limit, 8);
  });
});

describe('the close of a node', () => {
  afterEach(unload);

  const close = (removed: boolean): Promise<void> => (node('n') as unknown as Closable).close(removed);

  it('aborts what is under way, waits for it, and only then closes the node’s own things', async () => {
    const order: string[] = [];
    await deploy({
      start: () => ({
        input: async (_message, signal) => {
          order.push('input');
          await once(signal, 'abort');
          await new Promise((resolve) => setImmediate(resolve));
          order.push('cleaned up');
          throw signal.reason;
        },
        close: async () => {
          await Promise.resolve();
          order.push('closed');
        },
      }),
    });
    const done = completions();
    node('n').receive({});
    await until(() => order.length === 1);
    await close(false);
    assert.deepEqual(order, ['input', 'cleaned up', 'closed']);
    assert.equal((done[0]?.error as CodedError).code, 'CLOSED');
  });

  for (const removed of [true, false]) {
    it(`says whether the node is gone for good: ${removed}`, async () => {
      const told: boolean[] = [];
      await deploy({ start: () => ({ close: (gone) => void told.push(gone) }) });
      await close(removed);
      assert.deepEqual(told, [removed]);
    });
  }

  it('is not held up by an error in the node’s own close', async () => {
    await deploy({ start: () => ({ close: () => Promise.reject(new Error('socket is gone')) }) });
    await close(false);
  });

  it('is not held up by a start that failed', async () => {
    await deploy({ start: () => Promise.reject(new CodedError('NO_CAMERA', 'there is no camera')) });
    await close(false);
  });

  it('ends with silence: nothing is sent or reported afterwards', async () => {
    let context: NodeContext<Config> | undefined;
    await deploy({
      start: (given) => {
        context = given;
        return {};
      },
    });
    const first = collect('first');
    const failures = collect('caught');
    await close(false);
    context?.emit([{ payload: 'late' }]);
    context?.fail(new Error('late'), {});
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([first, failures], [[], []]);
    assert.equal(context?.signal.aborted, true);
  });
});
