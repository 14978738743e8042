/**
 * A hundred texts that try to run, wherever the editor shows a text that somebody or something else has chosen: names,
 * labels, tags, part ids, defect classes, reasons, messages. None runs.
 */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { ourNodeTypes } from '../package/package-files.ts';
import { launchBrowser, screenshot } from '../support/browser.ts';
import { editorFlows } from '../support/editor-flows.ts';
import { closeDialog, isConfig, openDialog, openEditor, shownNode } from '../support/editor.ts';
import { HOSTILE_MARK, HOSTILE_TEXTS } from '../support/hostile-texts.ts';
import { startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';

const STATION = 'hostile-station';
const DEBUG = 'hostile-debug';
/** Texts of these fields are ours or numbers: the rest may hold what somebody typed. */
const CHOSEN = /^(id|type|z|version|station|endpoint|x|y|wires|protocol|source|trigger|looks|dialect)$/;

/** The next text of the list, again from the start when it is through. */
function taker(): () => string {
  let next = 0;
  return () => {
    next += 1;
    return HOSTILE_TEXTS[(next - 1) % HOSTILE_TEXTS.length] ?? '';
  };
}

/** One node of each type with a hostile text in every field that holds one; they do not run. */
function hostileDialogs(take: () => string): FlowNode[] {
  return ourNodeTypes().map((type) => {
    const node = editorFlows().find(({ id }) => id === shownNode(type));
    assert.ok(node);
    const fields = Object.entries(node).map(([field, value]) => {
      const isText =
        typeof value === 'string' &&
        !CHOSEN.test(field) &&
        (value === '' || field === 'name' || field === 'tag');
      return [field, isText ? take() : value] as const;
    });
    const place = isConfig(type) ? {} : { z: 'hostile-tab', wires: [] };
    return { ...(Object.fromEntries(fields) as FlowNode), ...place, id: `hostile-${type}`, type, d: true };
  });
}

function hostileFlows(): FlowNode[] {
  const types = ourNodeTypes().filter((type) => !isConfig(type));
  return [
    { id: 'hostile-tab', type: 'tab', label: HOSTILE_TEXTS[0], info: HOSTILE_TEXTS.join('\n\n') },
    ...hostileDialogs(taker()),
    // Their names stand in the lists of every dialog, in the side bar's tree and in the workspace.
    ...HOSTILE_TEXTS.flatMap((name, index): FlowNode[] => [
      { id: `station-${index}`, type: 'inspection-station', name: `${name} ${index}`, d: true },
      {
        ...{ id: `named-${index}`, type: types[index % types.length] ?? '', z: 'hostile-tab', d: true, name },
        ...{ tag: name, model: name, defectClass: name, info: name },
        ...{ x: 200 + 300 * (index % 4), y: 80 + 60 * Math.floor(index / 4), wires: [] },
      },
    ]),
    {
      ...{ id: STATION, type: 'inspection-station', name: 'Press 4', line: 'a', folder: '', version: 1 },
      ...{ deadlineMs: 900, autonomy: 'act', leaseHours: 8 },
    },
    {
      id: DEBUG,
      type: 'debug',
      z: 'hostile-tab',
      active: true,
      complete: 'true',
      tosidebar: true,
      x: 1500,
      y: 80,
      wires: [],
    },
  ];
}

describe('hostile texts in the editor', function () {
  this.timeout(120_000);
  let nodeRed: NodeRed;
  let browser: Browser;
  let page: Page;
  let dialogs = 0;

  before(async function () {
    browser = await launchBrowser(this);
    nodeRed = await startNodeRed({ version: '5', flows: hostileFlows() });
    ({ page } = await openEditor(browser, nodeRed));
    page.on('dialog', (dialog) => {
      dialogs += 1;
      void dialog.dismiss();
    });
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
  });

  /** Gives what was put into the page its time: handlers of pictures and frames come later than the page. */
  async function nothingRan(on: Page = page): Promise<void> {
    await on.evaluate(`new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))`);
    assert.equal(await on.evaluate(`window.${HOSTILE_MARK}`), undefined, 'a text was run');
    assert.equal(dialogs, 0);
  }

  /** As typed into every field of the dialog that takes a text. */
  async function fillAll(on: Page): Promise<void> {
    await on.evaluate(`(() => {
      const texts = ${JSON.stringify(HOSTILE_TEXTS)};
      $('.red-ui-tray form').find('input[type=text], textarea').filter(':visible').each((index, field) => {
        $(field).val(texts[(index * 7) % texts.length]).trigger('input').trigger('change').trigger('blur');
      });
    })()`);
  }

  it('run where a page is careless, so that the list is worth something', async () => {
    const careless = await browser.newPage();
    await careless.goto('about:blank');
    const ran = await careless.evaluate<string[]>(`(async () => {
      const ran = [];
      for (const text of ${JSON.stringify(HOSTILE_TEXTS)}) {
        delete window.${HOSTILE_MARK};
        const place = document.createElement('div');
        document.body.append(place);
        place.append(document.createRange().createContextualFragment(text));
        for (const each of place.querySelectorAll('a, button')) each.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
        await new Promise((done) => setTimeout(done, 40));
        if (window.${HOSTILE_MARK} !== undefined) ran.push(text);
        place.remove();
      }
      return ran;
    })()`);
    await careless.close();
    assert.ok(ran.length >= 40, `only ${ran.length} of ${HOSTILE_TEXTS.length} run`);
  });

  it('are letters in the workspace, the explorer and the palette’s neighbours', async () => {
    const labels = await page.evaluate<string[]>(
      `[...document.querySelectorAll('.red-ui-flow-node-label-text')].map((label) => label.textContent)`,
    );
    assert.ok(
      labels.some((label) => label.includes('<script>')),
      'the names are drawn',
    );
    await nothingRan();
    await screenshot(page, 'hostile-workspace');
  });

  it('are letters in the information about each node', async () => {
    await page.evaluate(`(async () => {
      for (let index = 0; index < ${HOSTILE_TEXTS.length}; index += 1) {
        RED.view.select({ nodes: [RED.nodes.node('named-' + index)] });
        await new Promise((done) => requestAnimationFrame(done));
      }
    })()`);
    await nothingRan();
  });

  for (const type of ourNodeTypes()) {
    it(`are values in the dialog of ${type}`, async () => {
      await openDialog(page, `hostile-${type}`, type);
      await fillAll(page);
      await nothingRan();
      await screenshot(page, `hostile-${type}`);
      await closeDialog(page, type);
    });
  }

  it('are letters in the side bar: names, reasons, concerns, part ids', async () => {
    // What one station answers, as a hundred stations of such names would.
    await page.route(/jidoka\/stations(\?|$)/, async (route) => {
      const [station] = (await (await route.fetch()).json()) as Record<string, unknown>[];
      const json = HOSTILE_TEXTS.map((name, index) => ({
        ...station,
        id: `station-${index}`,
        name,
        line: name,
      }));
      await route.fulfill({ json });
    });
    await page.route(/jidoka\/stations\/station-\d+\?/, async (route) => {
      const text = HOSTILE_TEXTS[Number(/station-(\d+)/.exec(route.request().url())?.[1])];
      const response = await route.fetch({ url: `${nodeRed.url}/jidoka/stations/${STATION}` });
      const station = (await response.json()) as Record<string, Record<string, unknown>>;
      const arming = { ...station['arming'], actor: text, reason: text };
      const json = { ...station, name: text, line: text, arming, concerns: [{ code: text, message: text }] };
      await route.fulfill({ json });
    });
    await page.evaluate(`RED.actions.invoke('jidoka:show-stations-tab')`);
    await page.waitForFunction(
      `document.querySelectorAll('.jidoka-station .jidoka-concerns li').length === ${HOSTILE_TEXTS.length}`,
    );
    await nothingRan();
    await screenshot(page, 'hostile-stations');
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  });

  it('are letters in what the flow check finds', async () => {
    await page.evaluate(`RED.actions.invoke('jidoka:check-flows')`);
    await page.waitForSelector('.jidoka-check');
    await nothingRan();
    await page.click('.red-ui-notification button.primary');
  });

  it('are letters in the debug side bar, as payload, part id and error', async () => {
    await page.evaluate(`RED.sidebar.show('debug')`);
    for (const text of HOSTILE_TEXTS) {
      nodeRed.send(DEBUG, {
        topic: text,
        payload: text,
        inspection: { part: { id: text, station: text } },
        error: { message: text },
      });
    }
    // The side bar keeps the newest hundred and draws one less.
    await page.waitForFunction(
      `document.querySelectorAll('.red-ui-debug-msg').length >= ${HOSTILE_TEXTS.length - 1}`,
    );
    await nothingRan();
  });
});
