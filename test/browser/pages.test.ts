/** What the pages of the dashboard have in common: they find their station, say what keeps them from it, and share one sign-in. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { barriersIn } from '../support/axe.ts';
import { complaints, launchBrowser } from '../support/browser.ts';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';
import { pageFlow, STATION } from '../support/page-flow.ts';

const MARA = { username: 'mara', password: 'stamping-line-2' };
const GUEST = { username: 'guest', password: 'only-looking-in', permissions: ['flows.read'] };

describe('the pages of the dashboard', function () {
  this.timeout(120_000);
  let browser: Browser;
  let home: string;
  let nodeRed: NodeRed;
  let page: Page;
  let errors: string[];

  before(async function () {
    browser = await launchBrowser(this);
    home = mkdtempSync(join(tmpdir(), 'jidoka-pages-'));
    nodeRed = await startNodeRed({
      version: '5',
      modules: ['@flowfuse/node-red-dashboard'],
      users: [MARA, GUEST],
      // The editor elsewhere, as on many gateways; the dashboard stays where it is.
      settings: { httpAdminRoot: '/admin/', httpNodeRoot: '/' },
      flows: pageFlow({ pages: ['operator'], folder: join(home, 'station') }),
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(10_000);
    errors = complaints(page);
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
    rmSync(home, { recursive: true, force: true });
  });

  async function signIn({ username, password }: typeof MARA): Promise<void> {
    await page.click('[data-test=sign-in]');
    await page.fill('input[name=user]', username);
    await page.fill('input[name=password]', password);
    await page.click('[data-test=submit]');
  }

  it('find the admin routes wherever Node-RED has them', async () => {
    await page.goto(`${nodeRed.url}/dashboard/operator`);
    await page.waitForSelector('.jidoka[data-state=signed-out]');
    assert.equal(await page.textContent('.jidoka-name'), STATION.name);
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
  });

  it('say that a sign-in is wrong, and tell somebody without the permission from somebody with it', async () => {
    await signIn({ ...MARA, password: 'not the password' });
    await page.waitForSelector('.jidoka-problem:has-text("User or password is wrong")');
    await page.click('[data-test=cancel]');
    await signIn(GUEST);
    await page.waitForSelector('[data-test=not-permitted]:has-text("guest may not see this")');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
    await page.click('[data-test=sign-out]');
    await signIn(MARA);
    await page.waitForSelector('.jidoka[data-state=ready] [data-test=arming].disarmed');
  });

  it('remember who is signed in for as long as the tab is open', async () => {
    await page.reload();
    await page.waitForSelector('[data-test=user]:has-text("mara")');
    await page.waitForSelector('.jidoka[data-state=ready]');
  });

  it('say so when Node-RED no longer answers', async () => {
    await nodeRed.stop();
    await page.waitForSelector('[data-test=offline]');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
  });

  it('had no script error', () => {
    assert.deepEqual(errors, []);
  });
});
