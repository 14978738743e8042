/** The teach wizard on the dashboard: from a folder of real pictures to a version in service, by a person. */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { sharedSet } from '../../bench/eval/image-sets.ts';
import { barriersIn } from '../support/axe.ts';
import { complaints, launchBrowser, screenshot } from '../support/browser.ts';
import { realParts, type RealParts } from '../support/good-parts.ts';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';
import { pageFlow, STATION } from '../support/page-flow.ts';
import { shared } from '../support/shared.ts';
import { putTaughtModel } from '../support/taught-model.ts';

const MARA = { username: 'mara', password: 'stamping-line-2' };
const GUEST = { username: 'guest', password: 'only-looking-in', permissions: ['model.read', 'jidoka.read'] };
const REASON = 'a new batch of steel';
const LONG_NAME = `cube 00 ${'of the night shift, camera after the washer, '.repeat(3)}in all.jpg`;
const DARK = { surface: '#1b1f24', bgPage: '#101316', groupBg: '#1b1f24', groupOutline: '#39424c' };

describe('the teach wizard on the dashboard', function () {
  this.timeout(180_000);
  let parts: RealParts;
  let browser: Browser;
  let folder: string;
  let nodeRed: NodeRed;
  let page: Page;
  let errors: string[];

  before(async function () {
    parts = await realParts(this, 13);
    browser = await launchBrowser(this);
    folder = await mkdtemp(join(tmpdir(), 'jidoka-teach-page-'));
    await mkdir(join(folder, 'good'));
    for (const [index, path] of parts.goodPaths.entries()) {
      const name = index === 0 ? LONG_NAME : `cube ${String(index).padStart(2, '0')}.jpg`;
      await cp(path, join(folder, 'good', name));
    }
    await cp(parts.goodPaths[0] ?? '', join(folder, 'good', 'cube 98 again.jpg'));
    await cp(parts.badPath, join(folder, 'good', 'cube 99.jpg'));
    await putTaughtModel(parts, join(folder, 'models'));
    const { test_bad: bad } = sharedSet(shared('data', 'images'), 'cubes');
    nodeRed = await startNodeRed({
      version: '5',
      modules: ['@flowfuse/node-red-dashboard'],
      users: [MARA, GUEST],
      settings: { httpAdminRoot: '/admin/', httpNodeRoot: '/' },
      flows: [
        ...pageFlow({
          pages: ['teach'],
          folder,
          colors: process.env['JIDOKA_DARK'] === undefined ? {} : DARK,
        }),
        {
          ...{ id: 'camera', type: 'camera-capture', z: 'page-tab', version: 1, x: 300, y: 200 },
          ...{ station: STATION.id, source: 'file', file: bad[0], trigger: 'message', health: false },
          wires: [['score']],
        },
        {
          ...{
            id: 'score',
            type: 'anomaly-score',
            z: 'page-tab',
            x: 500,
            y: 200,
            version: 2,
            station: STATION.id,
          },
          ...{ name: 'Cubes', looks: 'pictures', model: 'top', teaching: 'none', method: 'patch-nn' },
          ...{ folder: 'good', wires: [[], []] },
        },
        {
          ...{
            id: 'line',
            type: 'inject',
            z: 'page-tab',
            props: [],
            repeat: '0.4',
            once: true,
            onceDelay: 1,
          },
          wires: [['camera']],
        },
      ],
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 }, hasTouch: true });
    page.setDefaultTimeout(20_000);
    errors = complaints(page);
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const test = (name: string): string => `[data-test=${name}]`;

  async function signIn({ username, password }: { username: string; password: string }): Promise<void> {
    await page.click(test('sign-in'));
    await page.fill('input[name=user]', username);
    await page.fill('input[name=password]', password);
    await page.click(test('submit'));
    await page.waitForSelector('.jidoka-dialog', { state: 'detached' });
  }

  async function because(): Promise<void> {
    await page.fill('input[name=reason]', REASON);
    await page.click(test('submit'));
  }

  /** Nothing runs out of sight sideways. */
  async function fits(name: string): Promise<void> {
    const over = await page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    assert.ok(over <= 0, `${name} is ${over} px too wide`);
  }

  /** As it looks on a panel and on a phone. */
  async function shown(name: string): Promise<void> {
    await page.waitForFunction(
      `[...document.querySelectorAll('.step img')].every((image) => image.complete && image.naturalWidth > 0)`,
    );
    await fits(name);
    await screenshot(page, `teach-${name}`);
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
    await page.setViewportSize({ width: 390, height: 844 });
    await fits(`${name} on a phone`);
    await screenshot(page, `teach-${name}-phone`);
    await page.setViewportSize({ width: 1280, height: 800 });
  }

  it('asks for a sign-in, and says to who may only read that teaching is not permitted', async () => {
    await page.goto(`${nodeRed.url}/dashboard/teach`);
    await page.waitForSelector(test('signed-out'));
    await signIn(GUEST);
    await page.waitForSelector(test('at-collect'));
    await shown('collect');
    await page.fill(test('folder'), 'good');
    await page.click(test('collect-folder'));
    await because();
    await page.waitForSelector('.jidoka-problem:has-text("not permitted")');
    await page.click(test('cancel'));
    await page.click(test('sign-out'));
  });

  it('collects a folder, points out what is wrong, and lets a person throw parts out', async () => {
    await signIn(MARA);
    await page.fill(test('folder'), 'good');
    await page.click(test('collect-folder'));
    await because();
    await page.waitForSelector(test('at-look'));
    await page.waitForSelector(`${test('chosen')}:has-text("14 of 14")`);
    assert.match((await page.textContent(test('chosen'))) ?? '', /1 twice the same/);
    await shown('look');
    const bad = page.locator(test('part'), { hasText: 'cube 99.jpg' });
    // by keyboard: enlarged, thrown out, closed
    await bad.locator('.thumb').focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('.large');
    await page.keyboard.press('x');
    await page.waitForSelector(`${test('chosen')}:has-text("13 of 14")`);
    await page.keyboard.press('Escape');
    // by touch: another one, and back again
    const other = page.locator(test('part'), { hasText: 'cube 03.jpg' });
    await other.locator(test('toggle')).tap();
    await page.waitForSelector(`${test('chosen')}:has-text("12 of 14")`);
    await other.locator(test('toggle')).tap();
    await page.waitForSelector(`${test('chosen')}:has-text("13 of 14")`);
  });

  it('goes on where it was when the page is opened again, and teaches', async () => {
    await page.reload();
    await page.waitForSelector(`${test('chosen')}:has-text("13 of 14")`);
    await page.click(test('to-teach'));
    await page.click(test('teach'));
    await because();
    await page.waitForSelector(test('progress'));
    await page.waitForSelector(test('at-result'), { timeout: 120_000 });
    const [first] = await page.locator(test('promise')).allInnerTexts();
    assert.match(
      first ?? '',
      /At most 5 % of good parts rejected, 95 % sure\s+46 more good parts are needed/,
    );
    await shown('result');
  });

  it('runs in the shadow without an effect, and then goes into service, and back', async () => {
    await page.click(test('to-shadow'));
    await page.fill(test('shadow-parts'), '3');
    await page.click(test('start-shadow'));
    await because();
    await page.waitForSelector(`${test('shadow')}:has-text("3 of 3 parts")`, { timeout: 60_000 });
    assert.match((await page.textContent(test('serving'))) ?? '', /top v1 in service/);
    await shown('shadow');
    await page.click(test('to-go'));
    await shown('go');
    await page.click(test('serve'));
    await because();
    await page.waitForSelector(`${test('serving')}:has-text("top v2 in service")`, { timeout: 60_000 });
    await page.click(test('rollback'));
    await because();
    await page.waitForSelector(`${test('serving')}:has-text("top v3 in service")`, { timeout: 60_000 });
  });

  it('says so when Node-RED no longer answers, and had no script error', async () => {
    await nodeRed.stop();
    await page.waitForSelector(test('offline'));
    await screenshot(page, 'teach-offline');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
    assert.deepEqual(errors, []);
  });
});
