/** The side-bar tab “Stations”: nothing deployed, a station that is armed by a person, and somebody who may not look. */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { complaints, launchBrowser, screenshot } from '../support/browser.ts';
import { nodeRedVersions, startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

const NAME =
  '<img src=x onerror="window.hacked = true">Press line 4, station 12, upper camera over the second turning unit';

const tab: FlowNode = { id: 'st-tab', type: 'tab', label: 'Flow 1' };
const flows: FlowNode[] = [
  tab,
  {
    ...{ id: 'st-station', type: 'inspection-station', name: NAME, line: 'Stamping line 2', folder: '' },
    ...{ deadlineMs: 900, autonomy: 'act', leaseHours: 8, version: 1 },
  },
  {
    ...{
      id: 'st-gate',
      type: 'tolerance-gate',
      z: 'st-tab',
      version: 2,
      name: 'Gate',
      station: 'st-station',
    },
    ...{ mode: 'fixed', threshold: '1', scoreProperty: 'payload', fallback: 'review', x: 300, y: 100 },
    wires: [[], [], []],
  },
];
const USERS = [
  { username: 'ines', password: 'engineer', permissions: '*' },
  {
    username: 'gast',
    password: 'looks-on',
    permissions: ['flows.read', 'nodes.read', 'settings.read', 'plugins.read', 'context.read'],
  },
];

for (const version of nodeRedVersions) {
  describe(`the stations in the side bar of Node-RED ${version}`, function () {
    this.timeout(90_000);
    let nodeRed: NodeRed;
    let browser: Browser;

    before(async function () {
      browser = await launchBrowser(this);
      nodeRed = await startNodeRed({ version, flows, users: USERS });
    });
    after(async () => {
      await browser.close();
      await nodeRed.stop();
    });

    async function open(username: string, password: string): Promise<{ page: Page; errors: string[] }> {
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-US' });
      const errors = complaints(page);
      await page.goto(nodeRed.url);
      await page.fill('#node-dialog-login-username', username);
      await page.fill('#node-dialog-login-password', password);
      await page.click('#node-dialog-login-submit');
      await page.waitForSelector('.red-ui-flow-node', { timeout: 30_000 });
      await page.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
      await page.evaluate(`RED.actions.invoke('jidoka:show-stations-tab')`);
      return { page, errors };
    }

    const inCard = (page: Page, selector: string): Promise<string> =>
      page.evaluate<string>(`document.querySelector('.jidoka-station ${selector}').innerText`);

    it('shows who armed a station as it happens, and runs nothing a name holds', async () => {
      const { page, errors } = await open('ines', 'engineer');
      await page.waitForSelector('.jidoka-station .jidoka-arming strong');
      assert.match(await inCard(page, '.jidoka-arming'), /^disarmed · normal/);
      assert.ok((await inCard(page, 'h4')).includes('<img src=x'), 'a name is text');
      const answer = await page.evaluate<number>(`new Promise((resolve) => {
        $.ajax({ url: 'jidoka/stations/st-station/arm', method: 'POST', contentType: 'application/json',
          data: JSON.stringify({ reason: 'first shift' }) }).always((body, state, xhr) => resolve(xhr.status));
      })`);
      assert.equal(answer, 200);
      await page.waitForSelector('.jidoka-lamp[data-lamp="good"]');
      assert.match(
        await inCard(page, '.jidoka-arming'),
        /^armed · 8:00 h left · normal\s+ines: first shift$/,
      );
      await screenshot(page, `stations-${version.replace('.', '')}`);
      await page.evaluate("document.documentElement.classList.add('nr-theme-dark')");
      await screenshot(page, `stations-${version.replace('.', '')}-dark`);
      const width = await page.evaluate<[number, number]>(
        `(() => { const tab = document.querySelector('.jidoka-stations'); return [tab.scrollWidth, tab.clientWidth]; })()`,
      );
      assert.ok(width[0] <= width[1], `a long name does not widen the side bar: ${width.join(' > ')}`);
      assert.equal(await page.evaluate('window.hacked'), undefined);
      assert.deepEqual(errors, []);
      await page.close();
    });

    it('tells somebody who may not look so, and asks nothing while it is not shown', async () => {
      const { page } = await open('gast', 'looks-on');
      await page.waitForSelector('.jidoka-stations .jidoka-problem');
      const said = await page.evaluate<string>(`document.querySelector('.jidoka-stations').innerText`);
      assert.match(said, /NOT_ALLOWED/);
      assert.equal(await page.$('.jidoka-station'), null);
      let asked = 0;
      await page.evaluate(`RED.sidebar.show('info')`);
      await page.waitForSelector('.jidoka-stations', { state: 'hidden' });
      page.on('request', (request) => (asked += Number(request.url().includes('jidoka/stations'))));
      await page.waitForTimeout(2500);
      assert.equal(asked, 0);
      await page.close();
    });

    it('says where stations come from while there is none', async () => {
      const empty = await startNodeRed({
        version,
        flows: [tab, { id: 'st-debug', type: 'debug', z: 'st-tab', x: 200, y: 80, wires: [] }],
      });
      try {
        const page = await browser.newPage({ locale: 'de' });
        await page.goto(empty.url);
        await page.waitForSelector('.red-ui-flow-node', { timeout: 30_000 });
        await page.evaluate(`RED.actions.invoke('jidoka:show-stations-tab')`);
        await page.waitForSelector('.jidoka-stations-notice p');
        assert.match(
          await page.evaluate<string>(`document.querySelector('.jidoka-stations-notice').innerText`),
          /Konfigurationsknoten/,
        );
        await page.close();
      } finally {
        await empty.stop();
      }
    });
  });
}
