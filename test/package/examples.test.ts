/** Every flow we ship can be deployed as it is, in Node-RED 4.1 and 5. */
import assert from 'node:assert/strict';
import { partsNeeded } from '../../lib/gate/budget.ts';
import { nodeRedVersions, startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';
import { faultsIn } from './flow-faults.ts';
import { flowOf, ourNodeTypes, packageJson, shippedFlows, textOf } from './package-files.ts';

const MODULES = ['@flowfuse/node-red-dashboard', 'node-red-contrib-opcua'];

/** Modules a flow says it needs, as the editor writes them into an export. */
function modulesOf(flow: readonly Record<string, unknown>[]): string[] {
  return flow
    .filter(({ type }) => type === 'global-config')
    .flatMap(({ modules }) => Object.keys((modules ?? {}) as Record<string, string>));
}

function textOfNode(node: Record<string, unknown>): string {
  return typeof node['name'] === 'string' ? node['name'] : '';
}

describe('the shipped flows', () => {
  it('are there', () => {
    assert.ok(shippedFlows().length > 0, 'examples/ and flows/ are empty');
  });

  it('can stand side by side: no id is in two of them', () => {
    const owners = new Map<unknown, string>();
    const taken = shippedFlows().flatMap((path) =>
      flowOf(path).flatMap(({ id }) => {
        const owner = owners.get(id);
        owners.set(id, path);
        return owner === undefined ? [] : [`${String(id)} of ${path} is in ${owner}`];
      }),
    );
    assert.deepEqual(taken, []);
  });

  for (const path of shippedFlows()) {
    describe(path, () => {
      it('opens with its tab and says what to do', () => {
        const flow = flowOf(path);
        assert.equal(flow[0]?.['type'], 'tab', 'the tab comes first');
        if (path.startsWith('flows/')) {
          assert.match(textOf(path.replace('flow.json', 'README.md'), 'a station is explained there'), /^# /);
          return;
        }
        const comments = flow.filter(({ type }) => type === 'comment').map(textOfNode);
        assert.ok(
          comments.some((text) => text.length > 20),
          'a comment node explains the flow',
        );
      });

      it('has nodes with ids of their own and wires that lead somewhere', () => {
        const flow = flowOf(path);
        const ids = new Set(flow.map(({ id }) => id));
        assert.equal(ids.size, flow.length, 'two nodes have the same id');
        for (const { id, wires } of flow) {
          for (const target of ((wires ?? []) as string[][]).flat()) {
            assert.ok(ids.has(target), `${String(id)} is wired to ${target}, which is not there`);
          }
        }
      });

      it('saves the version of our nodes and stays on this machine', () => {
        const flow = flowOf(path);
        for (const node of flow.filter(({ type }) => ourNodeTypes().includes(String(type)))) {
          assert.equal(typeof node['version'], 'number', `${String(node['id'])} has no version`);
        }
        const hosts = [...JSON.stringify(flow).matchAll(/\b(?:https?|opc\.tcp|mqtt|rtsp):\/\/([\w.-]+)/g)]
          .map(([, host]) => host)
          .filter((host) => host !== '127.0.0.1' && host !== 'localhost');
        assert.deepEqual(hosts, []);
      });

      it('teaches as many parts as its gate needs for its promise', () => {
        const flow = flowOf(path);
        const number = (value: unknown, fallback: number): number =>
          Number(value === '' ? NaN : value) || fallback;
        for (const gate of flow.filter(({ type, mode }) => type === 'tolerance-gate' && mode === 'budget')) {
          const needed = partsNeeded({
            alpha: number(gate['alphaPercent'], 5) / 100,
            delta: 1 - number(gate['confidencePercent'], 95) / 100,
          });
          for (const score of flow) {
            if (score['type'] !== 'anomaly-score' || score['teaching'] !== 'first-parts') continue;
            if (score['station'] !== gate['station']) continue;
            const parts = number(score['parts'], 60);
            assert.ok(
              parts >= needed,
              `${String(score['id'])} teaches ${parts} parts, the gate needs ${needed}`,
            );
          }
        }
      });

      it('names the modules of others that it needs', () => {
        const { name } = packageJson();
        for (const module of modulesOf(flowOf(path))) {
          assert.ok(module === name || MODULES.includes(module), `${module} is not among what we test with`);
        }
      });
    });
  }

  for (const version of nodeRedVersions) {
    describe(`in Node-RED ${version}`, function () {
      this.timeout(120_000);
      let nodeRed: NodeRed;

      before(async () => {
        nodeRed = await startNodeRed({ version, modules: MODULES });
      });

      after(() => nodeRed.stop());

      const faultsSince = (first: number): string[] => faultsIn(nodeRed.logs().slice(first));

      for (const path of shippedFlows()) {
        it(`${path} starts without a fault`, async () => {
          const first = nodeRed.logs().length;
          await nodeRed.deploy(flowOf(path) as FlowNode[]);
          assert.deepEqual(faultsSince(first), []);
        });
      }

      it('all of them stop without a fault', async () => {
        const first = nodeRed.logs().length;
        await nodeRed.deploy([{ id: 'empty', type: 'tab', label: 'empty' }]);
        assert.deepEqual(faultsSince(first), []);
        assert.doesNotMatch(nodeRed.output(), /Uncaught|UnhandledPromise/i);
      });
    });
  }
});
