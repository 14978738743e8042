/** The alarms of a station on the dashboard and in the side bar, raised by nodes whose names are no friends. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { complaints, launchBrowser, screenshot } from '../support/browser.ts';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';
import { pageFlow, STATION } from '../support/page-flow.ts';

const MARA = { username: 'mara', password: 'stamping-line-2' };
const LOOKS = { username: 'gast', password: 'looks-on', permissions: ['read', 'jidoka.read'] };
const MARKUP =
  '<img src=x onerror="window.hacked = true"> upper camera over the second turning unit of press line 4';

describe('the alarms of a station in the browser', function () {
  this.timeout(120_000);
  let browser: Browser;
  let home: string;
  let nodeRed: NodeRed;
  let page: Page;
  let errors: string[];

  before(async function () {
    browser = await launchBrowser(this);
    home = mkdtempSync(join(tmpdir(), 'jidoka-alarms-'));
    const alike = { z: 'page-tab', station: STATION.id, wires: [[], [], []] };
    nodeRed = await startNodeRed({
      version: '5',
      modules: ['@flowfuse/node-red-dashboard'],
      users: [MARA, LOOKS],
      settings: { httpAdminRoot: '/admin/', httpNodeRoot: '/' },
      flows: [
        ...pageFlow({ pages: ['alarms'], folder: join(home, 'station') }),
        {
          ...{ ...alike, id: 'al-camera', type: 'camera-capture', version: 1, name: MARKUP, x: 300, y: 100 },
          ...{ source: 'folder', folder: join(home, 'no-such-folder'), trigger: 'interval', intervalMs: 500 },
        },
        {
          ...{
            ...alike,
            id: 'al-score',
            type: 'anomaly-score',
            version: 2,
            name: 'Top view',
            x: 300,
            y: 200,
          },
          ...{ looks: 'pictures', model: 'top', teaching: 'none' },
        },
      ],
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-US' });
    page.setDefaultTimeout(15_000);
    errors = complaints(page);
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
    rmSync(home, { recursive: true, force: true });
  });

  async function signIn({ username, password }: { username: string; password: string }): Promise<void> {
    await page.click('[data-test=sign-in]');
    await page.fill('input[name=user]', username);
    await page.fill('input[name=password]', password);
    await page.click('[data-test=submit]');
    await page.waitForSelector('[data-test=user]');
  }
  const row = (code: string, state: string): string => `[data-alarm=${code}][data-state=${state}]`;

  it('are listed by urgency with cause and what to do, and names are text', async () => {
    await page.goto(`${nodeRed.url}/dashboard/alarms`);
    await page.waitForSelector('.jidoka[data-state=signed-out]');
    await signIn(MARA);
    await page.waitForSelector(row('CAMERA_LOST', 'unacknowledged'));
    await page.waitForSelector(row('MODEL_MISSING', 'unacknowledged'));
    const text = (await page.textContent(row('CAMERA_LOST', 'unacknowledged'))) ?? '';
    assert.ok(text.includes(MARKUP), text);
    assert.match(text, /Camera lost.*Check power and cable of the camera/s);
    await screenshot(page, 'alarms');
  });

  it('are acknowledged by a person, put aside with a reason, and shown again', async () => {
    await page.click(`${row('CAMERA_LOST', 'unacknowledged')} [data-test=acknowledge]`);
    await page.waitForSelector(`${row('CAMERA_LOST', 'acknowledged')}:has-text("seen by mara")`);
    await page.click('[data-test=acknowledge-all]');
    await page.waitForSelector(row('MODEL_MISSING', 'acknowledged'));
    await page.waitForSelector('[data-test=unacknowledged]:has-text("0 to be seen")');
    await page.click(`${row('MODEL_MISSING', 'acknowledged')} [data-test=shelve]`);
    await page.selectOption('select[name=minutes]', '15');
    await page.fill('input[name=reason]', MARKUP);
    await screenshot(page, 'alarms-shelve');
    await page.click('[data-test=submit]');
    await page.waitForSelector(row('MODEL_MISSING', 'acknowledged'), { state: 'detached' });
    await page.click('[data-test=show-hidden]');
    await page.waitForSelector(`${row('MODEL_MISSING', 'shelved')}:has-text("comes back in 15 min")`);
    await page.click('[data-test=show-history]');
    await page.waitForSelector('[data-test=history] tr:has-text("shelved"):has-text("mara")');
    await screenshot(page, 'alarms-history');
    await page.click(`${row('MODEL_MISSING', 'shelved')} [data-test=unshelve]`);
    await page.waitForSelector(row('MODEL_MISSING', 'unacknowledged'));
  });

  it('fit a phone, and a control room at night', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const width = await page.evaluate<[number, number]>(
      '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
    );
    assert.ok(width[0] <= width[1], `nothing stands out at the side: ${width.join(' > ')}`);
    await screenshot(page, 'alarms-phone');
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it('are seen but not touched by somebody who may only look, who has no history either', async () => {
    await page.click('[data-test=sign-out]');
    await signIn(LOOKS);
    await page.click(`${row('MODEL_MISSING', 'unacknowledged')} [data-test=acknowledge]`);
    await page.waitForSelector('[data-test=failure]:has-text("not permitted")');
    await page.click('[data-test=show-history]');
    await page.waitForSelector('[data-test=history-problem]:has-text("not permitted")');
    await page.waitForSelector(row('MODEL_MISSING', 'unacknowledged'));
  });

  it('ran nothing a name holds', async () => {
    assert.equal(await page.evaluate('window.hacked'), undefined);
    assert.deepEqual(
      errors.filter((error) => !error.includes('401')),
      [],
    );
  });
});
