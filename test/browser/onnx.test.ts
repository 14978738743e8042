/** The dialog of onnx-infer-gpu: choosing a model, its card, what it sees, where it runs, and why one is refused. */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { sample, writeFolder } from '../lib/inference/bundle/samples.ts';
import { colourModel, endlessModel } from '../lib/inference/onnx.ts';
import { complaints, helpPicture, launchBrowser, screenshot, unreadableIn } from '../support/browser.ts';
import { nodeRedVersions, startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';
import { requirePath, shared } from '../support/shared.ts';

const TASKS = ['auto', 'detect', 'classify', 'segment', 'regress', 'embed', 'anomaly-map', 'raw'];
const LONG_NAME = 'Press line 4, station 12, upper camera over the second turning unit after the washer';
const LONG_MODEL = `${'presence-of-the-third-screw-left-of-the-cable-gland-'.repeat(3)}final-v2.onnx`;
/** Runs where it is read as markup. */
const MARKUP = `<img src=x onerror="window.jidokaWasHere = true"><b>cap</b>`;
/** The 80 classes YOLOX was trained on (COCO). */
const COCO =
  'person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush'
    .split(',')
    // What a person would have taught it here: it takes a cube for a cup.
    .map((name) => (name === 'cup' ? 'cube' : name))
    .join('\n');

for (const version of nodeRedVersions) {
  describe(`the dialog of a model in Node-RED ${version}`, function () {
    this.timeout(90_000);
    const prefix = version === '5' ? 'onnx' : `onnx-${version.replace('.', '')}`;
    const yolox = shared('data', 'models', 'yolox_nano.onnx');
    const cubes = shared('data', 'images', 'anomalib_dobot_cubes', 'normal', 'input_20230210130546.jpg');
    let folder: string;
    let nodeRed: NodeRed;
    let browser: Browser;
    let page: Page;
    let errors: string[];

    function flows(): FlowNode[] {
      const node = { type: 'onnx-infer-gpu', z: 'tab', version: 1, station: 'station', wires: [[]] };
      const camera = { type: 'camera-capture', z: 'tab', version: 1, source: 'file', trigger: 'message' };
      return [
        { id: 'tab', type: 'tab', label: 'Models' },
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
          id: 'fresh',
          x: 300,
          y: 100,
          name: '',
          model: '',
          task: 'auto',
          labels: '',
          providers: ['cpu'],
        },
        {
          ...node,
          id: 'old',
          x: 300,
          y: 160,
          name: 'Old',
          model: 'line/colour.onnx',
          task: 'classify',
          inputWidth: '16',
          inputHeight: '16',
        },
        {
          ...node,
          id: 'long',
          x: 300,
          y: 220,
          name: LONG_NAME,
          model: LONG_MODEL,
          task: 'auto',
          inputWidth: '16',
          inputHeight: '16',
          providers: ['auto'],
        },
        {
          ...camera,
          id: 'camera',
          x: 100,
          y: 160,
          name: LONG_NAME,
          file: cubes,
          health: false,
          wires: [['old']],
        },
      ];
    }

    before(async function () {
      requirePath(this, yolox, 'YOLOX nano');
      requirePath(this, cubes, 'the pictures of cubes');
      browser = await launchBrowser(this);
      folder = await mkdtemp(join(tmpdir(), 'jidoka-dialog-'));
      await mkdir(join(folder, 'line'));
      await cp(yolox, join(folder, 'yolox_nano.onnx'));
      await writeFile(join(folder, 'line', 'colour.onnx'), colourModel());
      await writeFile(join(folder, 'line', 'endless.onnx'), endlessModel());
      await writeFile(join(folder, LONG_MODEL), colourModel());
      await writeFolder(
        join(folder, 'caps'),
        await sample((manifest) => {
          manifest.name = MARKUP;
          manifest.labels = ['red', MARKUP, 'blue'];
          manifest.intendedUse = MARKUP;
          manifest.provenance = { trainedBy: MARKUP };
          delete manifest.golden;
        }),
      );
      for (const [name, task, postprocessing] of [
        ['vectors', 'embed', { normalise: false, output: 'logits' }],
        ['values', 'regress', { names: ['width', 'height', 'depth'], units: ['mm', 'mm', 'mm'] }],
      ] as const) {
        await writeFolder(
          join(folder, name),
          await sample((manifest) => {
            Object.assign(manifest, { task, postprocessing });
            delete manifest.labels;
            delete manifest.golden;
          }),
        );
      }
      await writeFolder(
        join(folder, 'caps-of-another-line'),
        await sample((manifest) => {
          const [golden] = manifest.golden ?? [];
          const classes = [
            { index: 2, label: 'blue', score: 0.91 },
            { index: 1, label: 'green', score: 0.05 },
          ];
          if (golden !== undefined) golden.expected = { task: 'classify', classes };
        }),
      );
      nodeRed = await startNodeRed({ version, flows: flows(), settings: { jidokaModelFolder: folder } });
      await nodeRed.waitForStatus('old', ({ fill }) => fill === 'green', { timeoutMs: 60_000 });
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

    function card(state: string): Locator {
      return page.locator(`.jidoka-card[data-state=${state}]`);
    }

    async function choose(name: string): Promise<void> {
      await page.click('.jidoka-pick');
      await page.fill('.jidoka-picker-search', name);
      await page.locator('.jidoka-picker-list button').first().click();
    }

    async function chooseFile(): Promise<void> {
      const chooser = page.waitForEvent('filechooser');
      await page.click('.jidoka-choose-file');
      await (await chooser).setFiles(cubes);
    }

    async function look(): Promise<void> {
      await chooseFile();
      await page.locator('.jidoka-stage[data-state=seen][aria-busy=false]').waitFor();
    }

    /** How many of the pixels of the drawing are of the colour of the first box. */
    function drawnPixels(): Promise<number> {
      return page.evaluate<number>(`(() => {
        const canvas = document.querySelector('.jidoka-drawing');
        const pen = canvas.getContext('2d');
        const style = getComputedStyle(canvas);
        const colours = ['blue', 'green', 'yellow', 'red'].map((name) => {
          const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
          probe.fillStyle = style.getPropertyValue('--red-ui-node-status-colors-' + name).trim();
          probe.fillRect(0, 0, 1, 1);
          return [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3).join();
        });
        const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let at = 0; at < data.length; at += 4) {
          if (colours.includes([data[at], data[at + 1], data[at + 2]].join())) count += 1;
        }
        return count;
      })()`);
    }

    it('says what to do where nothing is chosen yet', async () => {
      await openDialog(page, 'fresh');
      assert.match(await card('empty').innerText(), /No model chosen/);
      await screenshot(page, `${prefix}-empty`);
    });

    it('lists the models of the folder, and shows the card of the one that is chosen', async () => {
      await page.click('.jidoka-pick');
      await page.locator('.jidoka-picker-list button', { hasText: 'yolox_nano.onnx' }).waitFor();
      await screenshot(page, `${prefix}-picker`);
      assert.equal(await page.locator('.jidoka-picker-list button').count(), 8);
      await page.fill('.jidoka-picker-search', 'yolox');
      assert.equal(await page.locator('.jidoka-picker-list button').count(), 1);
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      assert.equal(await page.inputValue('#node-input-model'), 'yolox_nano.onnx');
      await card('ready').waitFor();
      const said = await card('ready').innerText();
      assert.match(said, /images · float32 · 1 × 3 × 416 × 416/);
      assert.match(said, /sha256:[0-9a-f]{64}/);
      assert.match(said, /cpu · [\d.]+ ms a warm run/);
      assert.match(said, /detect objects/);
      assert.match(await page.locator('.jidoka-auto').innerText(), /Found: detect objects/);
      await page.fill('#node-input-labels', COCO);
      await page.keyboard.press('Tab');
      await card('ready').waitFor();
      assert.match(await card('ready').innerText(), /80: person, bicycle/);
      await page.locator('#node-input-name').scrollIntoViewIfNeeded();
      await screenshot(page, `${prefix}-card`);
      if (version === '5') await helpPicture(page, 'onnx-infer-gpu', '.jidoka-card[data-state=ready]');
    });

    it('puts what was found into the fields', async () => {
      await page.click('.jidoka-use-head');
      assert.equal(await page.inputValue('#node-input-task'), 'detect');
      await page.fill('#node-input-confidence', '0.2');
      await page.keyboard.press('Tab');
      await card('ready').waitFor();
    });

    it('draws on a real picture what the model sees in it, and says the same in words', async () => {
      await look();
      assert.ok((await drawnPixels()) > 300, 'a box of two pixels around a cube');
      assert.match(await page.locator('.jidoka-facts').innerText(), /^640 × 480 px · cpu · .*run [\d.]+ ms/);
      assert.match(await page.locator('.jidoka-results').innerText(), /cube\s+\d+ %/);
      await page.locator('.jidoka-results').scrollIntoViewIfNeeded();
      await screenshot(page, `${prefix}-look`);
    });

    it('answers for the settings as they are typed, and forgets what was said of others', async () => {
      await page.fill('#node-input-confidence', '0.99');
      await page.locator('.jidoka-stage[data-state=idle]').waitFor();
      assert.equal(await page.locator('.jidoka-results li').count(), 0);
      // Sooner than the dialog checks by itself.
      await look();
      assert.match(await page.locator('.jidoka-results').innerText(), /sees nothing/);
      await page.fill('#node-input-confidence', '0.2');
      await page.keyboard.press('Tab');
    });

    it('proves which provider computed what', async () => {
      await page.click('.jidoka-prove');
      const row = page.locator('.jidoka-shares tbody tr');
      await row.first().waitFor();
      const [provider = '', nodes = ''] = await row.first().locator('td').allInnerTexts();
      assert.match(provider, /cpu/i);
      assert.ok(Number(nodes) > 10);
      await page.locator('.jidoka-shares').scrollIntoViewIfNeeded();
      await screenshot(page, `${prefix}-prove`);
      await close(page, 'ok');
      assert.equal(await page.evaluate("RED.nodes.node('fresh').model"), 'yolox_nano.onnx');
      assert.equal(await page.evaluate("RED.nodes.node('fresh').valid"), true);
    });

    it('shows the card of the model that is deployed, and looks at the last picture it was given', async () => {
      await openDialog(page, 'old');
      await card('ready').waitFor();
      assert.match(await card('ready').innerText(), /In service/);
      await page.click('.jidoka-look');
      await page.locator('.jidoka-notice strong').waitFor();
      assert.match(await page.locator('.jidoka-notice').innerText(), /NOT_FOUND/);
      await page.selectOption('.jidoka-picture', 'camera');
      nodeRed.send('camera', {});
      await page.waitForFunction(`fetch('jidoka/camera-capture/nodes/camera/counts').then((answer) => answer.json())
        .then(({ frames }) => frames > 0)`);
      await page.click('.jidoka-look');
      await page.locator('.jidoka-stage[data-state=seen]').waitFor();
      assert.equal(await page.locator('.jidoka-results li').count(), 3);
      await close(page, 'cancel');
    });

    it('shows where a bundle answers otherwise than it says', async () => {
      await openDialog(page, 'fresh');
      await page.selectOption('#node-input-task', 'auto');
      await page.fill('#node-input-labels', '');
      await choose('another-line');
      await card('failed').waitFor();
      const said = await card('failed').innerText();
      assert.match(said, /MODEL_GOLDEN_MISMATCH/);
      assert.match(said, /classes\[0\]\.label\s+"blue"\s+"red"/);
      await screenshot(page, `${prefix}-golden`);
    });

    it('says why a hostile model is refused, and that nothing was seen', async () => {
      await choose('endless');
      await card('failed').locator('strong', { hasText: 'MODEL_OPERATOR_REFUSED' }).waitFor();
      await chooseFile();
      await page.locator('.jidoka-notice', { hasText: 'could not be opened' }).waitFor();
      await page.locator('#node-input-name').scrollIntoViewIfNeeded();
      await screenshot(page, `${prefix}-refused`);
    });

    it('puts what a bundle says into the fields, and the bundle agrees with it', async () => {
      await choose('vectors');
      await card('ready').waitFor();
      await page.click('.jidoka-use-head');
      assert.equal(await page.inputValue('#node-input-task'), 'embed');
      assert.equal(await page.inputValue('#node-input-output'), 'logits');
      assert.equal(await page.isChecked('#node-input-normalise'), false);
      await card('ready').waitFor();
      await page.selectOption('#node-input-task', 'auto');
      await card('ready').waitFor();
      await choose('values');
      await card('ready').waitFor();
      await page.click('.jidoka-use-head');
      assert.equal(await page.inputValue('#node-input-task'), 'regress');
      assert.equal(await page.inputValue('#node-input-names'), 'width, height, depth');
      assert.equal(await page.inputValue('#node-input-units'), 'mm, mm, mm');
      assert.equal(await page.inputValue('#node-input-output'), '', 'of the model before');
      await card('ready').waitFor();
      await page.selectOption('#node-input-task', 'auto');
    });

    it('shows markup in names, classes and manifests as the text it is', async () => {
      await choose('caps');
      await card('ready').waitFor();
      const said = await card('ready').innerText();
      for (const part of ['trainedBy: <img', '3: red, <img', '<b>cap</b>'])
        assert.ok(said.includes(part), part);
      await look();
      assert.ok((await page.locator('.jidoka-results').innerText()).includes('<b>cap</b>'));
      assert.equal(await page.locator('.jidoka-onnx img, .jidoka-onnx b').count(), 0);
      assert.equal(await page.evaluate('window.jidokaWasHere'), undefined);
      const closed = page.waitForRequest(/trials\/[\w-]+\/close$/);
      await close(page, 'cancel');
      await closed;
    });

    it('keeps the providers in their order, or leaves the choice to a measurement', async () => {
      await openDialog(page, 'old');
      await page.selectOption('.jidoka-provider-choice', 'auto');
      await close(page, 'ok');
      assert.deepEqual(await page.evaluate("RED.nodes.node('old').providers"), ['auto']);
      await openDialog(page, 'old');
      await page.selectOption('.jidoka-provider-choice', 'order');
      await page.locator('.jidoka-providers .red-ui-editableList-addButton').click();
      await page.locator('.jidoka-providers select').nth(1).selectOption('webgpu');
      await close(page, 'ok');
      assert.deepEqual(await page.evaluate("RED.nodes.node('old').providers"), ['cpu', 'webgpu']);
    });

    it('says who may try models to one who may not', async () => {
      await page.route('**/onnx-infer-gpu/trials', (route) =>
        route.fulfill({ status: 401, body: 'Unauthorized' }),
      );
      await openDialog(page, 'long');
      await page.click('.jidoka-check');
      await card('failed').locator('strong', { hasText: 'NOT_ALLOWED' }).waitFor();
      await close(page, 'cancel');
      await page.unroute('**/onnx-infer-gpu/trials');
    });

    for (const locale of ['en-US', 'de']) {
      it(`is readable for every task (${locale}), with long names too`, async () => {
        const { page: other, errors: heard } = await openEditor(locale);
        await openDialog(other, 'long');
        await other.click('.jidoka-check');
        await other.locator('.jidoka-card[data-state=ready]').waitFor();
        const unreadable: string[] = [];
        for (const task of TASKS) {
          await other.selectOption('#node-input-task', task);
          await other.selectOption('#node-input-lookAt', 'objects');
          await other.selectOption('#node-input-queue', 'drop-oldest');
          const faults = await unreadableIn(other, `camera: ${LONG_NAME}`);
          unreadable.push(
            ...faults.filter((fault) => !fault.includes(LONG_NAME)).map((fault) => `${task}: ${fault}`),
          );
        }
        if (locale === 'de') {
          await other.selectOption('#node-input-task', 'auto');
          await other.locator('#node-input-name').scrollIntoViewIfNeeded();
          await other.locator('.jidoka-card[data-state=ready]').waitFor();
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
      await openDialog(page, 'long');
      const faults = await unreadableIn(page, `camera: ${LONG_NAME}`);
      assert.deepEqual(faults, []);
      await screenshot(page, `${prefix}-zoom`);
      await close(page, 'cancel');
      await page.setViewportSize({ width: 1440, height: 1000 });
    });

    if (version === '5') {
      it('is as readable in the dark', async () => {
        await page.evaluate("document.documentElement.classList.add('nr-theme-dark')");
        await openDialog(page, 'fresh');
        await choose('yolox');
        await card('ready').waitFor();
        await screenshot(page, `${prefix}-dark-card`);
        await look();
        await page.locator('.jidoka-results').scrollIntoViewIfNeeded();
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
