/** The menu's “Check flows”: what it finds, where a click leads, and what a name can do in it. */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { complaints, launchBrowser, screenshot } from '../support/browser.ts';
import { nodeRedVersions, startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

const HOSTILE =
  '<img src=x onerror="window.hacked = true">Divert part of press line 4, the second turning unit';

const flows: FlowNode[] = [
  { id: 'fc-tab', type: 'tab', label: 'Flow 1' },
  {
    id: 'fc-station',
    type: 'inspection-station',
    name: 'Press 4',
    line: '',
    folder: '',
    deadlineMs: 900,
    autonomy: 'act',
    leaseHours: 8,
    version: 1,
  },
  {
    id: 'fc-score',
    type: 'anomaly-score',
    z: 'fc-tab',
    version: 2,
    name: 'Score',
    station: 'fc-station',
    model: 'none',
    teaching: 'never',
    x: 200,
    y: 100,
    wires: [['fc-write'], []],
  },
  {
    id: 'fc-write',
    type: 'plc-write',
    z: 'fc-tab',
    version: 1,
    name: HOSTILE,
    station: 'fc-station',
    endpoint: '',
    tag: 'ns=1;s=x',
    x: 500,
    y: 100,
    wires: [[], []],
  },
];

for (const version of nodeRedVersions) {
  describe(`checking flows in the editor of Node-RED ${version}`, function () {
    this.timeout(60_000);
    let nodeRed: NodeRed;
    let browser: Browser;

    before(async function () {
      browser = await launchBrowser(this);
      nodeRed = await startNodeRed({ version, flows });
    });
    after(async () => {
      await browser.close();
      await nodeRed.stop();
    });

    async function open(locale: string): Promise<{ page: Page; errors: string[] }> {
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale });
      const errors = complaints(page);
      await page.goto(nodeRed.url);
      await page.waitForSelector('.red-ui-flow-node', { timeout: 30_000 });
      await page.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
      return { page, errors };
    }

    it('lists errors before warnings, leads to the node, and runs nothing a name holds', async () => {
      const { page, errors } = await open('en-US');
      await page.click('#red-ui-header-button-sidemenu');
      await page.click('#menu-item-jidoka-check');
      await page.waitForSelector('.jidoka-check li');
      const levels = await page.evaluate<string[]>(
        `[...document.querySelectorAll('.jidoka-check li')].map((item) => item.className)`,
      );
      assert.deepEqual(levels, levels.toSorted(), 'errors come first');
      const first = await page.evaluate<string>(`document.querySelector('.jidoka-check li').innerText`);
      assert.match(first, /without a tolerance-gate in between/);
      assert.ok(first.includes('<img src=x'), 'a name is text');
      // The notice slides in.
      await page.waitForFunction(`(() => {
        const notice = document.querySelector('.jidoka-check').closest('.red-ui-notification');
        return $(notice).is(':not(:animated)') && notice.offsetHeight >= notice.scrollHeight;
      })()`);
      await screenshot(page, `flow-check-${version.replace('.', '')}`);
      await page.click('.jidoka-check li button');
      await page.waitForSelector(
        '.red-ui-flow-node-highlighted, .red-ui-flow-node-selected, .red-ui-flow-node',
      );
      assert.equal(await page.evaluate('window.hacked'), undefined);
      await page.click('.red-ui-notification button.primary, .ui-dialog-buttonset button.primary');
      assert.deepEqual(errors, []);
      await page.close();
    });

    it('looks at what is in the editor, deployed or not, and says so when there is nothing to find', async () => {
      const { page, errors } = await open('de');
      await page.evaluate(`['fc-score', 'fc-write'].forEach((id) => RED.nodes.remove(id))`);
      await page.evaluate(`RED.actions.invoke('jidoka:check-flows')`);
      await page.waitForSelector('.jidoka-check p');
      const said = await page.evaluate<string>(`document.querySelector('.jidoka-check').innerText`);
      assert.match(said, /Nichts gefunden/);
      assert.deepEqual(errors, []);
      await page.close();
    });
  });
}
