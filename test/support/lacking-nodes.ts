/** Our nodes with a guard left out, as further types of a Node-RED: what a control needs to show the fault. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { repositoryRoot } from './shared.ts';

/** `close`: what is done when the node is closed. `durable`: an input is done before anything has it. */
export type Lacking = 'close' | 'durable';

/** What takes the place of `node.on`, as source text. */
const ON: Readonly<Record<Lacking, string>> = {
  close: `(event, listener) => (event === 'close' ? node : on.call(node, event, listener))`,
  durable: `(event, listener) => event !== 'input' ? on.call(node, event, listener) :
    on.call(node, event, (message, send, done) => {
      done();
      setTimeout(() => listener.call(node, message, send, () => undefined), 300);
    })`,
};

/** Of `type` where the guard is left out. */
export function lackingType(type: string): string {
  return `lacking-${type}`;
}

/** Returns the folder Node-RED has to look into for them. */
export function writeLackingNodes(userDir: string, types: readonly string[], lacking: Lacking): string {
  const folder = join(userDir, 'lacking');
  mkdirSync(folder, { recursive: true });
  const files = types.map((type) =>
    pathToFileURL(join(repositoryRoot, 'dist', 'nodes', type, `${type}.js`)).toString(),
  );
  const code = `
    module.exports = async (RED) => {
      const nodes = Object.create(RED.nodes, {
        registerType: {
          value: (type, make, options) => RED.nodes.registerType('${lackingType('')}' + type, make, options),
        },
        createNode: {
          value: (node, config) => {
            RED.nodes.createNode(node, config);
            const { on } = node;
            node.on = ${ON[lacking]};
          },
        },
      });
      const ours = Object.create(RED, { nodes: { value: nodes } });
      for (const file of ${JSON.stringify(files)}) (await import(file)).default(ours);
    };`;
  const dialogs = types.map(
    (type) => `<script type="text/html" data-template-name="${lackingType(type)}"></script>`,
  );
  writeFileSync(join(folder, 'lacking.js'), code);
  writeFileSync(join(folder, 'lacking.html'), dialogs.join('\n'));
  return folder;
}
