/**
 * Every dialog, the side-bar tab and the flow check, bright and dark: a picture of each for the docs
 * (`npm run screenshots`), and nothing in them that bars somebody who cannot see well or has no mouse.
 */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { ourNodeTypes } from '../package/package-files.ts';
import { barriersIn } from '../support/axe.ts';
import { launchBrowser, screenshot } from '../support/browser.ts';
import { editorFlows } from '../support/editor-flows.ts';
import { closeDialog, openDialog, openEditor, setDark, shownNode } from '../support/editor.ts';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';

const TRAY = '.red-ui-tray';
/** Header, buttons, tabs and footer around the form of a dialog. */
const CHROME_PX = 250;

describe('the screens in the editor', function () {
  this.timeout(120_000);
  let nodeRed: NodeRed;
  let browser: Browser;
  let page: Page;

  before(async function () {
    browser = await launchBrowser(this);
    nodeRed = await startNodeRed({
      version: '5',
      flows: editorFlows(),
      modules: ['@flowfuse/node-red-dashboard'],
    });
    ({ page } = await openEditor(browser, nodeRed));
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
  });

  /** Pictures of what `shown` frames, and what bars people from `used`, bright and dark. */
  async function look(name: string, shown: string, used: string): Promise<string[]> {
    const barriers: string[] = [];
    for (const theme of ['light', 'dark']) {
      await setDark(page, theme === 'dark');
      await screenshot(page, `${name}-${theme}`, shown);
      barriers.push(...(await barriersIn(page, used)).map((barrier) => `${theme}: ${barrier}`));
    }
    await setDark(page, false);
    return barriers;
  }

  /** Makes the window as high as the dialog needs. */
  async function fit(): Promise<void> {
    const height = await page.evaluate<number>(
      `Math.max(...[...document.querySelectorAll('${TRAY} form')].map((form) => form.scrollHeight)) + ${CHROME_PX}`,
    );
    await page.setViewportSize({ width: 1440, height: Math.min(Math.max(height, 500), 2000) });
  }

  for (const type of ourNodeTypes()) {
    it(`bars nobody from the dialog of ${type}`, async () => {
      await openDialog(page, shownNode(type), type);
      await fit();
      const barriers = await look(`dialog-${type}`, TRAY, `${TRAY} form`);
      await closeDialog(page, type);
      assert.deepEqual(barriers, []);
    });
  }

  it('has a palette and a flow that can be read', async () => {
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.evaluate(
      `document.querySelector('[data-palette-type="onnx-infer-gpu"]').scrollIntoView({ block: 'center' })`,
    );
    for (const theme of ['light', 'dark']) {
      await setDark(page, theme === 'dark');
      await screenshot(page, `workspace-${theme}`);
    }
    await setDark(page, false);
  });

  it('bars nobody from the stations in the side bar', async () => {
    await page.evaluate(`RED.actions.invoke('jidoka:show-stations-tab')`);
    await page.waitForSelector('.jidoka-station .jidoka-arming strong');
    assert.deepEqual(await look('stations-tab', '.jidoka-station >> nth=0', '.jidoka-stations'), []);
  });

  it('bars nobody from what the flow check has found', async () => {
    await page.evaluate(`RED.actions.invoke('jidoka:check-flows')`);
    await page.waitForSelector('.jidoka-check');
    assert.deepEqual(await look('flow-check', '.red-ui-notification', '.jidoka-check'), []);
  });
});
