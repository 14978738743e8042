/** Pages that are linked are there, and decisions can be found. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { repositoryRoot } from '../support/shared.ts';
import { filesOf, packageJson, textOf } from './package-files.ts';

const INDEX = 'docs/decisions/README.md';

describe('the documentation', () => {
  it('lists every decision in the index', () => {
    const index = textOf(INDEX, 'the index of the decisions');
    const pages = filesOf('docs/decisions/*.md').map((path) => basename(path));
    const missing = pages.filter((page) => page !== 'README.md' && !index.includes(`(${page})`));
    assert.deepEqual(missing, []);
  });

  it('has a decision for every hard dependency, with its licence', () => {
    const pages = filesOf('docs/decisions/*.md').filter((path) => path !== INDEX);
    const texts = pages.map((path) => textOf(path, 'it was just listed'));
    for (const name of Object.keys(packageJson().dependencies ?? {})) {
      assert.ok(
        texts.some((text) => text.includes(name) && /licen[cs]e/i.test(text)),
        `no page in docs/decisions names ${name} and its licence`,
      );
    }
  });

  for (const path of [
    'README.md',
    'CONTRIBUTING.md',
    ...filesOf('docs/**/*.md'),
    ...filesOf('flows/*/README.md'),
  ]) {
    it(`${path} links to nothing that is not there`, () => {
      const text = textOf(path, 'people look here first');
      const broken = [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)]
        .map(([, link = '']) => link)
        .filter((link) => !existsSync(join(repositoryRoot, dirname(path), decodeURI(link))));
      assert.deepEqual(broken, []);
    });
  }
});
