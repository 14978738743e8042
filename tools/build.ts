// Compiles the package into dist/ and puts beside each compiled node the files Node-RED reads there.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const output = join(root, 'dist');
/** Beside dist/, not in it: everything in dist/ is shipped. */
const stamp = join(root, '.jidoka', 'built');
/** Becomes dist/ when it is whole: whoever starts from there meanwhile finds the old one. */
const scaffold = join(root, '.jidoka', `dist-${process.pid}`);

/** Files that are shipped as they are: dialogs, catalogues, help, and the data of the domains. */
const assets = ['nodes/*/*.html', 'nodes/*/locales/*/*', 'lib/**/*.{onnx,json,md,py,sql}'];
const sources = [
  'nodes/**/*.ts',
  'lib/**/*.ts',
  'cli/**/*.ts',
  ...assets,
  'tsconfig*.json',
  'tools/build.ts',
];

function files(patterns: string[]): string[] {
  return globSync(patterns, { cwd: root });
}

function upToDate(): boolean {
  if (!existsSync(stamp) || !existsSync(output)) return false;
  const builtAt = statSync(stamp).mtimeMs;
  return files(sources).every((file) => statSync(join(root, file)).mtimeMs < builtAt);
}

/** Two that build at the same time build the same: whoever comes second takes the place of the first. */
function takePlace(): void {
  for (let attempt = 1; ; attempt += 1) {
    rmSync(output, { recursive: true, force: true });
    try {
      renameSync(scaffold, output);
      return;
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

if (process.argv.includes('--if-changed') && upToDate()) process.exit(0);

const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
try {
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', scaffold], {
    cwd: root,
    stdio: 'inherit',
  });
  for (const file of files(assets)) {
    const target = join(scaffold, file);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(root, file), target);
  }
  takePlace();
  writeFileSync(stamp, '');
} finally {
  rmSync(scaffold, { recursive: true, force: true });
}
