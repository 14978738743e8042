import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Request } from '../../../../lib/inference/host/protocol.ts';
import { checkHello, checkReply } from '../../../../lib/inference/host/replies.ts';

const violated = { code: 'PROTOCOL_VIOLATED' };

const value = { name: 'x', type: 'float32', shape: [1, 3, 'h', 'w'] };
const info = {
  provider: 'webgpu',
  refused: [{ provider: 'cuda', message: 'no driver' }],
  inputs: [value],
  outputs: [value],
  input: {
    width: 8,
    height: 8,
    layout: 'nchw',
    type: 'float32',
    colour: 'rgb',
    scale: 1 / 255,
    mean: [0, 0, 0],
    std: [1, 1, 1],
    fit: 'stretch',
  },
  recipe: `sha256:${'0'.repeat(64)}`,
  folded: false,
  head: { task: 'detect' },
  createMs: 12.5,
};
const share = { provider: 'cpu', nodes: 2, ms: 0.5, operators: { Conv: 2 } };
const opening = {
  id: 1,
  providers: ['cuda', 'webgpu'],
  strict: false,
  head: { task: 'auto' },
  input: {},
} as const;

const load = { type: 'load', model: 1, ...opening } as const;
const warm = { type: 'warm', id: 1, model: 1, runs: 2 } as const;
const run = { type: 'run', id: 1, model: 1, frame: 'f', format: 'rgb', width: 8, height: 8 } as const;
const profile = { type: 'profile', folder: '/tmp', ...opening } as const;
const timings = { decode: 0, resize: 0.1, run: 1, head: 0 };

const exchanges: [Request, Record<string, unknown>][] = [
  [load, { type: 'loaded', id: 1, info }],
  [warm, { type: 'warmed', id: 1, ms: [1, 0.5] }],
  [run, { type: 'results', id: 1, results: [], timings }],
  [profile, { type: 'profiled', id: 1, shares: [share] }],
  [
    { type: 'unload', id: 1, model: 1 },
    { type: 'done', id: 1 },
  ],
  [
    { type: 'quit', id: 1 },
    { type: 'done', id: 1 },
  ],
];

describe('replies of the host', () => {
  it('takes the answer to each request, and none to another', () => {
    for (const [request] of exchanges) {
      for (const [other, reply] of exchanges) {
        const isFor = reply['type'] === exchanges.find(([{ type }]) => type === request.type)?.[1]['type'];
        if (isFor) checkReply(request, reply);
        else assert.throws(() => checkReply(request, reply), violated, `${other.type} for ${request.type}`);
      }
    }
  });

  it('refuses a provider that was not asked for', () => {
    for (const provider of ['cpu', '', 'cuda:0', undefined, ['cuda']]) {
      const reply = { type: 'loaded', id: 1, info: { ...info, provider } };
      assert.throws(() => checkReply(load, reply), violated);
    }
  });

  it('refuses another task than was asked for, where one was', () => {
    const reply = { type: 'loaded', id: 1, info };
    checkReply({ ...load, head: { task: 'detect' } }, reply);
    assert.throws(() => checkReply({ ...load, head: { task: 'embed' } }, reply), violated);
    assert.throws(() => checkReply(load, { ...reply, info: { ...info, head: { task: 'auto' } } }), violated);
  });

  it('refuses what a graph turned out to be with any part missing or of another kind', () => {
    for (const key of Object.keys(info)) {
      const wrong = { ...info, [key]: key === 'folded' ? 'yes' : Infinity };
      assert.throws(() => checkReply(load, { type: 'loaded', id: 1, info: wrong }), violated, key);
    }
    for (const key of Object.keys(info.input)) {
      const wrong = { ...info, input: { ...info.input, [key]: undefined } };
      assert.throws(() => checkReply(load, { type: 'loaded', id: 1, info: wrong }), violated, key);
    }
    const unnamed = { ...info, outputs: [{ ...value, name: 7 }] };
    assert.throws(() => checkReply(load, { type: 'loaded', id: 1, info: unnamed }), violated);
  });

  it('refuses times that are none, and another number of them than there were runs', () => {
    // as JSON.parse reads 1e999
    for (const ms of [[1], [1, 2, 3], [1, -1], [1, Infinity], [1, '2'], 'two', undefined]) {
      assert.throws(() => checkReply(warm, { type: 'warmed', id: 1, ms }), violated);
    }
    const results = { type: 'results', id: 1, results: [] };
    for (const wrong of [{ run: -1 }, { head: Infinity }, { decode: 'long' }]) {
      assert.throws(() => checkReply(run, { ...results, timings: { ...timings, ...wrong } }), violated);
    }
    for (const wrong of [
      { ms: Infinity },
      { nodes: 0.5 },
      { operators: { Conv: 'two' } },
      { provider: {} },
    ]) {
      const reply = { type: 'profiled', id: 1, shares: [{ ...share, ...wrong }] };
      assert.throws(() => checkReply(profile, reply), violated);
    }
  });

  it('throws the error the host answers, and refuses one of another shape', () => {
    const error = { type: 'error', id: 1, code: 'IMAGE_INVALID', message: 'no picture', hint: 'look' };
    const { code, message, hint } = error;
    assert.throws(() => checkReply(run, error), { code, message, hint });
    for (const wrong of [{ code: 7 }, { code: 'not a code' }, { message: {} }, { hint: 1 }]) {
      assert.throws(() => checkReply(run, { ...error, ...wrong }), violated);
    }
  });

  it('refuses a type whose own text is no function', () => {
    assert.throws(() => checkReply(run, { type: { toString: false }, id: 1 }), violated);
  });

  it('refuses everything else there is in JSON, and never with another error', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...exchanges), (json, [request, reply]) => {
        assert.throws(() => checkReply(request, json), violated);
        for (const key of Object.keys(reply).filter((name) => name !== 'id')) {
          if (key === 'results' && Array.isArray(json)) continue;
          if (key === 'shares' && Array.isArray(json) && json.length === 0) continue;
          assert.throws(() => checkReply(request, { ...reply, [key]: json }), violated);
        }
      }),
    );
  });

  it('refuses a greeting without the list of backends', () => {
    checkHello({ type: 'hello', runtime: '1.0', backends: ['cpu'] });
    for (const backends of ['cpu, cuda', [1], undefined]) {
      assert.throws(() => checkHello({ type: 'hello', runtime: '1.0', backends }), violated);
    }
  });
});
