/** What an engineer sees in the editor: the palette, the pilot flow, every dialog and every help text. */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { flowOf, ourNodeTypes } from '../package/package-files.ts';
import { complaints, launchBrowser, screenshot, unreadableIn } from '../support/browser.ts';
import { nodeRedVersions, startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

const CONFIG_TYPES = ['inspection-station', 'plc-endpoint', 'mes-endpoint'];
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
const LONG_NAME = 'Press line 4, station 12, upper camera over the second turning unit after the washer';
const LONG_TAG = `ns=4;s=${'"DB_Line4_Station12"."Rejects"."TurningUnit2".'.repeat(3)}"GateOpen"`;

/** The pilot flow, a model that sorts, and a station and a command with names as long as in a real plant. */
function flows(): FlowNode[] {
  const pilot = flowOf('flows/pilot-station/flow.json') as FlowNode[];
  return [
    // Nothing answers here; asked every two seconds it would fill the debug side bar.
    ...pilot.map((node) => (node.id === 'pilot-tick' ? { ...node, repeat: '', once: false } : node)),
    { id: 'long-tab', type: 'tab', label: 'Long names' },
    {
      id: 'long-station',
      type: 'inspection-station',
      name: LONG_NAME,
      line: '',
      folder: '',
      deadlineMs: 900,
      autonomy: 'observe',
      leaseHours: 8,
      version: 1,
    },
    {
      ...pilot.find(({ id }) => id === 'pilot-divert'),
      id: 'long-write',
      type: 'plc-write',
      z: 'long-tab',
      name: '',
      tag: LONG_TAG,
      station: 'long-station',
      x: 300,
      y: 300,
      wires: [[], []],
    },
    {
      ...{ id: 'look-sensors', type: 'sensor-window', z: 'long-tab', version: 1, name: '', x: 200, y: 120 },
      ...{ channels: [{ name: 'vibration', unit: 'mm/s' }], clock: 'rate', sourceHz: '1000', rateHz: '1000' },
      ...{ lengthUnit: 'seconds', length: '1', hop: '', maxGapMs: '', late: 'error' },
      ...{ features: ['mean', 'rms'], bands: '', wires: [[], []] },
    },
    {
      ...{ id: 'look-read', type: 'plc-read', z: 'long-tab', version: 1, name: '', x: 200, y: 400 },
      ...{ endpoint: pilot.find(({ type }) => type === 'plc-endpoint')?.id, timeoutMs: '1000', wires: [[]] },
      tags: [
        { tag: 'ns=1;s=Line.PartId', name: 'part' },
        { tag: LONG_TAG, name: 'gate of the turning unit' },
      ],
    },
    {
      ...{ id: 'look-watch', type: 'plc-watch', z: 'long-tab', version: 1, name: '', x: 200, y: 480 },
      ...{ endpoint: pilot.find(({ type }) => type === 'plc-endpoint')?.id, tag: LONG_TAG, when: 'rising' },
      ...{ countState: false, intervalMs: '100', debounceMs: '0', deadband: '0', wires: [[]] },
      ...{ station: 'long-station', partIdTag: 'ns=1;s=Line.PartId' },
    },
    {
      id: 'look-infer',
      type: 'onnx-infer-gpu',
      z: 'long-tab',
      version: 1,
      name: 'Sort',
      model: 'presence.onnx',
      task: 'detect',
      labels: 'screw\nwasher',
      format: 'auto',
      confidence: '0.3',
      iou: '0.45',
      topK: '5',
      outputs: '',
      inputWidth: '',
      inputHeight: '',
      pixels: 'auto',
      colour: 'auto',
      fit: 'auto',
      providers: ['cpu'],
      strict: false,
      queue: 'latest-wins',
      watchdogMs: '',
      x: 200,
      y: 200,
      wires: [[]],
    },
  ];
}

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
      nodeRed = await startNodeRed({ version, flows: flows(), modules: ['@flowfuse/node-red-dashboard'] });
      ({ page, errors } = await openEditor('en-US'));
    });
    after(async () => {
      await browser.close();
      await nodeRed.stop();
    });

    /** Opens the editor in a browser of this language and resolves when the flows are drawn. */
    async function openEditor(locale: string): Promise<{ page: Page; errors: string[] }> {
      const opened = await browser.newPage({ viewport: { width: 1440, height: 900 }, locale });
      opened.setDefaultTimeout(10_000);
      const heard = complaints(opened);
      opened.on('console', (message) => {
        const text = message.text();
        if (message.type() === 'error' || /Definition error|Validation error/.test(text)) heard.push(text);
      });
      await opened.goto(nodeRed.url);
      await opened.waitForSelector('.red-ui-flow-node', { timeout: 30_000 });
      await opened.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
      return { page: opened, errors: heard };
    }

    function nodeOf(type: string): string {
      const node = flows().find((each) => each.type === type);
      assert.ok(node, `the test has a ${type} to look at`);
      return node.id;
    }

    function configs(type: string): boolean {
      return CONFIG_TYPES.includes(type);
    }

    async function openDialog(on: Page, id: string, type: string): Promise<void> {
      await on.evaluate(
        configs(type)
          ? `RED.editor.editConfig('', '${type}', '${id}')`
          : `RED.editor.edit(RED.nodes.node('${id}'))`,
      );
      await on.waitForSelector(configs(type) ? '#node-config-dialog-cancel' : '#node-dialog-cancel');
      // The dialog slides in.
      await on.waitForFunction(`(() => {
        const tray = [...document.querySelectorAll('.red-ui-tray')].at(-1);
        return tray.getAnimations().length === 0 && Math.abs(parseFloat(getComputedStyle(tray).right)) < 1;
      })()`);
    }

    /** What cannot be read in the dialog that is open, as it is and with each of its choices. */
    async function unreadable(on: Page, type: string, name: string): Promise<string[]> {
      const faults = await unreadableIn(on, LONG_NAME);
      const prefixed = `#node-${configs(type) ? 'config-' : ''}input-`;
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

    async function closeDialog(on: Page, type: string): Promise<void> {
      const button = configs(type) ? '#node-config-dialog-cancel' : '#node-dialog-cancel';
      await on.click(button);
      await on.waitForSelector('.red-ui-tray', { state: 'detached' });
    }

    it('has our six nodes in a category of their own, with names broken between words', async () => {
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
        await openDialog(page, nodeOf(type), type);
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
        await openDialog(page, nodeOf(type), type);
        const input = `#node-${configs(type) ? 'config-' : ''}input-${field}`;
        await page.evaluate(`$('${input}').val('${bad}').trigger('change')`);
        const framed = await page.evaluate(`$('${input}').hasClass('input-error')`);
        const said = await page.evaluate<string>(`(() => {
          const node = RED.nodes.node('${nodeOf(type)}');
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
      const { page: german, errors: heard } = await openEditor('de');
      const inAll: string[] = [];
      for (const type of ourNodeTypes()) {
        await openDialog(german, nodeOf(type), type);
        await screenshot(german, `${prefix}-de-${type}`);
        const faults = await unreadable(german, type, `${prefix}-de-${type}`);
        inAll.push(...faults.map((fault) => `${type}: ${fault}`));
        await closeDialog(german, type);
      }
      await german.close();
      assert.deepEqual(inAll, []);
      assert.deepEqual(heard, []);
    });

    if (version === '5') {
      it('is as readable in the dark', async () => {
        await page.evaluate("document.documentElement.classList.add('nr-theme-dark')");
        for (const type of ourNodeTypes()) {
          await openDialog(page, nodeOf(type), type);
          await screenshot(page, `${prefix}-dark-${type}`);
          await closeDialog(page, type);
        }
        await page.evaluate("document.documentElement.classList.remove('nr-theme-dark')");
      });
    }

    it('had no error in page or console', () => {
      assert.deepEqual(errors, []);
    });
  });
}
