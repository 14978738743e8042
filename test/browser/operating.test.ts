/** The operator page and the review queue, on a station that remembers a shift: by touch, by keys, by two people. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { barriersIn } from '../support/axe.ts';
import { complaints, launchBrowser, screenshot } from '../support/browser.ts';
import { HOSTILE_MARK, HOSTILE_TEXTS } from '../support/hostile-texts.ts';
import { inSequence } from '../support/in-sequence.ts';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';
import { pageFlow, STATION } from '../support/page-flow.ts';
import { ordinaryParts, seedJournal } from '../support/page-journal.ts';

const MARA = { username: 'mara', password: 'stamping-line-2' };
const BEN = { username: 'ben', password: 'stamping-line-3' };
const HOSTILE = `<img src=press-4 onerror="window.${HOSTILE_MARK}=1">`;
const PICTURE = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"><rect width="640" height="480" fill="#567"/></svg>',
)}`;

interface Label {
  partId: string;
  truth: string;
  defectClass: string | null;
  proposedBy: string | null;
}

describe('the pages of an operator', function () {
  inSequence();
  this.timeout(120_000);
  let browser: Browser;
  let home: string;
  let nodeRed: NodeRed;
  let page: Page;
  let errors: string[];

  before(async function () {
    browser = await launchBrowser(this);
    home = mkdtempSync(join(tmpdir(), 'jidoka-operating-'));
    const folder = join(home, 'station');
    const parts = [
      ...HOSTILE_TEXTS.map((id) => ({ id, decision: 'review' as const, score: 2.7 })),
      ...ordinaryParts(120, ['scratch', HOSTILE]).filter(({ decision }) => decision !== 'review'),
      ...['r1', 'r2', HOSTILE].map((id) => ({ id, decision: 'review' as const, score: 2.9 })),
    ];
    await seedJournal(folder, parts, STATION.name);
    const flow = pageFlow({ pages: ['operator', 'review'], folder });
    nodeRed = await startNodeRed({
      version: '5',
      modules: ['@flowfuse/node-red-dashboard'],
      users: [MARA, BEN],
      settings: { httpAdminRoot: '/', httpNodeRoot: '/' },
      flows: flow.map((node) => (node.id === STATION.id ? { ...node, labelling: 'dual' } : node)),
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(20_000);
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
    await page.waitForSelector(`[data-test=user]:has-text("${username}")`);
  }

  it('count the shift from the journal, with trend and defects', async () => {
    await page.goto(`${nodeRed.url}/dashboard/operator`);
    await signIn(MARA);
    await page.waitForSelector('[data-test=shift]:has-text("This shift")');
    assert.equal(await page.textContent('[data-test=rejected]'), '4');
    assert.ok((await page.locator('[data-test=trend] .limit').count()) === 1);
    const names = await page.locator('[data-test=defect] th').allTextContents();
    assert.deepEqual(names.sort(), [HOSTILE, 'scratch']);
  });

  it('show what was found in the picture, hide it, and zoom', async () => {
    const last = { id: HOSTILE, sequence: 9, at: new Date().toISOString(), decision: 'reject', score: 4 };
    const rest = {
      threshold: 3,
      boxes: [[10, 10, 90, 90]],
      size: { width: 640, height: 480 },
      command: null,
    };
    nodeRed.send('the-operator-page', {
      payload: { station: STATION.name, picture: PICTURE, heat: null, last: { ...last, ...rest } },
    });
    await page.waitForSelector('[data-test=lamp].reject');
    await page.waitForSelector('[data-test=boxes] rect');
    await screenshot(page, 'operator-hostile');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
    await page.click('[data-test=overlay]');
    await page.waitForSelector('[data-test=boxes]', { state: 'detached' });
    await page.click('[data-test=zoom-in]');
    await page.waitForSelector('[data-test=frame].zoomed');
    await page.click('[data-test=zoom-whole]');
    await page.waitForSelector('[data-test=frame]:not(.zoomed)');
    await page.hover('[data-test=frame]');
    await page.mouse.wheel(0, -200);
    await page.waitForSelector('[data-test=frame].zoomed');
  });

  async function labels(): Promise<Label[]> {
    const token = await page.evaluate<string>(`JSON.parse(sessionStorage.getItem('jidoka-desk:/')).token`);
    const response = await fetch(`${nodeRed.url}/jidoka/stations/${STATION.id}/ledger?limit=50`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const ledger = (await response.json()) as { type: string; detail: Label }[];
    return ledger.filter(({ type }) => type === 'gate.label').map(({ detail }) => detail);
  }

  it('take an answer back before anybody hears of it, by key', async () => {
    await page.goto(`${nodeRed.url}/dashboard/review`);
    await page.waitForSelector(`[data-test=part]:text-is(${JSON.stringify(HOSTILE)})`);
    await page.waitForSelector('[data-test=no-picture]:has-text("no longer kept")');
    await screenshot(page, 'review-hostile');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
    await page.keyboard.press('a');
    await page.waitForSelector('[data-test=held]');
    await page.waitForSelector('[data-test=part]:text-is("r2")');
    await screenshot(page, 'review-queue');
    await page.keyboard.press('u');
    await page.waitForSelector(`[data-test=part]:text-is(${JSON.stringify(HOSTILE)})`);
    await page.waitForSelector('[data-test=held]', { state: 'detached' });
  });

  it('keep an answer only when a second person has given the same', async () => {
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('[data-test=part]:text-is("r2")');
    await page.keyboard.press('n');
    await page.fill('input[name=defectClass]', 'crack');
    await page.click('[data-test=submit]');
    await page.waitForSelector('[data-test=said]:has-text("a second person")');
    assert.deepEqual(await labels(), []);
    await page.click('[data-test=sign-out]');
    await page.waitForSelector('[data-test=signed-out]');
    await signIn(BEN);
    await page.waitForSelector('[data-test=review], [data-test=part]');
    while ((await page.textContent('[data-test=part]')) !== 'r2') {
      const shown = await page.textContent('[data-test=part]');
      await page.keyboard.press('ArrowRight');
      await page.waitForFunction(
        `document.querySelector('[data-test=part]').textContent !== ${JSON.stringify(shown)}`,
      );
    }
    await page.waitForSelector('[data-test=proposal]:has-text("crack")');
    await page.keyboard.press('n');
    await page.fill('input[name=defectClass]', 'crack');
    await page.click('[data-test=submit]');
    await page.waitForSelector('[data-test=said]:has-text("kept")');
    assert.deepEqual(
      (await labels()).map(({ partId, truth, defectClass, proposedBy }) => [
        partId,
        truth,
        defectClass,
        proposedBy,
      ]),
      [['r2', 'defect', 'crack', 'mara']],
    );
  });

  it('show a hundred texts that try to run as ids of parts in the queue, and as alarms, rejects and model on the operator page', async () => {
    const seen = new Set<string>();
    for (let turn = 0; turn < 98; turn += 1) {
      seen.add((await page.textContent('[data-test=part]')) ?? '');
      await page.keyboard.press('ArrowRight');
    }
    const shown = HOSTILE_TEXTS.filter((text) => seen.has(text));
    assert.ok(shown.length >= 90, `${shown.length} of them were shown`);
    nodeRed.send('the-operator-page', {
      payload: {
        station: STATION.name,
        alarms: HOSTILE_TEXTS.map((text) => ({ code: text, text, at: 0, times: 1 })),
        model: { name: HOSTILE, version: HOSTILE },
        rejects: HOSTILE_TEXTS.map((id) => ({
          id,
          sequence: id,
          score: null,
          command: { outcome: id },
          ticket: id,
        })),
      },
    });
    await page.goto(`${nodeRed.url}/dashboard/operator`);
    await page.waitForSelector('[data-test=reject]');
    assert.equal(await page.locator('[data-test=reject]').count(), HOSTILE_TEXTS.length);
  });

  it('show a station whose name is each of them, letter by letter', async () => {
    for (const station of HOSTILE_TEXTS) {
      nodeRed.send('the-operator-page', { payload: { station } });
      await page.waitForFunction(
        `document.querySelector('.jidoka-name')?.textContent === ${JSON.stringify(station)}`,
      );
    }
  });

  it('show each of them as a class of defects', async () => {
    const figures = /jidoka\/stations\/[^/]+\/figures/;
    await page.route(figures, async (route) => {
      const answer = (await (await route.fetch()).json()) as Record<string, unknown>;
      await route.fulfill({
        json: { ...answer, defects: HOSTILE_TEXTS.map((name) => ({ name, count: 1 })) },
      });
    });
    nodeRed.send('the-operator-page', { payload: { station: STATION.name } });
    await page.waitForFunction(
      `[...document.querySelectorAll('[data-test=defect] th')].some((cell) => cell.textContent === ${JSON.stringify(HOSTILE_TEXTS[0])})`,
    );
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  });

  it('fit a phone, ran nothing of what they showed and had no script error', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    for (const name of ['operator', 'review']) {
      await page.goto(`${nodeRed.url}/dashboard/${name}`);
      await page.waitForSelector('.jidoka[data-state=ready] [data-test=frame]');
      const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
      assert.ok(Number(overflow) <= 1, `${name} is ${String(overflow)} px wider than the screen`);
      await screenshot(page, `${name}-phone`);
    }
    assert.equal(await page.evaluate(`window.${HOSTILE_MARK}`), undefined);
    assert.deepEqual(errors, []);
  });
});
