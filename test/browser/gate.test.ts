/** The dialog of tolerance-gate: what a running gate shows, how its rules are edited, and what it promises in words. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { complaints, helpPicture, launchBrowser, screenshot, unreadableIn } from '../support/browser.ts';
import { nodeRedVersions, startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

const KINDS = ['budget', 'fixed', 'band', 'objects', 'combined', 'chart'];
const LONG_NAME = 'Press line 4, station 12, upper camera over the second turning unit after the washer';
/** Runs where it is read as markup. */
const MARKUP = `<img src=x onerror="window.jidokaWasHere = true"><b>cap</b>`;

/** Offers the scores of a taught model to a station, so that no model has to be taught for a dialog. */
const CALIBRATION_NODE = `module.exports = (RED) => {
  RED.nodes.registerType('test-calibration', function (config) {
    RED.nodes.createNode(this, config);
    const { station } = RED.nodes.getNode(config.station);
    this.on('close', station.offerCalibration({
      model: { name: config.model, version: '7', digest: config.digest },
      // Quantiles of a skewed distribution, as distances from normal are.
      goodScores: Array.from({ length: config.count }, (_, index) => 1 - Math.log(1 - (index + 0.5) / config.count) / 2),
    }));
  });
};`;
const CALIBRATION_DIALOG = `<script type="text/javascript">
  RED.nodes.registerType('test-calibration', { category: 'test', defaults: {
    station: { value: '', type: 'inspection-station' }, model: { value: '' }, digest: { value: '' }, count: { value: 0 },
  } });
</script>`;

for (const version of nodeRedVersions) {
  describe(`the dialog of a gate in Node-RED ${version}`, function () {
    this.timeout(90_000);
    const prefix = version === '5' ? 'gate' : `gate-${version.replace('.', '')}`;
    let folder: string;
    let nodeRed: NodeRed;
    let browser: Browser;
    let page: Page;
    let errors: string[];
    let sequence = 0;

    function flows(): FlowNode[] {
      const gate = { type: 'tolerance-gate', z: 'tab', version: 1, station: 'station', wires: [[], [], []] };
      const calibration = { type: 'test-calibration', z: 'tab', station: 'station', wires: [] };
      const bounds = {
        alphaMaxPercent: '10',
        reviewBy: 'capacity',
        reviewsPerHour: '30',
        reviewsMaxPerHour: '60',
      };
      return [
        { id: 'tab', type: 'tab', label: 'Gates' },
        {
          id: 'station',
          type: 'inspection-station',
          name: 'Press 4',
          deadlineMs: 900,
          leaseHours: 8,
          version: 1,
        },
        { ...calibration, id: 'many', x: 100, y: 40, model: 'cups', digest: 'sha256:aa', count: 200 },
        { ...calibration, id: 'few', x: 100, y: 80, model: MARKUP, digest: 'sha256:bb', count: 20 },
        { ...gate, id: 'gate', x: 300, y: 100, name: 'Surface', ...bounds },
        { ...gate, id: 'advising', x: 300, y: 160, name: 'New product' },
        { ...gate, id: 'idle', x: 300, y: 220, name: 'Idle' },
        { ...gate, id: 'rules', x: 300, y: 280, name: 'Rules', mode: 'fixed', threshold: '3' },
        { ...gate, id: 'long', x: 300, y: 340, name: LONG_NAME, ...bounds },
      ];
    }

    before(async function () {
      browser = await launchBrowser(this);
      folder = await mkdtemp(join(tmpdir(), 'jidoka-gate-dialog-'));
      await mkdir(join(folder, 'nodes'));
      await writeFile(join(folder, 'nodes', 'calibration.js'), CALIBRATION_NODE);
      await writeFile(join(folder, 'nodes', 'calibration.html'), CALIBRATION_DIALOG);
      nodeRed = await startNodeRed({
        version,
        userDir: folder,
        flows: flows(),
        settings: { jidokaAllowAnonymousArming: true },
      });
      ({ page, errors } = await openEditor('en-US'));
    });
    after(async () => {
      await browser.close();
      await nodeRed.stop();
      await rm(folder, { recursive: true });
    });

    async function openEditor(locale: string): Promise<{ page: Page; errors: string[] }> {
      const opened = await browser.newPage({ viewport: { width: 1440, height: 1000 }, locale });
      opened.setDefaultTimeout(20_000);
      const heard = complaints(opened);
      await opened.goto(nodeRed.url);
      await opened.waitForSelector('.red-ui-flow-node', { timeout: 30_000 });
      await opened.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
      return { page: opened, errors: heard };
    }

    async function openDialog(on: Page, id: string): Promise<void> {
      await on.evaluate(`RED.editor.edit(RED.nodes.node('${id}'))`);
      await on.waitForSelector('#node-dialog-cancel');
      await on.waitForFunction(`(() => {
        const tray = [...document.querySelectorAll('.red-ui-tray')].at(-1);
        const isThere = tray.getAnimations().length === 0 && Math.abs(parseFloat(getComputedStyle(tray).right)) < 1;
        // The last that Node-RED does on opening.
        return isThere && tray.contains(document.activeElement);
      })()`);
    }

    async function close(on: Page, button: 'ok' | 'cancel'): Promise<void> {
      await on.click(`#node-dialog-${button}`);
      await on.waitForSelector('.red-ui-tray', { state: 'detached' });
    }

    const panel = (state: string, on = page): Locator => on.locator(`.jidoka-panel[data-state=${state}]`);

    /** A part with this score; resolves when the gate has judged it. */
    async function judge(gate: string, score: number, digest: string): Promise<string> {
      sequence += 1;
      const id = `part-${sequence}`;
      const model = { name: 'cups', version: '7', digest };
      const anomaly = { score, pValue: 0.5, method: 'patch-nn', model, provider: 'cpu', boxes: [] };
      const capturedAt = '2026-03-01T06:00:00.000Z';
      const part = { id, station: 'Press 4', sequence, capturedAt, deadlineMs: 1e9, startedAt: 0 };
      nodeRed.send(gate, { inspection: { part, anomaly, timings: {} } });
      await page.waitForFunction(
        `fetch('jidoka/gates/${gate}').then((answer) => answer.json())
          .then(({ recent }) => recent.some((part) => part.sequence === ${sequence}))`,
      );
      return id;
    }

    function post(path: string, body: object): Promise<number> {
      const options = {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      };
      return page.evaluate<number>(
        `fetch(${JSON.stringify(path)}, ${JSON.stringify(options)}).then(({ status }) => status)`,
      );
    }

    it('says that nothing was judged yet', async () => {
      await openDialog(page, 'idle');
      await panel('empty').locator('dl').waitFor();
      assert.match(await panel('empty').innerText(), /Not calibrated/);
      assert.match(await panel('empty').innerText(), /version 1, as deployed/);
      await screenshot(page, `${prefix}-empty`);
    });

    it('says in plain words what the budget promises', async () => {
      const promise = page.locator('.jidoka-promise');
      assert.match(
        await promise.innerText(),
        /10,000 good parts at most 500 are rejected, 95 % sure.* 59 good/,
      );
      await page.fill('#node-input-alphaPercent', '1');
      assert.match(await promise.innerText(), /at most 100 are rejected, 95 % sure.* 299 good/);
      await page.fill('#node-input-alphaPercent', '0');
      assert.match(await promise.innerText(), /between 0.01 and 50/);
      await close(page, 'cancel');
    });

    it('counts down while good parts are missing', async () => {
      await judge('advising', 1.2, 'sha256:bb');
      await judge('advising', 9, 'sha256:bb');
      await openDialog(page, 'advising');
      await panel('advise').waitFor();
      const said = await panel('advise').innerText();
      assert.match(said, /39 of 59 good parts are missing/);
      assert.match(said, /Last part: review, score 9 \(advise\)/);
      assert.equal(await panel('advise').locator('progress').getAttribute('value'), '20');
      await screenshot(page, `${prefix}-advise`);
      await close(page, 'cancel');
    });

    it('shows the good scores, the limits, the last parts and what people found', async () => {
      for (const score of [1.1, 1.3, 1.2, 1.6, 1.05, 2.1, 1.4, 1.15]) await judge('gate', score, 'sha256:aa');
      for (const truth of ['good', 'defect']) {
        const id = await judge('gate', 3.6, 'sha256:aa');
        await page.waitForFunction(
          `fetch('jidoka/stations/station/parts?decision=reject&unlabelled=true').then((answer) => answer.json())
            .then((parts) => parts.length > 0)`,
        );
        assert.equal(
          await post(`jidoka/stations/station/parts/${id}/label`, { truth, reason: 'looked at it' }),
          200,
        );
      }
      await judge('gate', 3.7, 'sha256:aa');
      await openDialog(page, 'gate');
      await panel('ready').waitFor();
      const said = await panel('ready').innerText();
      assert.match(said, /The budget is in force: 200 good parts, cups@7/);
      assert.match(said, /1 of 9 good parts; 1 rejected parts not looked at/);
      assert.match(said, /0 of 1 labelled; at most 95 %/);
      assert.match(said, /no review band yet/);
      assert.equal(await panel('ready').locator('circle').count(), 11);
      assert.ok((await panel('ready').locator('rect.jidoka-bar').count()) === 32);
      await page.locator('.jidoka-panel').scrollIntoViewIfNeeded();
      await screenshot(page, `${prefix}-light`);
      if (version === '5') await helpPicture(page, 'tolerance-gate', '.jidoka-panel');
    });

    it('follows what a person changes while the line runs', async () => {
      const path = 'jidoka/stations/station/gates/gate/settings';
      assert.equal(await post(path, { alphaPercent: 20, reason: 'too far' }), 409);
      assert.equal(await post(path, { alphaPercent: 8, reviewsPerHour: 40, reason: 'new coil' }), 200);
      await page.locator('.jidoka-panel dd', { hasText: 'version 2, anonymous' }).waitFor();
      assert.match(
        await page.locator('.jidoka-panel').innerText(),
        /new coil[^]*|[^]*at most 40 in the last hour/,
      );
      await close(page, 'cancel');
    });

    it('edits a list of limits, with the keyboard too', async () => {
      await openDialog(page, 'rules');
      await page.selectOption('#node-input-mode', 'objects');
      const list = page.locator('.jidoka-gate .red-ui-editableList', {
        has: page.locator('[data-field=objectLimits]'),
      });
      for (const [label, minCount, maxCount, decision] of [
        ['screw', '4', '4', 'reject'],
        [MARKUP, '0', '1', 'review'],
      ] as const) {
        await list.locator('.red-ui-editableList-addButton').press('Enter');
        const row = list.locator('.jidoka-row').last();
        await row.locator('[data-name=label]').fill(label);
        await row.locator('[data-name=minCount]').fill(minCount);
        await row.locator('[data-name=maxCount]').fill(maxCount);
        await row.locator('[data-name=decision]').selectOption(decision);
      }
      await screenshot(page, `${prefix}-rules`);
      await close(page, 'ok');
      const saved = await page.evaluate("RED.nodes.node('rules').objectLimits");
      assert.deepEqual(saved, [
        { label: 'screw', minScore: '0.5', minCount: '4', maxCount: '4', decision: 'reject' },
        { label: MARKUP, minScore: '0.5', minCount: '0', maxCount: '1', decision: 'review' },
      ]);
      assert.equal(await page.evaluate("RED.nodes.node('rules').valid"), true);
      await openDialog(page, 'rules');
      assert.equal(await page.locator('.jidoka-row:visible').count(), 2);
      await page.selectOption('#node-input-mode', 'combined');
      await close(page, 'ok');
      assert.equal(
        await page.evaluate("RED.nodes.node('rules').valid"),
        false,
        'there are no scores to combine',
      );
      assert.equal(await page.evaluate('window.jidokaWasHere'), undefined);
    });

    it('says who may look to one who may not', async () => {
      await page.route('**/jidoka/gates/**', (route) => route.fulfill({ status: 401, body: 'Unauthorized' }));
      await openDialog(page, 'gate');
      await panel('failed').locator('strong', { hasText: 'NOT_ALLOWED' }).waitFor();
      await screenshot(page, `${prefix}-error`);
      await page.unroute('**/jidoka/gates/**');
      await panel('ready').waitFor();
      await close(page, 'cancel');
    });

    for (const locale of ['en-US', 'de']) {
      it(`is readable for every rule (${locale}), with long names too`, async () => {
        const { page: other, errors: heard } = await openEditor(locale);
        await openDialog(other, 'long');
        await panel('empty', other).locator('dl').waitFor();
        const unreadable: string[] = [];
        for (const kind of KINDS) {
          await other.selectOption('#node-input-mode', kind);
          if (kind === 'chart') {
            await other.selectOption('#node-input-chart', 'ewma');
            await other.selectOption('#node-input-baseline', 'given');
          }
          if (kind === 'objects') await other.locator('.red-ui-editableList-addButton:visible').click();
          const faults = await unreadableIn(other, LONG_NAME);
          unreadable.push(...faults.map((fault) => `${kind}: ${fault}`));
        }
        if (locale === 'de') {
          await other.selectOption('#node-input-mode', 'budget');
          await screenshot(other, `${prefix}-long`);
        }
        await close(other, 'cancel');
        await other.close();
        assert.deepEqual(unreadable, []);
        assert.deepEqual(heard, []);
      });
    }

    it('stays usable at twice the size', async () => {
      await page.setViewportSize({ width: 720, height: 500 });
      await openDialog(page, 'gate');
      await panel('ready').waitFor();
      assert.deepEqual(await unreadableIn(page, LONG_NAME), []);
      await page.locator('.jidoka-panel').scrollIntoViewIfNeeded();
      await screenshot(page, `${prefix}-zoom`);
      await close(page, 'cancel');
      await page.setViewportSize({ width: 1440, height: 1000 });
    });

    if (version === '5') {
      it('is as readable in the dark', async () => {
        await page.evaluate("document.documentElement.classList.add('nr-theme-dark')");
        await openDialog(page, 'gate');
        await panel('ready').waitFor();
        await page.locator('.jidoka-panel').scrollIntoViewIfNeeded();
        await screenshot(page, `${prefix}-dark`);
        await close(page, 'cancel');
        await page.evaluate("document.documentElement.classList.remove('nr-theme-dark')");
      });
    }

    it('had no error in the page', () => {
      assert.deepEqual(errors, []);
    });
  });
}
