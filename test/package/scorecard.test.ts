/**
 * The rules of the Node-RED flow library's scorecard (node-red-dev-cli: checkpackage.js,
 * checknodes.js, checkdeps.js), offline. P02 (README) is left to the package lint, P08 and N01 ask
 * the catalogue.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { repositoryRoot } from '../support/shared.ts';
import {
  filesOf,
  flowOf,
  isConfigNode,
  ourNodeTypes,
  packageJson,
  registrationOf,
  registrationsIn,
} from './package-files.ts';

interface Lock {
  packages: Record<
    string,
    { version?: string; dependencies?: Record<string, string>; dev?: boolean } | undefined
  >;
}

// Node-RED itself decides with semver whether a module fits.
const { satisfies, major, minVersion, lt } = createRequire(
  createRequire(import.meta.url).resolve('node-red'),
)('semver') as {
  satisfies: (version: string, range: string) => boolean;
  major: (version: string) => number;
  minVersion: (range: string) => { version: string } | null;
  lt: (version: string, other: string) => boolean;
};

function installedVersion(name: string): string {
  const path = join(repositoryRoot, 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

function lock(): Lock {
  return JSON.parse(readFileSync(join(repositoryRoot, 'package-lock.json'), 'utf8')) as Lock;
}

describe('the flow library scorecard', () => {
  const manifest = packageJson();

  it('P01: the package names its licence', () => {
    assert.equal(manifest.license, 'Apache-2.0');
  });

  it('P03: the package says where its source or its issue list is', () => {
    assert.ok(manifest.repository !== undefined || manifest.bugs !== undefined);
  });

  it('P04: the name is scoped', () => {
    assert.match(manifest.name, /^@[a-z0-9-]+\/[a-z0-9-]+$/);
  });

  it('P05: the keyword node-red lets the library find it', () => {
    assert.ok(manifest.keywords?.includes('node-red'));
  });

  it('P06: both supported Node-RED releases satisfy node-red.version', () => {
    const range = manifest['node-red'].version;
    assert.ok(range, 'package.json has no node-red.version');
    for (const release of ['node-red', 'node-red-4']) {
      assert.ok(
        satisfies(installedVersion(release), range),
        `${installedVersion(release)} is outside ${range}`,
      );
    }
  });

  it('P07: the oldest Node.js that Node-RED runs on satisfies engines.node', () => {
    const range = manifest.engines?.node;
    assert.ok(range, 'package.json has no engines.node');
    assert.ok(satisfies('22.9.0', range), `Node.js 22.9.0 is outside ${range}`);
  });

  it('D01: there are at most six dependencies', () => {
    const names = Object.keys(manifest.dependencies ?? {});
    assert.ok(names.length <= 6, `${names.length} dependencies: ${names.join(', ')}`);
  });

  it('D02: no old agent-base is pulled in by what a user installs', () => {
    for (const [path, entry] of Object.entries(lock().packages)) {
      if (!path.endsWith('node_modules/agent-base') || entry?.dev === true) continue;
      assert.ok(major(entry?.version ?? '0.0.0') >= 6, `${path} is ${entry?.version ?? 'unknown'}`);
    }
  });

  it('D03: each dependency asks for the version line the lock file holds', () => {
    const { packages } = lock();
    for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
      const locked = packages[`node_modules/${name}`]?.version;
      assert.ok(locked, `${name} is not in package-lock.json`);
      assert.ok(satisfies(locked, range), `${name} ${locked} is outside ${range}`);
      const oldest = minVersion(range)?.version ?? '0.0.0';
      assert.ok(!lt(oldest, `${major(locked)}.0.0`), `${name} still allows the major before ${locked}`);
    }
  });

  describe('N02: every node is shown in an example', () => {
    for (const type of ourNodeTypes()) {
      it(type, () => {
        if (isConfigNode(registrationOf(type))) return;
        const shown = filesOf('examples/**/*.json').some((path) =>
          flowOf(path).some((node) => node['type'] === type),
        );
        assert.ok(shown, `no file in examples/ has a node of type ${type}`);
      });
    }
  });

  describe('the library can read the dialog of', () => {
    for (const type of ourNodeTypes()) {
      it(type, () => {
        const { literals, properties, defaults } = registrationOf(type);
        assert.ok(literals.has('category'), 'category must be a literal');
        assert.ok(properties.has('defaults'), 'defaults are missing');
        assert.ok(defaults.size > 0, 'defaults must be an object literal in place');
        if (literals.get('category') === 'config') return;
        assert.equal(literals.get('category'), 'Jidoka');
        assert.equal(typeof literals.get('inputs'), 'number', 'inputs must be a number literal');
        assert.equal(typeof literals.get('outputs'), 'number', 'outputs must be a number literal');
        assert.match(String(literals.get('color')), /^#[0-9A-Fa-f]{6}$/, 'color must be a literal');
        assert.equal(literals.get('icon'), `${type}.svg`);
      });
    }
  });

  it('sees only what stands in a script of type text/javascript with literal arguments', () => {
    const call = "RED.nodes.registerType('a', { category: 'x', defaults: { version: { value: 1 } } });";
    assert.equal(registrationsIn(`<script type="text/javascript">${call}</script>`).length, 1);
    assert.equal(registrationsIn(`<script>${call}</script>`).length, 0);
    assert.equal(
      registrationsIn('<script type="text/javascript">RED.nodes.registerType(name, definition);</script>')
        .length,
      0,
    );
  });
});
