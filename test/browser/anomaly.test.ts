/** The dialog of anomaly-score: teaching from a folder, what came out, forgetting a part, and going back. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { complaints, helpPicture, launchBrowser, screenshot, unreadableIn } from '../support/browser.ts';
import { putDrawnPart } from '../support/drawn-parts.ts';
import { startNodeRed, type FlowNode, type NodeRed, type NodeRedVersion } from '../support/node-red.ts';

const GOOD_PARTS = 12;
const LONG_NAME = 'Brackets of press line 4, station 12, upper camera after the washer';

describe('the dialog of anomaly-score', function () {
  this.timeout(120_000);
  let folder: string;
  let bad: string;
  let nodeRed: NodeRed;
  let browser: Browser;
  let page: Page;
  let errors: string[];

  before(async function () {
    browser = await launchBrowser(this);
    folder = await mkdtemp(join(tmpdir(), 'jidoka-anomaly-'));
    bad = join(folder, 'bad.jpg');
    await putDrawnPart(bad, { seed: 100, defect: 'crack' });
    await mkdir(join(folder, 'good'));
    const put = (name: string, seed: number): Promise<void> =>
      putDrawnPart(join(folder, 'good', `bracket ${name}.jpg`), { seed, defect: null });
    for (let seed = 0; seed < GOOD_PARTS; seed += 1) await put(String(seed).padStart(2, '0'), seed);
    // The same part twice: something to point out.
    await put('99 again', 0);
  });
  after(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });
  afterEach(async () => {
    await nodeRed.stop();
  });

  function flows(): FlowNode[] {
    const score = { type: 'anomaly-score', z: 'tab', version: 2, station: 'station', looks: 'pictures' };
    return [
      { id: 'tab', type: 'tab', label: 'Brackets' },
      {
        ...{ id: 'station', type: 'inspection-station', version: 1, name: 'Press 4' },
        ...{ folder, deadlineMs: 60_000, leaseHours: 8 },
      },
      {
        ...{ id: 'camera', type: 'camera-capture', z: 'tab', version: 1, x: 120, y: 100, name: 'Camera' },
        ...{
          station: 'station',
          source: 'file',
          file: bad,
          trigger: 'message',
          health: false,
          wires: [['score']],
        },
      },
      {
        ...{ ...score, id: 'score', x: 320, y: 100, name: LONG_NAME, model: 'brackets', teaching: 'folder' },
        ...{ folder: 'good', method: 'patch-nn', resolution: '224', parts: '60', learn: 'ask' },
        ...{ providers: 'cpu', queue: 'latest-wins', heatmap: 'suspicious', explain: 'suspicious' },
        wires: [['scored'], []],
      },
      {
        ...{ ...score, id: 'empty', x: 320, y: 200, name: '', model: 'nothing yet', teaching: 'none' },
        wires: [[], []],
      },
      { id: 'scored', type: 'debug', z: 'tab', x: 540, y: 100, active: true, complete: 'true', wires: [] },
    ];
  }

  async function openEditor(
    version: NodeRedVersion,
    locale: string,
    deployed: FlowNode[] = flows(),
  ): Promise<void> {
    const settings = { jidokaAllowAnonymousArming: true };
    nodeRed = await startNodeRed({ version, flows: deployed, settings });
    page = await browser.newPage({ viewport: { width: 1440, height: 1200 }, locale });
    page.setDefaultTimeout(60_000);
    errors = complaints(page);
    await page.goto(nodeRed.url);
    await page.waitForSelector('.red-ui-flow-node');
    await page.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
  }

  async function openDialog(id: string): Promise<void> {
    await page.evaluate(`RED.editor.edit(RED.nodes.node('${id}'))`);
    await page.waitForSelector('#node-dialog-cancel');
    await page.waitForFunction(`(() => {
      const tray = [...document.querySelectorAll('.red-ui-tray')].at(-1);
      return tray.getAnimations().length === 0 && Math.abs(parseFloat(getComputedStyle(tray).right)) < 1;
    })()`);
  }

  async function closeDialog(): Promise<void> {
    await page.click('#node-dialog-cancel');
    await page.waitForSelector('.red-ui-tray', { state: 'detached' });
  }

  async function confirm(reason: string): Promise<void> {
    const yes = page.locator('.jidoka-confirm .jidoka-yes');
    assert.equal(await yes.isDisabled(), true, 'a reason is asked for');
    await page.fill('.jidoka-confirm input', reason);
    await page.press('.jidoka-confirm input', 'Enter');
  }

  /** What the editor would deploy of the node without a model. */
  function saved(): Promise<Record<string, unknown>> {
    return page.evaluate("RED.nodes.convertNode(RED.nodes.node('empty'))");
  }

  function versionsShown(): Promise<string[]> {
    return page.locator('.jidoka-versions > li > div > strong').allInnerTexts();
  }

  async function scrollTo(selector: string): Promise<void> {
    await page
      .locator(selector)
      .first()
      .evaluate((element) => {
        (element as unknown as { scrollIntoView(to: object): void }).scrollIntoView({ block: 'start' });
      });
  }

  async function picturesSeen(selector: string): Promise<void> {
    await page.waitForFunction(`[...document.querySelectorAll(${JSON.stringify(selector)})]
      .every((image) => image.complete && image.naturalWidth > 0)`);
  }

  it('shows a lesson under way, what came of it, forgets a part and goes back', async () => {
    await rename(join(folder, 'good'), join(folder, 'later'));
    await openEditor('5', 'en-US');
    // The pictures come when the dialog is open, so that nothing has been taught before.
    await openDialog('score');
    await rename(join(folder, 'later'), join(folder, 'good'));
    await page.click('.jidoka-teach');
    await confirm('the pictures are there now');
    await page.waitForSelector('.jidoka-panel[data-state=busy] progress');
    assert.deepEqual(await unreadableIn(page, LONG_NAME), []);
    await scrollTo('.jidoka-panel');
    await screenshot(page, 'anomaly-teaching');

    await page.waitForSelector('.jidoka-panel[data-state=ready] .jidoka-chart', { timeout: 100_000 });
    assert.deepEqual(await versionsShown(), ['1 · taught']);
    await page.waitForSelector('.jidoka-parts > li');
    assert.equal(await page.locator('.jidoka-parts > li').count(), GOOD_PARTS);
    await picturesSeen('.jidoka-parts img');
    assert.match(
      await page.locator('.jidoka-model .jidoka-pointed').innerText(),
      /the same as bracket 00\.jpg/,
    );

    nodeRed.send('camera', {});
    await page.waitForSelector('.jidoka-recent .jidoka-explained[src]');
    await picturesSeen('.jidoka-explained');
    assert.deepEqual(await unreadableIn(page, LONG_NAME), []);
    await scrollTo('.jidoka-model');
    await screenshot(page, 'anomaly-model');
    await scrollTo('.jidoka-recent');
    await screenshot(page, 'anomaly-parts');
    await helpPicture(page, 'anomaly-score', '.jidoka-recent');

    await page.locator('.jidoka-parts input').first().check();
    await page.click('.jidoka-unteach');
    await confirm('a fingerprint on it');
    await page.waitForSelector('.jidoka-versions > li[data-version="2"] .jidoka-serving');
    assert.deepEqual(await versionsShown(), ['2 · parts forgotten: 1', '1 · taught']);
    await page.waitForFunction(
      `document.querySelectorAll('.jidoka-parts > li').length === ${GOOD_PARTS - 1}`,
    );

    await page.click('.jidoka-versions > li[data-version="1"] button');
    await page.press('.jidoka-confirm input', 'Escape');
    assert.equal(await page.locator('.jidoka-confirm').count(), 0);
    assert.equal(await page.locator('.red-ui-tray').count(), 1, 'Escape leaves the question, not the dialog');
    await page.click('.jidoka-versions > li[data-version="1"] button');
    await confirm('it was good after all');
    await page.waitForSelector('.jidoka-versions > li[data-version="3"] .jidoka-serving');
    assert.deepEqual(await versionsShown(), ['3 · gone back', '2 · parts forgotten: 1', '1 · taught']);
    await scrollTo('.jidoka-history');
    await screenshot(page, 'anomaly-versions');
    await closeDialog();

    await openDialog('empty');
    await page.waitForSelector('.jidoka-panel[data-state=empty]');
    assert.deepEqual(await unreadableIn(page, LONG_NAME), []);
    await closeDialog();
    assert.deepEqual(errors, []);
  });

  it('asks what is looked at, says what it will take, and keeps it', async () => {
    await openEditor(
      '5',
      'en-US',
      flows().filter(({ id }) => ['tab', 'station', 'empty'].includes(id)),
    );
    await openDialog('empty');
    await page.waitForFunction("$('.jidoka-cost').text().startsWith('224 × 224 px, tiles: 1 ')");
    assert.equal(await page.locator('.jidoka-next').count(), 0);
    await page.check('#node-input-tiles');
    await page.waitForFunction("$('.jidoka-cost').text().startsWith('896 × 896 px, tiles: 9 ')");
    await page.fill('#node-input-tileSide', '7');
    await page.waitForSelector('.jidoka-cost.jidoka-fault');
    assert.match(await page.locator('.jidoka-cost').innerText(), /whole number of pixels, 128 to 4096/);
    await screenshot(page, 'anomaly-refused');
    await page.fill('#node-input-tileSide', '480');
    await page.selectOption('#node-input-align', 'turn');
    await page.setInputFiles('.jidoka-areas .jidoka-file', bad);
    await page.waitForSelector('.jidoka-areas .jidoka-stage', { state: 'visible' });
    await page.click('.jidoka-draw-rectangle');
    const drawing = await page.locator('.jidoka-areas svg').boundingBox();
    assert.ok(drawing !== null);
    const at = (share: number): [number, number] => [
      drawing.x + share * drawing.width,
      drawing.y + share * drawing.height,
    ];
    await page.mouse.move(...at(0.25));
    await page.mouse.down();
    await page.mouse.move(...at(0.75), { steps: 3 });
    await page.mouse.up();
    assert.equal(await page.locator('.jidoka-regions > li').count(), 1);
    // tiles, tile, position, areas
    assert.equal(await page.locator('.jidoka-next').count(), 4);
    await page.waitForSelector('.jidoka-cost:not(.jidoka-fault)');
    assert.deepEqual(await unreadableIn(page), []);
    await scrollTo('#node-input-tiles');
    await screenshot(page, 'anomaly-fields');
    await page.evaluate("document.documentElement.classList.add('nr-theme-dark')");
    await screenshot(page, 'anomaly-fields-dark');
    await page.evaluate("document.documentElement.classList.remove('nr-theme-dark')");
    await page.click('#node-dialog-ok');
    await page.waitForSelector('.red-ui-tray', { state: 'detached' });
    const { tiles, tileSide, align, mask } = await saved();
    assert.deepEqual([tiles, tileSide, align], [true, '480', 'turn']);
    const [area = []] = mask as [number, number][][];
    const expected = [
      [0.25, 0.25],
      [0.75, 0.25],
      [0.75, 0.75],
      [0.25, 0.75],
    ];
    assert.equal(area.length, 4);
    area.forEach(([x, y], corner) => {
      assert.ok(Math.hypot(x - (expected[corner]?.[0] ?? 9), y - (expected[corner]?.[1] ?? 9)) < 0.02);
    });

    await openDialog('empty');
    assert.equal(await page.locator('.jidoka-regions > li').count(), 1);
    await page.selectOption('#node-input-looks', 'signals');
    await page.uncheck('.jidoka-methods [value=nearest]');
    assert.equal(await page.evaluate("$('.jidoka-methods').hasClass('input-error')"), true);
    await page.check('.jidoka-methods [value=pca]');
    await page.check('.jidoka-methods [value=ewma]');
    await page.fill('#node-input-windows', '120');
    assert.equal(await page.locator('#node-input-resolution').isVisible(), false);
    assert.deepEqual(await unreadableIn(page), []);
    await screenshot(page, 'anomaly-signals');
    await page.click('#node-dialog-ok');
    await page.waitForSelector('.red-ui-tray', { state: 'detached' });
    const { looks, methods, windows } = await saved();
    assert.deepEqual([looks, methods, windows], ['signals', 'pca,ewma', '120']);
    assert.deepEqual(errors, []);
  });

  it('says the same in German and in Node-RED 4.1, and what is wrong with a folder', async () => {
    await openEditor('4.1', 'de');
    await openDialog('score');
    await page.waitForSelector('.jidoka-panel[data-state=ready] .jidoka-chart');
    await page.waitForSelector('.jidoka-versions > li');
    assert.equal((await versionsShown()).at(-1), '1 · eingelernt');
    await page.click('.jidoka-check');
    await page.waitForSelector('.jidoka-checked .jidoka-pointed');
    assert.match(await page.locator('.jidoka-checked').innerText(), /13 Bilder, 12 verschiedene Teile/);
    await page.fill('#node-input-folder', 'nowhere');
    await page.click('.jidoka-check');
    await page.waitForSelector('.jidoka-checked .jidoka-problem');
    assert.deepEqual(await unreadableIn(page, LONG_NAME), []);
    await screenshot(page, 'anomaly-41-de');
    await closeDialog();
    assert.deepEqual(errors, []);
  });
});
