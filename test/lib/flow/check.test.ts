import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { checkFlow } from '../../../lib/flow/check.ts';
import { repositoryRoot } from '../../support/shared.ts';

type Settings = Record<string, unknown>;

/** A node on the one tab, wired to what is named for each output. */
function node(id: string, type: string, wires: string[][] = [], settings: Settings = {}): Settings {
  return { id, type, z: 'tab', wires, ...settings };
}

const CATCH = node('catch', 'catch', [['debug']], { scope: null });
const STATION: Settings = { id: 'station', type: 'inspection-station', autonomy: 'act' };
const PLC: Settings = { id: 'plc', type: 'plc-endpoint' };
const write = (wires: string[][] = [['debug'], ['debug']], settings: Settings = {}): Settings =>
  node('write', 'plc-write', wires, { station: 'station', endpoint: 'plc', ...settings });
const gate = (reject: string[] = ['write']): Settings =>
  node('gate', 'tolerance-gate', [['debug'], ['debug'], reject]);
const base = [{ id: 'tab', type: 'tab' }, STATION, PLC, CATCH, node('debug', 'debug')];

/** `rule node` of everything that is found. */
function found(...nodes: Settings[]): string[] {
  return checkFlow([...base, ...nodes]).map(({ rule, nodeId }) => `${rule} ${nodeId}`);
}

describe('looking through a flow', () => {
  it('finds nothing in a station that is whole', () => {
    assert.deepEqual(
      found(
        node('camera', 'camera-capture', [['score']]),
        node('score', 'anomaly-score', [['gate'], []]),
        gate(),
        write(),
      ),
      [],
    );
  });

  it('finds a model that writes to the PLC past the gate, however long the way', () => {
    const past = [
      node('score', 'anomaly-score', [['out', 'gate'], []]),
      node('out', 'link out', [], { links: ['in'] }),
      node('in', 'link in', [['sub']]),
      node('sub', 'subflow:s', [['write']]),
      {
        id: 's',
        type: 'subflow',
        in: [{ wires: [{ id: 'inner' }] }],
        out: [{ wires: [{ id: 'inner', port: 0 }] }],
      },
      { id: 'inner', type: 'function', z: 's', wires: [[]] },
    ];
    assert.deepEqual(found(...past, gate(), write()), ['gate-missing write']);
    const throughGate = past.map((one) => (one['id'] === 'sub' ? { ...one, wires: [['gate']] } : one));
    assert.deepEqual(found(...throughGate, gate(), write()), []);
  });

  it('lets a gate inside a subflow or behind a call count', () => {
    const inside = [
      node('score', 'anomaly-score', [['sub'], []]),
      node('sub', 'subflow:s', [['write']]),
      {
        id: 's',
        type: 'subflow',
        in: [{ wires: [{ id: 'inner' }] }],
        out: [{ wires: [{ id: 'inner', port: 2 }] }],
      },
      node('caught', 'catch', [['debug']], { z: 's', scope: null }),
      { ...node('inner', 'tolerance-gate', [['debug'], ['debug'], []]), z: 's' },
    ];
    const rules = checkFlow([...base, ...inside, write()]).map(({ rule }) => rule);
    assert.ok(!rules.includes('gate-missing'), rules.join());
    const behindCall = [
      node('score', 'anomaly-score', [['call'], []]),
      node('call', 'link call', [['write']], { links: ['in'] }),
      node('in', 'link in', [['gate']]),
      node('gate', 'tolerance-gate', [['debug'], ['debug'], ['back']]),
      node('back', 'link out', [], { mode: 'return', links: [] }),
    ];
    assert.deepEqual(found(...behindCall, write()), []);
    const ungated = behindCall.map((one) => (one['id'] === 'in' ? { ...one, wires: [['back']] } : one));
    assert.ok(found(...ungated, write()).includes('gate-missing write'));
  });

  it('ends its walk in a flow that runs in a circle', () => {
    assert.deepEqual(
      found(
        node('score', 'anomaly-score', [['a'], []]),
        node('a', 'delay', [['b']]),
        node('b', 'switch', [['a']]),
      ),
      [],
    );
  });

  it('finds a language model that acts, until a person is in between', () => {
    const model = node('llm', 'openai-api', [['write']]);
    assert.deepEqual(found(model, write()), ['language-model-acts write']);
    const request = node('llm', 'http request', [['write']], { url: 'http://ollama.plant:11434/api/chat' });
    assert.deepEqual(found(request, write()), ['language-model-acts write']);
    const button = node('button', 'ui-button', [['write']]);
    assert.deepEqual(found(node('llm', 'openai-api', [['button']]), button, write()), []);
    const confirming = checkFlow([
      ...base.filter(({ id }) => id !== 'station'),
      { ...STATION, autonomy: 'confirm' },
      model,
      write(),
    ]);
    assert.deepEqual(confirming, []);
  });

  it('finds outputs on which failures end unseen', () => {
    assert.deepEqual(
      found(node('gate', 'tolerance-gate', [['debug'], [], ['write']]), write([['debug'], []])),
      ['output-unwired gate', 'output-unwired write'],
    );
    assert.deepEqual(found(node('ticket', 'mes-ticket', [['debug'], ['not there']])), [
      'output-unwired ticket',
    ]);
  });

  it('finds nodes of whose errors nobody hears', () => {
    const camera = node('camera', 'camera-capture', [['debug']]);
    const scoped = { ...CATCH, scope: ['other'] };
    const others = base.filter(({ id }) => id !== 'catch');
    assert.deepEqual(
      checkFlow([...others, scoped, camera]).map(({ rule }) => rule),
      ['catch-missing'],
    );
    assert.deepEqual(checkFlow([...others, { ...CATCH, scope: ['camera'] }, camera]), []);
    const grouped = { ...CATCH, scope: 'group', g: 'group' };
    assert.equal(checkFlow([...others, grouped, camera]).length, 1);
    assert.deepEqual(checkFlow([...others, grouped, { ...camera, g: 'group' }]), []);
  });

  it('finds pictures that are copied for nodes that do not need them', () => {
    assert.deepEqual(
      found(node('camera', 'camera-capture', [['score', 'debug']]), node('score', 'anomaly-score')),
      ['image-copied camera'],
    );
  });

  it('finds a write that never happens', () => {
    const watching = { ...STATION, autonomy: 'observe' };
    const dry = { ...PLC, dryRun: true };
    const others = base.filter(({ id }) => id !== 'station' && id !== 'plc');
    assert.deepEqual(
      checkFlow([...others, watching, dry, write()]).map(({ rule }) => rule),
      ['never-acts', 'never-acts'],
    );
  });

  it('finds passwords that everybody knows or can read, and does not repeat them', () => {
    const findings = checkFlow([
      ...base,
      { id: 'mes', type: 'mes-endpoint', credentials: { password: 'changeme' } },
      node('request', 'http request', [['debug']], { url: 'https://robot:h4mster@mes.plant/api' }),
      { ...PLC, id: 'plc2', trustUnknownServers: true },
    ]);
    assert.deepEqual(
      findings.map(({ rule, nodeId }) => `${rule} ${nodeId}`),
      ['example-credentials mes', 'example-credentials request', 'server-unknown plc2'],
    );
    assert.ok(!JSON.stringify(findings).includes('h4mster'));
  });

  it('leaves out what is disabled', () => {
    const camera = node('camera', 'camera-capture', [['write']], { d: true });
    assert.deepEqual(found(camera), []);
    assert.deepEqual(
      checkFlow([
        { id: 'tab', type: 'tab', disabled: true },
        node('score', 'anomaly-score', [['write']]),
        write(),
      ]),
      [],
    );
  });

  it('says of anything else in JSON that it is no flow, or finds nothing that throws', () => {
    assert.throws(() => checkFlow({ nodes: [] }), { code: 'FLOW_INVALID' });
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.array(
          fc.record({
            id: fc.string(),
            type: fc.jsonValue(),
            wires: fc.jsonValue(),
            in: fc.jsonValue(),
            out: fc.jsonValue(),
            z: fc.jsonValue(),
            name: fc.jsonValue(),
          }),
        ),
        (json, nodes) => {
          checkFlow(nodes);
          checkFlow([...base, json, write([]), { ...gate(), wires: json, scope: json }]);
        },
      ),
    );
  });

  describe('that is shipped', () => {
    const folders = ['examples', 'flows/pilot-station', 'flows/two-stations'];
    for (const folder of folders) {
      it(`finds nothing in ${folder}`, async () => {
        const files = (await readdir(join(repositoryRoot, folder))).filter((name) => name.endsWith('.json'));
        assert.ok(files.length > 0);
        for (const file of files) {
          const flow: unknown = JSON.parse(await readFile(join(repositoryRoot, folder, file), 'utf8'));
          const findings = checkFlow(flow).map(({ rule, node: title }) => `${rule}: ${title}`);
          assert.deepEqual(findings, [], file);
        }
      });
    }
  });
});
