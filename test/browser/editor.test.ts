/** What an engineer sees in the editor: the palette, the pilot flow, every dialog and every help text. */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { ourNodeTypes } from '../package/package-files.ts';
import { launchBrowser, screenshot, unreadableIn } from '../support/browser.ts';
import { editorFlows, LONG_NAME } from '../support/editor-flows.ts';
import { closeDialog, isConfig, openDialog, openEditor, shownNode } from '../support/editor.ts';
import { nodeRedVersions, startNodeRed, type NodeRed } from '../support/node-red.ts';

const PALETTE = [
  'camera capture',
  'onnx infer gpu',
  'anomaly score',
  'sensor window',
  'tolerance gate',
  'plc write',
  'plc read',
  'plc watch',
  'mes ticket',
];
/** Choices that show fields of their own. */
const CHOICES: Partial<Record<string, Record<string, string[]>>> = {
  'plc-endpoint': { protocol: ['modbus', 's7', 'mqtt'] },
  'plc-write': { profile: ['handshake'], fallback: ['hold', 'value'] },
  'mes-endpoint': {
    dialect: ['template', 'erpnext', 'odoo', 'atlas', 'servicenow', 'jira', 'sap', 'b2mml'],
    authentication: ['basic', 'header'],
  },
};
for (const version of nodeRedVersions) {
  describe(`the editor of Node-RED ${version}`, function () {
    this.timeout(120_000);
    let nodeRed: NodeRed;
    let browser: Browser;
    let page: Page;
    let errors: string[];
    const prefix = `editor-${version.replace('.', '')}`;

    before(async function () {
      browser = await launchBrowser(this);
      nodeRed = await startNodeRed({
        version,
        flows: editorFlows(),
        modules: ['@flowfuse/node-red-dashboard'],
      });
      ({ page, errors } = await openEditor(browser, nodeRed, 'en-US'));
    });
    after(async () => {
      await browser.close();
      await nodeRed.stop();
    });

    /** What cannot be read in the dialog that is open, as it is and with each of its choices. */
    async function unreadable(on: Page, type: string, name: string): Promise<string[]> {
      const faults = await unreadableIn(on, LONG_NAME);
      const prefixed = `#node-${isConfig(type) ? 'config-' : ''}input-`;
      for (const [field, choices] of Object.entries(CHOICES[type] ?? {})) {
        for (const choice of choices) {
          await on.selectOption(`${prefixed}${field}`, choice);
          await on.locator(`${prefixed}${field}`).scrollIntoViewIfNeeded();
          await screenshot(on, `${name}-${choice}`);
          const found = await unreadableIn(on, LONG_NAME);
          faults.push(...found.map((fault) => `${choice}: ${fault}`));
        }
      }
      return faults;
    }

    it('has our nodes in a category of their own, with names broken between words', async () => {
      const labels = await page.evaluate<string[]>(
        `[...document.querySelectorAll('#red-ui-palette-Jidoka .red-ui-palette-label, [id$="palette-base-category-Jidoka"] .red-ui-palette-label')]
          .map((label) => label.innerText.replace(/\\s+/g, ' '))`,
      );
      assert.deepEqual(labels.toSorted(), PALETTE.toSorted());
    });

    it('shows the pilot flow without a warning at any node', async () => {
      const invalid = await page.evaluate<string[]>(`(() => {
        const found = [];
        const look = (node) => { if (node.valid === false) found.push(node.id + ': ' + node.validationErrors); };
        RED.nodes.eachNode(look);
        RED.nodes.eachConfig(look);
        return found;
      })()`);
      assert.deepEqual(invalid, []);
      await page.setViewportSize({ width: 1960, height: 900 });
      await page.evaluate(
        `document.querySelector('[data-palette-type="onnx-infer-gpu"]').scrollIntoView({ block: 'center' })`,
      );
      await screenshot(page, version === '5' ? 'editor-pilot' : `${prefix}-pilot`);
      await page.setViewportSize({ width: 1440, height: 900 });
    });

    for (const type of ourNodeTypes()) {
      it(`opens the dialog of ${type} with everything in it readable`, async () => {
        await openDialog(page, shownNode(type), type);
        await screenshot(page, `${prefix}-${type}`);
        const faults = await unreadable(page, type, `${prefix}-${type}`);
        await closeDialog(page, type);
        assert.deepEqual(faults, []);
      });

      it(`renders the help of ${type} with headings`, async () => {
        await page.evaluate(`RED.sidebar.help.show('${type}')`);
        await page.waitForFunction(
          `document.querySelector('.red-ui-help-title')?.innerText.replaceAll(' ', '-') === '${type}'
            && document.querySelectorAll('.red-ui-help h3').length > 0`,
        );
        const text = await page.locator('.red-ui-help').last().innerText();
        assert.doesNotMatch(text, /###|\*\*|^: /m, 'Markdown is left as it was typed');
      });
    }

    for (const { type, field, bad, sentence } of [
      { type: 'camera-capture', field: 'url', bad: 'ftp://camera', sentence: /starts with http/ },
      { type: 'onnx-infer-gpu', field: 'confidence', bad: '3', sentence: /between 0 and 1/ },
      { type: 'anomaly-score', field: 'parts', bad: '3', sentence: /10 to 400/ },
      { type: 'tolerance-gate', field: 'alphaPercent', bad: '60', sentence: /0.01 to 50/ },
      { type: 'plc-write', field: 'tag', bad: '', sentence: /tag/i },
      { type: 'plc-read', field: 'timeoutMs', bad: '5', sentence: /10 to 10000/ },
      { type: 'plc-watch', field: 'tag', bad: '', sentence: /tag/i },
      { type: 'mes-ticket', field: 'defectClass', bad: '', sentence: /defect/i },
      { type: 'inspection-station', field: 'leaseHours', bad: '9', sentence: /8/ },
      { type: 'plc-endpoint', field: 'endpointUrl', bad: 'http://plc', sentence: /opc\.tcp/ },
      { type: 'mes-endpoint', field: 'baseUrl', bad: 'ftp://mes', sentence: /http/ },
    ]) {
      it(`frames a bad ${field} of ${type} in red and says what to give`, async () => {
        await openDialog(page, shownNode(type), type);
        const input = `#node-${isConfig(type) ? 'config-' : ''}input-${field}`;
        await page.evaluate(`$('${input}').val('${bad}').trigger('change')`);
        const framed = await page.evaluate(`$('${input}').hasClass('input-error')`);
        const said = await page.evaluate<string>(`(() => {
          const node = RED.nodes.node('${shownNode(type)}');
          return String(node._def.defaults['${field}'].validate.call(node, '${bad}', {}));
        })()`);
        await closeDialog(page, type);
        assert.equal(framed, true);
        assert.match(said, sentence);
        assert.doesNotMatch(said, /\.error\./);
      });
    }

    it('keeps its layout with a very long station name and tag', async () => {
      await openDialog(page, 'long-write', 'plc-write');
      await screenshot(page, `${prefix}-long`);
      const faults = await unreadableIn(page, LONG_NAME);
      await closeDialog(page, 'plc-write');
      assert.deepEqual(faults, []);
      await page.evaluate("RED.workspaces.show('long-tab')");
      await page.waitForSelector('#long-write, [id="long-write"]');
      await screenshot(page, `${prefix}-long-flow`);
      const width = await page.evaluate("RED.nodes.node('long-write').w");
      assert.ok(Number(width) <= 400, `the node is ${String(width)} px wide`);
      await page.evaluate("RED.workspaces.show('pilot-tab')");
    });

    it('speaks German to a German browser', async () => {
      const { page: german, errors: heard } = await openEditor(browser, nodeRed, 'de');
      const inAll: string[] = [];
      for (const type of ourNodeTypes()) {
        await openDialog(german, shownNode(type), type);
        await screenshot(german, `${prefix}-de-${type}`);
        const faults = await unreadable(german, type, `${prefix}-de-${type}`);
        inAll.push(...faults.map((fault) => `${type}: ${fault}`));
        await closeDialog(german, type);
      }
      await german.close();
      assert.deepEqual(inAll, []);
      assert.deepEqual(heard, []);
    });

    it('had no error in page or console', () => {
      assert.deepEqual(errors, []);
    });
  });
}
