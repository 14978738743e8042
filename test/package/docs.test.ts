/** Pages that are linked are there, and decisions can be found. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { repositoryRoot } from '../support/shared.ts';
import { filesOf, packageJson, textOf } from './package-files.ts';

const INDEX = 'docs/decisions/README.md';

/** The names under which GitHub links to the headings of a page. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  // What a block of code holds is no heading.
  for (const [, heading = ''] of text.replace(/^```[^]*?^```/gm, '').matchAll(/^#{1,6} (.+)$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const name = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-');
    let anchor = name;
    for (let again = 1; anchors.has(anchor); again += 1) anchor = `${name}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

const PAGES = ['README.md', 'CONTRIBUTING.md', ...filesOf('docs/**/*.md'), ...filesOf('flows/*/README.md')];

/** Files of ours that a page links to, from the root of the repository, each with its anchor. */
function linksOf(path: string): { target: string; anchor: string }[] {
  const text = textOf(path, 'it was just listed').replace(/^```[^]*?^```/gm, '');
  return [...text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(
    ([, link = '', anchor = '']) => ({
      target: link === '' ? path : join(dirname(path), decodeURI(link)),
      anchor,
    }),
  );
}

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

  for (const path of PAGES) {
    it(`${path} links to nothing that is not there`, () => {
      const broken = linksOf(path)
        .filter(({ target, anchor }) => {
          if (!existsSync(join(repositoryRoot, target))) return true;
          return anchor !== '' && !anchorsOf(textOf(target, 'it is linked')).has(decodeURI(anchor));
        })
        .map(({ target, anchor }) => (anchor === '' ? target : `${target}#${anchor}`));
      assert.deepEqual(broken, []);
    });
  }

  it('can be found from README, every page and every picture of it', () => {
    const found = new Set(['README.md']);
    // A set goes on with what is added while it is walked.
    for (const path of found) {
      if (!PAGES.includes(path)) continue;
      for (const { target } of linksOf(path)) found.add(target);
    }
    const lost = [...PAGES, ...filesOf('docs/images/*')].filter((path) => !found.has(path));
    assert.deepEqual(lost, []);
  });
});
