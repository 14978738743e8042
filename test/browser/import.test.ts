/** Every flow we ship comes in through the Import menu, is deployed by the button, and runs. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { faultsIn } from '../package/flow-faults.ts';
import { flowOf, shippedFlows, textOf } from '../package/package-files.ts';
import { launchBrowser, screenshot } from '../support/browser.ts';
import { openEditor } from '../support/editor.ts';
import { inSequence } from '../support/in-sequence.ts';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';

const DIALOG = '#red-ui-clipboard-dialog';

describe('the shipped flows in the Import menu', function () {
  inSequence();
  this.timeout(180_000);
  let nodeRed: NodeRed;
  let browser: Browser;
  let page: Page;
  let errors: string[];

  before(async function () {
    browser = await launchBrowser(this);
    nodeRed = await startNodeRed({
      version: '5',
      modules: ['@flowfuse/node-red-dashboard', 'node-red-contrib-opcua'],
      flows: [
        { id: 'first', type: 'tab', label: 'Flow 1' },
        { id: 'first-note', type: 'comment', z: 'first', name: 'ours follow', x: 200, y: 80, wires: [] },
      ],
    });
    ({ page, errors } = await openEditor(browser, nodeRed));
    // A file that node-red-contrib-opcua looks for in vain while the editor loads is nothing of ours.
    errors.splice(0);
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
  });

  async function openImport(tab: 'clipboard' | 'examples'): Promise<void> {
    await page.click('#red-ui-header-button-sidemenu');
    await page.click('#menu-item-import');
    await page.waitForSelector(DIALOG);
    await page.click(`a[href="${DIALOG}-import-tab-${tab}"]`);
  }

  for (const path of shippedFlows()) {
    it(`brings in ${path}`, async () => {
      if (path.startsWith('examples/')) {
        await openImport('examples');
        const ours = page.locator(`${DIALOG} .red-ui-treeList-label`, { hasText: '@jidoka/node-red' });
        const name = { hasText: basename(path, '.json') };
        await ours.click();
        await page.locator(`${DIALOG} .red-ui-treeList-label`, name).click();
        await page.locator(`${DIALOG} .red-ui-treeList-label.selected`, name).waitFor();
      } else {
        await openImport('clipboard');
        await page.fill(`${DIALOG}-import-text`, textOf(path, 'it is shipped'));
        // The dialog looks at what was put in when a key has been pressed.
        await page.press(`${DIALOG}-import-text`, 'End');
      }
      await page.click(`${DIALOG}-ok:not([disabled]):not(.ui-state-disabled)`);
      await page.waitForSelector(DIALOG, { state: 'hidden' });
      const tab = flowOf(path).find(({ type }) => type === 'tab');
      await page.waitForFunction(
        `(() => { let found; RED.nodes.eachWorkspace((tab) => { found ||= tab.label === ${JSON.stringify(tab?.['label'])}; }); return found; })()`,
      );
      assert.equal(await page.locator('.red-ui-notification-error').count(), 0);
    });
  }

  it('are deployed together by the button, and start without a fault', async () => {
    const incomplete = await page.evaluate<string[]>(`(() => {
      const found = [];
      const look = (node) => { if (node.valid === false) found.push(node.id + ' ' + node.type + ': ' + node.validationErrors); };
      RED.nodes.eachNode(look);
      RED.nodes.eachConfig(look);
      return found;
    })()`);
    assert.deepEqual(incomplete, []);
    await screenshot(page, 'import-all');
    const first = nodeRed.logs().length;
    await page.click('#red-ui-header-button-deploy');
    // The log has the start of the first, empty flow already.
    while (
      !nodeRed
        .logs()
        .slice(first)
        .some(({ text }) => text.includes('Started flows'))
    )
      await setTimeout(50);
    assert.deepEqual(faultsIn(nodeRed.logs().slice(first)), []);
    assert.deepEqual(errors, []);
  });
});
