/** Imports point down only: `nodes → lib → Node and libraries`, and nothing shipped knows the demo plant. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { basename, dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { repositoryRoot } from '../support/shared.ts';
import { filesOf, isConfigNode, ourNodeTypes, registrationOf, sourceOf, textOf } from './package-files.ts';

const MAX_NODE_LINES = 150;

/** Static, dynamic and re-exporting imports of a file; relative ones as paths of the repository. */
function importsOf(path: string): string[] {
  const source = textOf(path, 'it was just listed');
  return ts
    .preProcessFile(source, true, true)
    .importedFiles.map(({ fileName }) =>
      fileName.startsWith('.')
        ? relative(repositoryRoot, join(repositoryRoot, dirname(path), fileName))
        : fileName,
    );
}

/** `file → import` for every import of these files that is forbidden. */
function breaches(pattern: string, forbidden: (specifier: string) => boolean): string[] {
  return filesOf(pattern).flatMap((path) =>
    importsOf(path)
      .filter(forbidden)
      .map((specifier) => `${path} → ${specifier}`),
  );
}

function isNodeRed(specifier: string): boolean {
  return /^(node-red|node-red-4|@node-red)(\/|$)/.test(specifier);
}

describe('the rooms of the house', () => {
  it('have files to look at', () => {
    assert.ok(filesOf('lib/**/*.ts').length > 0);
    assert.ok(filesOf('nodes/**/*.ts').length > 0);
  });

  it('lib knows nothing of Node-RED, of the nodes, or of the plant', () => {
    const found = breaches(
      'lib/**/*.ts',
      (specifier) =>
        isNodeRed(specifier) ||
        !/^(lib\/|[^./])/.test(specifier) ||
        /^(nodes|plant|test|bench|tools)\//.test(specifier),
    );
    assert.deepEqual(found, []);
  });

  it('nodes know nothing of the plant, the tests or the bench', () => {
    assert.deepEqual(
      breaches('nodes/**/*.ts', (specifier) => /^(plant|test|bench|tools)\//.test(specifier)),
      [],
    );
  });

  it('no node brings ONNX Runtime into the process of Node-RED, where another package may have its own', () => {
    const nodes = ourNodeTypes().map((type) => join(repositoryRoot, 'nodes', type, `${type}.ts`));
    const script = `
      for (const node of ${JSON.stringify(nodes)}) await import(node);
      const { sharedObjects } = process.report.getReport();
      console.log(JSON.stringify(sharedObjects.filter((file) => file.includes('onnxruntime'))));`;
    const told = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
    });
    assert.deepEqual(JSON.parse(told), []);
  });

  it('a node reaches into no other node but the config node it uses, and not into its registration', () => {
    const found = filesOf('nodes/*/*.ts').flatMap((path) => {
      const own = dirname(path);
      return importsOf(path)
        .filter((specifier) => specifier.startsWith('nodes/'))
        .filter((specifier) => ![own, 'nodes/runtime'].includes(dirname(specifier)))
        .filter((specifier) => {
          const type = basename(dirname(specifier));
          return basename(specifier) === `${type}.ts` || !isConfigNode(registrationOf(type));
        })
        .map((specifier) => `${path} → ${specifier}`);
    });
    assert.deepEqual(found, []);
  });

  it('only the runtime registers input and close handlers', () => {
    const found = filesOf('nodes/*/*.ts')
      .filter((path) => !path.startsWith('nodes/runtime/'))
      .filter((path) => /\.on\(\s*['"](input|close)['"]/.test(textOf(path, 'it was just listed')));
    // Child processes and sockets have a close event too; a node has none of those in its glue.
    assert.deepEqual(found, []);
  });

  describe('a node file is glue', () => {
    for (const type of ourNodeTypes()) {
      it(`${type} has at most ${MAX_NODE_LINES} lines`, () => {
        const lines = sourceOf(type).trimEnd().split('\n').length;
        assert.ok(lines <= MAX_NODE_LINES, `nodes/${type}/${type}.ts has ${lines} lines`);
      });
    }
  });
});
