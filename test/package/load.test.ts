/**
 * What a user gets: the packed tarball, installed in an empty folder, loaded by Node-RED 4.1 and 5
 * from there, with nothing of this repository in reach.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { buildPackage, LOG_LEVEL, nodeRedVersions, startNodeRed, type NodeRed } from '../support/node-red.ts';
import { repositoryRoot } from '../support/shared.ts';
import { filesOf, isConfigNode, ourNodeTypes, packageJson, registrationOf } from './package-files.ts';

const MINUTES = 60_000;

/** Everything a tarball may hold; tests, the plant and TypeScript are not among it. */
const ALLOWED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|editor-plugin\.html)$/,
  /^icons\/[\w-]+\.svg$/,
  // What dialogs, help and pages of the dashboard load from `resources/@jidoka/node-red/`.
  /^resources\/(dashboard\/)?[\w-]+\.(js|css)$/,
  /^resources\/help\/[\w-]+\.png$/,
  // What the editor says beside the nodes.
  /^locales\/[\w-]+\/editor-plugin\.json$/,
  // The PLC's side of a handshake, to be taken into its program.
  /^docs\/plc\/[\w-]+\.(st|md)$/,
  /^examples\/[^/]+\.json$/,
  // Beside a station's flow: the texts of its Function and template nodes, as they are kept for reading.
  /^flows\/[\w-]+\/([\w-]+\.(json|js|vue)|README\.md)$/,
  /^dist\/nodes\/[\w-]+\/[\w-]+\.(js|html)$/,
  /^dist\/nodes\/[\w-]+\/locales\/[\w-]+\/[\w-]+\.(json|html)$/,
  /^dist\/cli\/[\w-]+\.js$/,
  /^dist\/lib\/([\w-]+\/)*[\w.-]+\.(js|json|onnx|md|py|sql)$/,
];

/** Warnings of Node-RED itself in a folder it has not run in before. */
const OF_EVERY_FRESH_START = /^(Projects disabled|Encrypted credentials not found)/;

interface NodeSet {
  module: string;
  name: string;
  types: string[];
  enabled: boolean;
  err?: unknown;
}

function npm(folder: string, ...args: string[]): string {
  const tools = join(repositoryRoot, 'node_modules', '.bin');
  return execFileSync('npm', [...args, '--loglevel=error'], {
    cwd: folder,
    encoding: 'utf8',
    env: {
      ...process.env,
      // npm leaves out optional dependencies that do not fit the Node.js it runs on: let it be ours.
      PATH: [tools, process.env['PATH'] ?? ''].join(delimiter),
      ONNXRUNTIME_NODE_INSTALL: 'skip',
    },
  });
}

describe('the packed package', function () {
  this.timeout(5 * MINUTES);
  const { name, version } = packageJson();
  let folder: string;
  let contents: string[];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'jidoka-load-'));
    // Without the build that npm runs before packing: another test file may be running from `dist`.
    buildPackage();
    const output = npm(repositoryRoot, 'pack', '--ignore-scripts', '--json', '--pack-destination', folder);
    const [packed] = JSON.parse(output) as [{ filename: string; files: { path: string }[] }];
    contents = packed.files.map(({ path }) => path);
    writeFileSync(join(folder, 'package.json'), '{"private": true}\n');
    const tarball = join(folder, packed.filename);
    npm(folder, 'install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', tarball);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('holds what a user needs and nothing else', () => {
    const strangers = contents.filter((path) => !ALLOWED.some((pattern) => pattern.test(path)));
    assert.deepEqual(strangers, []);
    for (const needed of ['LICENSE', 'README.md', 'CHANGELOG.md', 'editor-plugin.html']) {
      assert.ok(contents.includes(needed), `${needed} is not in the tarball`);
    }
  });

  it('brings the jidoka command, which runs where it is installed', () => {
    const command = join(folder, 'node_modules', '.bin', 'jidoka');
    assert.match(execFileSync(process.execPath, [command, '--help'], { encoding: 'utf8' }), /quantize/);
  });

  it('holds the file of every node it lists', () => {
    for (const [set, path] of Object.entries(packageJson()['node-red'].nodes)) {
      assert.ok(contents.includes(path), `${set}: ${path} is not in the tarball`);
      assert.ok(contents.includes(path.replace(/\.js$/, '.html')), `${set} has no dialog in the tarball`);
    }
  });

  for (const release of nodeRedVersions) {
    describe(`installed beside Node-RED ${release}`, () => {
      let nodeRed: NodeRed;

      before(async () => {
        nodeRed = await startNodeRed({ version: release, userDir: folder, nodesDir: [] });
      });

      after(() => nodeRed.stop());

      async function text(path: string, headers: Record<string, string> = {}): Promise<string> {
        const response = await nodeRed.request(path, { headers });
        assert.equal(response.status, 200, `${path} was answered with ${response.status}`);
        return response.text();
      }

      it('registers every type without an error', async () => {
        const sets = JSON.parse(await text('/nodes', { accept: 'application/json' })) as NodeSet[];
        const ours = new Map(sets.filter((set) => set.module === name).map((set) => [set.name, set]));
        for (const type of ourNodeTypes()) {
          const set = ours.get(type);
          assert.ok(set, `Node-RED does not know ${name}/${type}`);
          assert.ok(set.err === undefined, `${type} did not load: ${JSON.stringify(set.err)}`);
          assert.deepEqual(set.types, [type]);
          assert.ok(set.enabled, `${type} is disabled`);
        }
        const loud = nodeRed
          .logs()
          .filter(({ level, text }) => level <= LOG_LEVEL.warn && !OF_EVERY_FRESH_START.test(text));
        assert.deepEqual(loud, [], 'the log has warnings');
      });

      it('is the version it says it is', async () => {
        const module = JSON.parse(await text(`/nodes/${name}`)) as { version: string };
        assert.equal(module.version, version);
      });

      it('serves the icon of every node', async () => {
        for (const type of ourNodeTypes()) {
          if (isConfigNode(registrationOf(type))) continue;
          // Node-RED answers a missing icon with its default one, so the bytes decide.
          const drawn = readFileSync(join(repositoryRoot, 'icons', `${type}.svg`), 'utf8');
          assert.equal(await text(`/icons/${name}/${type}.svg`), drawn, `another icon for ${type}`);
        }
      });

      it('serves texts and help in English and German', async () => {
        const helps = new Set<string>();
        for (const language of ['en-US', 'de']) {
          for (const type of ourNodeTypes()) {
            const catalogue = JSON.parse(await text(`/locales/${name}/${type}?lng=${language}`)) as object;
            assert.ok(type in catalogue, `no ${language} texts for ${type}`);
            const dialog = await text(`/nodes/${name}/${type}`, {
              accept: 'text/html',
              'accept-language': language,
            });
            const start = dialog.indexOf(`data-help-name="${type}"`);
            assert.ok(start > 0, `no ${language} help for ${type}`);
            helps.add(dialog.slice(start));
          }
        }
        assert.equal(helps.size, 2 * ourNodeTypes().length, 'a help text is the same in both languages');
      });

      it('loads the shared editor plugin', async () => {
        const plugins = JSON.parse(await text('/plugins', { accept: 'application/json' })) as {
          id: string;
          enabled: boolean;
          err?: unknown;
        }[];
        const plugin = plugins.find(({ id }) => id === `${name}/jidoka-editor`);
        assert.ok(plugin?.enabled, 'the plugin is not there');
        assert.equal(plugin.err, undefined);
      });

      it('offers its examples in the import menu', async () => {
        const offered = JSON.parse(await text(`/library/examples/flows/${name}`)) as { fn: string }[];
        const shipped = filesOf('examples/*.json').map((path) =>
          path.slice('examples/'.length, -'.json'.length),
        );
        assert.deepEqual(offered.map(({ fn }) => fn).sort(), shipped);
      });
    });
  }
});
