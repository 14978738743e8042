/** The camera's dialog: the live picture, what it says when there is none, and regions drawn on it. */
import assert from 'node:assert/strict';
import type { Browser, Locator, Page } from 'playwright-core';
import { Camera } from '../../plant/camera.ts';
import { paintedPictures, type PictureSource } from '../../plant/pictures.ts';
import { CameraServer, testImage } from '../support/camera-server.ts';
import { complaints, helpPicture, launchBrowser, screenshot, unreadableIn } from '../support/browser.ts';
import { nodeRedVersions, startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

const SOURCES = ['folder', 'file', 'http-snapshot', 'http-mjpeg', 'rtsp', 'gige', 'usb', 'video', 'mqtt'];
/** After so long the dialog asks again for a picture that it can hope for. */
const RETRY_MS = 1000;
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
      const node = { type: 'camera-capture', z: 'tab', version: 1, station: 'station', wires: [[]] };
      return [
        { id: 'tab', type: 'tab', label: 'Cameras' },
        {
          id: 'station',
          type: 'inspection-station',
          name: 'Press 4',
          deadlineMs: 900,
          leaseHours: 8,
          version: 1,
        },
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
        const isThere = tray.getAnimations().length === 0 && Math.abs(parseFloat(getComputedStyle(tray).right)) < 1;
        // The last that Node-RED does on opening.
        return isThere && tray.contains(document.activeElement);
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
      await close(page, 'cancel');
    });

    it('draws a rectangle and a polygon on the picture, and keeps them with the node', async () => {
      await openDialog(page, 'cam');
      await showPicture(page);
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
      if (version === '5') await helpPicture(page, 'camera-regions', '.jidoka-stage');
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

    it('moves the region that is selected by the arrow keys, and deletes it', async () => {
      await openDialog(page, 'cam');
      await showPicture(page);
      const x = page.locator('.jidoka-regions [data-side=x]');
      const before = Number(await x.inputValue());
      await page.locator('.jidoka-region-name').nth(0).focus();
      await page.locator('.jidoka-stage svg').focus();
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('Shift+ArrowRight');
      assert.equal(Number(await x.inputValue()), before + 11);
      await page.keyboard.press('PageDown');
      await page.keyboard.press('Delete');
      assert.equal(await page.locator('.jidoka-regions > li').count(), 1);
      await close(page, 'cancel');
      assert.equal(await page.evaluate("RED.nodes.node('cam').regions.length"), 2);
    });

    it('moves a corner and keeps the rectangle one', async () => {
      await openDialog(page, 'cam');
      await showPicture(page);
      await page.locator('.jidoka-region-name').nth(0).focus();
      await page.locator('.jidoka-stage').scrollIntoViewIfNeeded();
      await drag([0.2, 0.25], [0.1, 0.1]);
      const sides = page.locator('.jidoka-regions [data-side]');
      const values = await Promise.all(
        [0, 1, 2, 3].map(async (at) => Number(await sides.nth(at).inputValue())),
      );
      assert.deepEqual(values, [96, 72, 480, 432]);
      await close(page, 'cancel');
    });

    it('takes regions by numbers where there is no picture, and says what is wrong with one', async () => {
      await openDialog(page, 'fresh');
      assert.equal(await page.locator('.jidoka-draw-rectangle').isDisabled(), true);
      await page.click('.jidoka-add-region');
      await page.locator('.jidoka-regions [data-side=width]').fill('0');
      const fault = page.locator('.jidoka-fault');
      assert.equal(await fault.innerText(), 'These points enclose nothing.');
      await page.locator('.jidoka-regions [data-side=width]').fill('120');
      assert.equal(await fault.innerText(), '');
      await page.locator('.jidoka-region-name').fill('');
      assert.equal(await fault.innerText(), 'Give the region a name.');
      await page.locator('.jidoka-region-name').fill('x'.repeat(65));
      assert.equal(await fault.innerText(), 'A name has at most 64 characters, all printable.');
      await close(page, 'cancel');
    });

    it('marks a node whose regions would stop it', async () => {
      const isValid = (): Promise<boolean> => page.evaluate("RED.nodes.node('fresh').valid");
      const side = (name: string): Locator => page.locator(`.jidoka-regions [data-side=${name}]`);
      await openDialog(page, 'fresh');
      await page.click('.jidoka-add-region');
      await side('x').fill('-5');
      const fault = page.locator('.jidoka-fault');
      assert.equal(await fault.innerText(), 'Begins left of the picture or above it.');
      await close(page, 'ok');
      assert.equal(await isValid(), false);
      await openDialog(page, 'fresh');
      await side('x').fill('5');
      await side('height').fill('0');
      await close(page, 'ok');
      assert.equal(await isValid(), false);
      await openDialog(page, 'fresh');
      await side('height').fill('20');
      assert.equal(await fault.innerText(), '');
      await close(page, 'ok');
      assert.equal(await isValid(), true);
    });

    it('says who may search for cameras to one who may not', async () => {
      const search = '**/camera-capture/discovery?*';
      await page.route(search, (route) => route.fulfill({ status: 401, body: 'Unauthorized' }));
      await openDialog(page, 'fresh');
      await page.selectOption('#node-input-source', 'gige');
      await page.click('[data-kind=gige]');
      const said = page.locator('#jidoka-found-gige', { hasText: 'NOT_ALLOWED' });
      assert.match(await said.innerText(), /You need the right to deploy/);
      await close(page, 'cancel');
      await page.unroute(search);
    });

    it('shows the picture anew when the settings change, and lets go of the camera with the dialog', async () => {
      await openDialog(page, 'cam');
      await showPicture(page);
      await page.selectOption('#node-input-rotate', '90');
      await page.waitForFunction(
        "document.querySelector('.jidoka-facts').innerText.startsWith('720 × 960 px')",
      );
      const closed = page.waitForRequest(/previews\/[\w-]+\/close$/);
      await close(page, 'cancel');
      await closed;
    });

    it('rests while the tab is hidden', async () => {
      await openDialog(page, 'cam');
      await showPicture(page);
      const closed = page.waitForRequest(/previews\/[\w-]+\/close$/);
      await page.evaluate(`Object.defineProperty(document, 'hidden', { value: true, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))`);
      await closed;
      await page.evaluate(`delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))`);
      await stage(page, 'live').waitFor();
      await close(page, 'cancel');
    });

    it('says which setting is wrong, and does not try again by itself', async () => {
      await openDialog(page, 'cam');
      await page.fill('#node-input-url', 'camera');
      await page.click('.jidoka-show-picture');
      await stage(page, 'lost').waitFor();
      const notice = await page.locator('.jidoka-notice').innerText();
      assert.match(notice, /CONFIG_INVALID\nurl: /);
      assert.match(notice, /Correct this/);
      await close(page, 'cancel');
    });

    it('does not knock again with a password the camera has refused', async () => {
      const guarded = new CameraServer(await testImage());
      guarded.signIn = 'basic';
      await guarded.start();
      await openDialog(page, 'cam');
      await page.fill('#node-input-url', `${guarded.url}/snapshot`);
      await page.fill('#node-input-user', 'inspector');
      await page.fill('#node-input-password', 'guessed');
      await page.click('.jidoka-show-picture');
      await stage(page, 'lost').waitFor();
      const notice = await page.locator('.jidoka-notice').innerText();
      assert.match(notice, /CAMERA_REFUSED/);
      assert.match(notice, /Correct this/);
      const knocks = guarded.requests;
      assert.ok(knocks > 0);
      const again = page.waitForRequest((request) => /\/previews(?!.*\/close$)/.test(request.url()), {
        timeout: 2 * RETRY_MS,
      });
      await assert.rejects(again, { name: 'TimeoutError' });
      assert.equal(guarded.requests, knocks);
      await close(page, 'cancel');
      await guarded.kill();
    });

    it('says what to check when no USB camera is found, or what to install to look for one', async () => {
      await openDialog(page, 'fresh');
      await page.selectOption('#node-input-source', 'usb');
      await page.click('[data-kind=usb]');
      await page.waitForFunction("document.querySelector('[data-kind=usb]').disabled === false", undefined, {
        timeout: 40_000,
      });
      const found = await page.locator('#jidoka-found-usb').innerText();
      assert.match(found, /No camera found|apt-get install|\/dev\/video/);
      await close(page, 'cancel');
    });

    it('shows bars of health, and learns from parts that pass what is normal', async () => {
      await openDialog(page, 'cam');
      await showPicture(page);
      await page.click('.jidoka-learn');
      let sequence = 100;
      for (let passed = 0; passed < 80; passed += 1) {
        const seen = page.waitForResponse(/\/picture/);
        await pass((sequence += 1));
        await seen;
        if ((await page.inputValue('#node-input-baseline')) !== '') break;
      }
      await page.waitForSelector('.jidoka-band');
      await page.locator('.jidoka-learn').scrollIntoViewIfNeeded();
      await screenshot(page, `${prefix}-health`);
      if (version === '5') await helpPicture(page, 'camera-health', '.jidoka-health');
      await close(page, 'cancel');
    });

    for (const locale of ['en-US', 'de']) {
      it(`is readable for every source (${locale}), with long names too`, async () => {
        const { page: other, errors: heard } = await openEditor(locale);
        await openDialog(other, 'long');
        const unreadable: string[] = [];
        for (const source of SOURCES) {
          await other.selectOption('#node-input-source', source);
          const faults = await unreadableIn(other);
          unreadable.push(...faults.map((fault) => `${source}: ${fault}`));
        }
        await close(other, 'cancel');
        await other.close();
        assert.deepEqual(unreadable, []);
        assert.deepEqual(heard, []);
      });
    }

    it('stays usable at twice the size', async () => {
      await page.setViewportSize({ width: 720, height: 500 });
      await openDialog(page, 'long');
      assert.deepEqual(await unreadableIn(page), []);
      await screenshot(page, `${prefix}-zoom`);
      await close(page, 'cancel');
      await page.setViewportSize({ width: 1440, height: 1000 });
    });

    if (version === '5') {
      it('is as readable in the dark', async () => {
        await page.evaluate("document.documentElement.classList.add('nr-theme-dark')");
        await openDialog(page, 'cam');
        await showPicture(page);
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
