/** What Node-RED answers with when it is asked which routes there are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';
import { packageJson } from '../package/package-files.ts';
import { repositoryRoot } from '../support/shared.ts';

const PASSWORD = 'stamping-line-2';

interface Parameter {
  name: string;
  in: string;
  required: boolean;
  description?: string;
}

interface Operation {
  summary: string;
  description: string;
  parameters: Parameter[];
  security: { nodeRed: string[] }[];
}

interface OpenApi {
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
}

describe('the description of the admin routes', function () {
  this.timeout(180_000);
  let nodeRed: NodeRed;
  let served: OpenApi;

  const ask = async (username: string): Promise<Response> => {
    const authorization = `Bearer ${await nodeRed.signIn(username, PASSWORD, '')}`;
    return fetch(new URL('/jidoka/openapi.json', nodeRed.url), { headers: { authorization } });
  };
  const operations = (): [string, Operation][] =>
    Object.entries(served.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]): [string, Operation] => [
        `${method} ${path}`,
        operation,
      ]),
    );

  before(async () => {
    const users = ['jidoka.read', 'plc.arm'].map((permission) => ({
      ...{ username: permission, password: PASSWORD, permissions: [permission] },
    }));
    nodeRed = await startNodeRed({ version: '5', users });
    const response = await ask('jidoka.read');
    assert.equal(response.status, 200);
    served = (await response.json()) as OpenApi;
  });
  after(() => nodeRed.stop());

  it('is not for who may not read', async () => {
    assert.equal((await ask('plc.arm')).status, 401);
  });

  it('has what arms a station, with its permission', () => {
    const arm = served.paths['/jidoka/stations/{id}/arm']?.['post'];
    assert.deepEqual(arm?.security, [{ nodeRed: ['plc.arm'] }]);
    assert.match(arm.description, /signed-in person/);
  });

  it('has itself, and the version of the package', () => {
    assert.ok(served.paths['/jidoka/openapi.json']?.['get']);
    assert.equal(served.info.version, packageJson().version);
  });

  it('is what the documentation has', () => {
    const written = readFileSync(join(repositoryRoot, 'docs/reference/openapi.json'), 'utf8');
    assert.deepEqual(served, JSON.parse(written));
  });

  it('says of every route what it does, in words of its own and without a full stop', () => {
    const known = new Map<string, string>();
    for (const [route, { summary }] of operations()) {
      assert.match(summary, /^[A-Z][a-z]+s .*[^.\s]$/, route);
      assert.equal(known.get(summary), undefined, `${route} says the same`);
      known.set(summary, route);
    }
  });

  it('names queries and headers with what they mean', () => {
    const of = (path: string, method: string): (string | undefined)[][] =>
      (served.paths[path]?.[method]?.parameters ?? [])
        .filter((parameter) => parameter.in !== 'path')
        .map(({ name, in: where, required }) => [where, name, String(required)]);
    assert.deepEqual(of('/jidoka/stations/{id}/figures', 'get'), [['query', 'since', 'true']]);
    assert.deepEqual(of('/jidoka/stations/{id}/commands', 'post'), [['header', 'Idempotency-Key', 'true']]);
    for (const [route, { parameters }] of operations()) {
      for (const { name, in: where, description = '' } of parameters) {
        assert.ok(where === 'path' || description.length > 5, `${route} ${name}`);
      }
    }
  });
});
