/** The flow for two stations: both at a glance, each acted on by itself, and no part of it unreadable for anybody. */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { flowOf } from '../package/package-files.ts';
import { barriersIn } from '../support/axe.ts';
import { complaints, launchBrowser, screenshot } from '../support/browser.ts';
import { inSequence } from '../support/in-sequence.ts';
import { startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

const MARA = { username: 'mara', password: 'stamping-line-2' };
const LONG_NAME = 'Press 5, station 12, upper camera over the second turning unit behind the washing plant';

describe('the flow for two stations in the browser', function () {
  this.timeout(120_000);
  inSequence();
  let browser: Browser;
  let nodeRed: NodeRed;
  let page: Page;
  let errors: string[];

  before(async function () {
    browser = await launchBrowser(this);
    nodeRed = await startNodeRed({
      version: '5',
      modules: ['@flowfuse/node-red-dashboard'],
      users: [MARA],
      settings: { httpAdminRoot: '/', httpNodeRoot: '/' },
      flows: flowOf('flows/two-stations/flow.json') as FlowNode[],
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(20_000);
    errors = complaints(page);
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
  });

  const cardOf = (name: string): string => `[data-test=station]:has(h3:text-is("${name}"))`;

  async function see(path: string): Promise<void> {
    await page.goto(`${nodeRed.url}/dashboard/${path}`);
    await page.waitForSelector('.jidoka[data-state=ready]');
  }

  it('asks who is there, and then shows both, which nobody has armed', async () => {
    await page.goto(`${nodeRed.url}/dashboard/overview`);
    await page.waitForSelector('.jidoka[data-state=signed-out]');
    await page.click('[data-test=sign-in]');
    await page.fill('input[name=user]', MARA.username);
    await page.fill('input[name=password]', MARA.password);
    await page.click('[data-test=submit]');
    for (const name of ['Press 4', 'Press 5'])
      await page.waitForSelector(`${cardOf(name)} [data-test=lamp]:text-is("disarmed")`);
  });

  it('arms one on its own page, and the other stays as it is', async () => {
    await see('station-1');
    await page.click('[data-test=arm]');
    await page.fill('input[name=reason]', 'first shift');
    await page.click('[data-test=submit]');
    await page.waitForSelector('[data-test=arming].armed');
    await see('overview');
    await page.waitForSelector(`${cardOf('Press 4')} [data-test=lamp]:text-is("armed")`);
    await page.waitForSelector(`${cardOf('Press 5')} [data-test=lamp]:text-is("disarmed")`);
  });

  it('has a page for each task of each station, without a barrier', async () => {
    const barriers: string[] = [];
    const pages = ['station', 'review', 'teach', 'alarms'].flatMap((task) => [`${task}-1`, `${task}-2`]);
    for (const path of ['overview', ...pages]) {
      await see(path);
      barriers.push(...(await barriersIn(page, '.jidoka')).map((barrier) => `${path}: ${barrier}`));
    }
    assert.deepEqual(barriers, []);
  });

  it('says so when a station has another name than its pages, and bears a long one', async () => {
    const flow = flowOf('flows/two-stations/flow.json') as FlowNode[];
    const renamed = flow.map((node) => (node.id === 'two-station' ? { ...node, name: LONG_NAME } : node));
    await nodeRed.signIn(MARA.username, MARA.password);
    await nodeRed.deploy(renamed);
    await see('overview');
    await page.waitForSelector(`${cardOf('Press 5')} [role=alert]`);
    const told = renamed.map((node) =>
      node.id === 'pair-tab'
        ? {
            ...node,
            env: [{ name: 'STATIONS', value: JSON.stringify(['Press 4', LONG_NAME]), type: 'json' }],
          }
        : node,
    );
    await nodeRed.deploy(told);
    await see('overview');
    await page.waitForSelector(`${cardOf(LONG_NAME)} [data-test=lamp]:text-is("disarmed")`);
    await screenshot(page, 'two-stations');
    await page.setViewportSize({ width: 390, height: 844 });
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    assert.ok(Number(overflow) <= 1, `the page is ${String(overflow)} px wider than the screen`);
    await screenshot(page, 'two-stations-phone');
  });

  it('had no script error', () => {
    assert.deepEqual(errors, []);
  });
});
