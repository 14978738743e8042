// Makes a fresh clone ready: installs when the lock file changed, builds when a source changed.
// Runs on whatever Node the system has (20 or newer) and uses nothing but Node's own modules.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const installStamp = join(root, 'node_modules', '.jidoka-install');
const localNode = join(root, 'node_modules', '.bin', 'node');

/** What the installed tree depends on: the lock file, the machine, the install procedure itself. */
function fingerprint() {
  const hash = createHash('sha256');
  for (const file of ['package-lock.json', 'package.json', 'tools/setup.mjs']) {
    hash.update(readFileSync(join(root, file)));
  }
  return hash.update(`${process.platform}-${process.arch}`).digest('hex');
}

function run(node, args, options = {}) {
  execFileSync(node, args, { cwd: root, stdio: 'inherit', ...options });
}

/** npm's own script, so that npm can be run by another Node than the one it was started with. */
function npmScript() {
  const script = process.env.npm_execpath;
  if (script === undefined || !existsSync(script)) {
    throw new Error('Start this through npm: npm start, npm test or npm run setup.');
  }
  return script;
}

/**
 * A Node that satisfies the engines of every dependency. npm skips optional dependencies whose
 * engines exclude the Node it runs on, so on an older system npm itself must run on a newer one.
 */
function modernNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath;
  const home = join(root, '.jidoka', 'toolchain');
  const node = join(home, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(node)) {
    console.log(`Node ${process.version} is older than the dependencies want: fetching Node 24 beside it.`);
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{"private":true}\n');
    run(
      process.execPath,
      [npmScript(), 'install', '--prefix', home, '--no-save', '--loglevel=error', 'node@24'],
      {
        cwd: home,
      },
    );
  }
  return node;
}

/** Installs without running install scripts, then runs those approved in package.json. */
function install() {
  console.log('Installing dependencies (a few minutes the first time) …');
  const node = modernNode();
  const environment = {
    ...process.env,
    PATH: `${dirname(node)}:${process.env.PATH}`,
    ONNXRUNTIME_NODE_INSTALL: 'skip',
  };
  const npm = (...args) => run(node, [npmScript(), ...args, '--loglevel=error'], { env: environment });
  // `npm ci` refuses the lock where a registry lacks a binary package for some other platform.
  npm('install', '--no-save', '--ignore-scripts');
  const { allowScripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const approved = Object.keys(allowScripts).filter((name) => allowScripts[name] === true);
  npm('rebuild', ...approved);
  writeFileSync(installStamp, fingerprint());
}

const installed = existsSync(installStamp) && readFileSync(installStamp, 'utf8') === fingerprint();
if (!installed) install();
run(localNode, ['tools/build.ts', '--if-changed']);
