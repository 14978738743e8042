/** The camera's dialog: the live picture, what it says when there is none, and regions drawn on it. */
import assert from 'node:assert/strict';
import type { Browser, Locator, Page } from 'playwright-core';
import { Camera } from '../../plant/camera.ts';
import { paintedPictures, type PictureSource } from '../../plant/pictures.ts';
import { complaints, launchBrowser, screenshot } from '../support/browser.ts';
import { nodeRedVersions, startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

const LONG_NAME = 'Press line 4, station 12, upper camera over the second turning unit after the washer';

for (const version of nodeRedVersions) {
  describe(`the camera's dialog in Node-RED ${version}`, function () {
    this.timeout(60_000);
    const prefix = version === '5' ? 'camera' : `camera-${version.replace('.', '')}`;
    let pictures: PictureSource;
    let camera: Camera;
    let nodeRed: NodeRed;
    let browser: Browser;
    let page: Page;
    let errors: string[];

    function flows(): FlowNode[] {
      const node = { type: 'camera-capture', z: 'tab', version: 1, trigger: 'message', wires: [[]] };
      return [
        { id: 'tab', type: 'tab', label: 'Cameras' },
        {
          ...node,
          id: 'cam',
          x: 200,
          y: 100,
          name: 'Camera top',
          source: 'http-snapshot',
          url: camera.snapshotUrl,
        },
        { ...node, id: 'fresh', x: 200, y: 200, name: '', source: 'folder', folder: '/tmp' },
        { ...node, id: 'long', x: 200, y: 300, name: LONG_NAME, source: 'gige', camera: LONG_NAME },
      ];
    }

    before(async function () {
      browser = await launchBrowser(this);
      pictures = paintedPictures();
      camera = new Camera();
      await camera.open();
      await pass(1);
      nodeRed = await startNodeRed({ version, flows: flows() });
      ({ page, errors } = await openEditor('en-US'));
    });
    after(async () => {
      await browser.close();
      await nodeRed.stop();
      await camera.close();
      await pictures.close();
    });

    /** A part under the camera. */
    async function pass(sequence: number): Promise<void> {
      const plan = { sequence, id: `P${sequence}`, seed: sequence, defect: null, defectSeed: 1 };
      const picture = pictures.picture(plan);
      await camera.trigger(
        plan.id,
        picture.then(({ jpeg }) => jpeg),
      );
    }

    async function openEditor(locale: string): Promise<{ page: Page; errors: string[] }> {
      const opened = await browser.newPage({ viewport: { width: 1440, height: 1000 }, locale });
      opened.setDefaultTimeout(10_000);
      const heard = complaints(opened);
      opened.on('console', (message) => {
        if (/Definition error|Validation error/.test(message.text())) heard.push(message.text());
      });
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
        return tray.getAnimations().length === 0 && Math.abs(parseFloat(getComputedStyle(tray).right)) < 1;
      })()`);
    }

    async function close(on: Page, button: 'ok' | 'cancel'): Promise<void> {
      await on.click(`#node-dialog-${button}`);
      await on.waitForSelector('.red-ui-tray', { state: 'detached' });
    }

    function stage(on: Page, state: string): Locator {
      return on.locator(`.jidoka-stage[data-state=${state}]`);
    }

    async function showPicture(on: Page): Promise<void> {
      await on.click('.jidoka-show-picture');
      await stage(on, 'live').waitFor();
    }

    /** Drags from one place of the picture to another, both as shares of it. */
    async function drag(from: [number, number], to: [number, number]): Promise<void> {
      const box = await page.locator('.jidoka-stage svg').boundingBox();
      assert.ok(box !== null);
      const at = ([x, y]: [number, number]): [number, number] => [
        box.x + x * box.width,
        box.y + y * box.height,
      ];
      await page.mouse.move(...at(from));
      await page.mouse.down();
      await page.mouse.move(...at(to), { steps: 4 });
      await page.mouse.up();
    }

    it('shows a live picture with the settings as typed, and what it is', async () => {
      await openDialog(page, 'cam');
      await screenshot(page, `${prefix}-idle`);
      await showPicture(page);
      const first = await page.locator('.jidoka-stage img').getAttribute('src');
      await page.waitForFunction(
        `document.querySelector('.jidoka-stage img').getAttribute('src') !== '${first}'`,
      );
      const facts = await page.locator('.jidoka-facts').innerText();
      assert.match(facts, /^\d+ × \d+ px · JPEG · \d+ ms old/);
      await screenshot(page, `${prefix}-light`);
    });

    it('says that the camera is lost, why, and that it reconnects; and shows it again when it is back', async () => {
      await camera.kill();
      await stage(page, 'lost').waitFor();
      const notice = await page.locator('.jidoka-notice').innerText();
      assert.match(notice, /CAMERA_LOST/);
      assert.match(notice, /Reconnecting, attempt \d/);
      await screenshot(page, `${prefix}-lost`);
      await camera.revive();
      await stage(page, 'live').waitFor();
    });

    it('draws a rectangle and a polygon on the picture, and keeps them with the node', async () => {
      await page.locator('.jidoka-stage').scrollIntoViewIfNeeded();
      await page.click('.jidoka-draw-rectangle');
      await drag([0.2, 0.25], [0.6, 0.7]);
      await page.click('.jidoka-draw-polygon');
      const box = await page.locator('.jidoka-stage svg').boundingBox();
      assert.ok(box !== null);
      for (const [x, y] of [
        [0.7, 0.1],
        [0.95, 0.1],
        [0.95, 0.5],
      ] as const) {
        await page.mouse.click(box.x + x * box.width, box.y + y * box.height);
      }
      await page.keyboard.press('Enter');
      assert.equal(await page.locator('.jidoka-regions > li').count(), 2);
      await page.locator('.jidoka-regions > li select').nth(1).selectOption('mask');
      await page.locator('.jidoka-region-name').nth(0).fill('bracket left');
      await page.locator('.jidoka-region-name').nth(1).fill('operator');
      await screenshot(page, `${prefix}-regions`);
      await close(page, 'ok');
      const regions = await page.evaluate<{ name: string; kind: string; points: number[][] }[]>(
        "RED.nodes.node('cam').regions",
      );
      assert.deepEqual(
        regions.map(({ name, kind, points }) => [name, kind, points.length]),
        [
          ['bracket left', 'part', 4],
          ['operator', 'mask', 3],
        ],
      );
    });

    it('had no error in the page', () => {
      assert.deepEqual(errors, []);
    });
  });
}
