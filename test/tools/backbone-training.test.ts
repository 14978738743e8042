import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../support/shared.ts';

const FOLDER = join(repositoryRoot, 'tools', 'backbone');

describe('the training tool of the backbone', () => {
  it('compiles, every file of it', async function () {
    if (spawnSync('python3', ['--version']).status !== 0) this.skip();
    const files = globSync('training/*.py', { cwd: FOLDER });
    assert.ok(files.includes(join('training', '__main__.py')));
    const cache = await mkdtemp(join(tmpdir(), 'jidoka-python-'));
    const { status, stderr } = spawnSync('python3', ['-m', 'py_compile', ...files], {
      cwd: FOLDER,
      encoding: 'utf8',
      // nothing compiled is left in the sources
      env: { ...process.env, PYTHONPYCACHEPREFIX: cache },
    });
    await rm(cache, { recursive: true, force: true });
    assert.equal(status, 0, stderr);
  });

  it('names every library it needs with its version', async () => {
    const pinned = (await readFile(join(FOLDER, 'requirements.txt'), 'utf8')).trim().split('\n');
    for (const line of pinned) assert.match(line, /^[a-z]+==\d+(\.\d+)+$/);
    const names: Readonly<Record<string, string>> = { PIL: 'pillow' };
    const own = new Set([
      'io',
      'json',
      'math',
      'string',
      'sys',
      'time',
      'hashlib',
      'argparse',
      'pathlib',
      'multiprocessing',
      'collections',
    ]);
    for (const file of globSync('training/*.py', { cwd: FOLDER })) {
      const text = await readFile(join(FOLDER, file), 'utf8');
      for (const [, name = ''] of text.matchAll(/^\s*(?:import|from) ([a-zA-Z]\w*)/gm)) {
        if (own.has(name)) continue;
        const library = names[name] ?? name;
        assert.ok(
          pinned.some((line) => line.startsWith(`${library}==`)),
          `${file} needs ${library}`,
        );
      }
    }
  });
});
