/** Trying out an MES from its dialog, and the tickets that were set aside. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { barriersIn } from '../support/axe.ts';
import { helpPicture, launchBrowser, screenshot, unreadableIn } from '../support/browser.ts';
import { openDialog, openEditor, setDark } from '../support/editor.ts';
import { inSequence } from '../support/in-sequence.ts';
import { MesServer } from '../support/mes-server.ts';
import { startNodeRed, type NodeRed } from '../support/node-red.ts';

const HOSTILE = '<img src=x onerror="window.hacked = true"> part of the second turning unit of press line 4';
const FORM = '.red-ui-tray:last-child form';

describe('tickets in the editor of Node-RED 5', function () {
  this.timeout(120_000);
  inSequence();
  let browser: Browser;
  let nodeRed: NodeRed;
  let mes: MesServer;
  let folder: string;
  let page: Page;
  let errors: string[];

  before(async function () {
    browser = await launchBrowser(this);
    folder = mkdtempSync(join(tmpdir(), 'jidoka-tickets-'));
    mes = new MesServer();
    const baseUrl = await mes.start();
    const debug = { type: 'debug', z: 'tab', active: true, complete: 'true', wires: [] };
    nodeRed = await startNodeRed({
      version: '5',
      settings: { jidokaAllowedHosts: ['127.0.0.1'] },
      flows: [
        { id: 'tab', type: 'tab', label: 'Press' },
        {
          ...{ id: 'station', type: 'inspection-station', version: 1, name: 'Press 4' },
          ...{ folder: join(folder, 'data'), deadlineMs: '900', leaseHours: '8' },
        },
        {
          ...{ id: 'mes', type: 'mes-endpoint', version: 2, dialect: 'rest', name: '', baseUrl },
          ...{ authentication: 'none', ticketsPath: '/api/tickets', timeoutSeconds: '5', pollMinutes: 0 },
        },
        {
          ...{ id: 'ticket', type: 'mes-ticket', version: 2, z: 'tab', x: 300, y: 100, station: 'station' },
          ...{ endpoint: 'mes', defectClass: 'scratch', defectClassType: 'str', severity: 'major' },
          wires: [['acknowledged'], ['failed'], []],
        },
        { ...debug, id: 'acknowledged', x: 500, y: 60 },
        { ...debug, id: 'failed', x: 500, y: 140 },
      ],
    });
    ({ page, errors } = await openEditor(browser, nodeRed));
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
    await mes.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function look(name: string): Promise<void> {
    assert.deepEqual(await unreadableIn(page), []);
    assert.deepEqual(await barriersIn(page, FORM), []);
    await screenshot(page, name);
    await setDark(page, true);
    assert.deepEqual(await barriersIn(page, FORM), []);
    await screenshot(page, `${name}-dark`);
    await setDark(page, false);
  }

  async function says(words: string): Promise<void> {
    await page.locator('#mes-endpoint-test-result', { hasText: words }).waitFor();
  }

  it('stand in the flow as complete, saved before their latest fields as they were', async () => {
    const asked = await page.evaluate<string[]>(`(() => {
      const found = [];
      const look = (node) => { if (node.valid === false) found.push(node.type + ': ' + node.validationErrors); };
      RED.nodes.eachNode(look);
      RED.nodes.eachConfig(look);
      return found;
    })()`);
    assert.deepEqual(asked, []);
  });

  it('try an MES as it is typed, and say in words what came back', async () => {
    await openDialog(page, 'mes', 'mes-endpoint');
    await page.click('#mes-endpoint-test');
    await says('The MES answers and understands the look-up. Nothing was created.');
    await page.locator('#mes-endpoint-test-result').scrollIntoViewIfNeeded();
    await look('mes-endpoint-test');
    await helpPicture(page, 'mes-endpoint', '.form-row:has(> #mes-endpoint-test)');
    mes.options = { manner: () => 'forbid' };
    await page.click('#mes-endpoint-test');
    await says('The MES is there and refuses the sign-in.');
    mes.options = {};
    const address = await page.inputValue('#node-config-input-baseUrl');
    await page.fill('#node-config-input-baseUrl', 'http://10.9.8.7');
    await page.click('#mes-endpoint-test');
    await says('jidokaAllowedHosts in settings.js does not allow it');
    await page.fill('#node-config-input-baseUrl', address);
    assert.equal(mes.tickets.length, 0);
  });

  it('open no test ticket before a person has confirmed it, and ask who that is', async () => {
    await page.click('#mes-endpoint-test-ticket');
    await page.waitForFunction("document.activeElement.id === 'mes-endpoint-confirm-no'");
    await look('mes-endpoint-confirm');
    await page.keyboard.press('Enter');
    await page.waitForFunction("document.activeElement.id === 'mes-endpoint-test-ticket'");
    await page.keyboard.press('Enter');
    await page.click('#mes-endpoint-confirm-yes');
    await says('SIGN_IN_REQUIRED');
    assert.equal(mes.tickets.length, 0);
    await page.click('#node-config-dialog-cancel');
    await page.waitForSelector('.red-ui-tray', { state: 'detached' });
  });

  it('list what was set aside, with names as text', async () => {
    mes.options = { manner: ({ method }) => (method === 'POST' ? 'reject' : 'good') };
    const part = { station: 'Press 4', capturedAt: '2026-01-02T03:04:05Z', deadlineMs: 900, startedAt: 0 };
    await openDialog(page, 'ticket', 'mes-ticket');
    for (const [sequence, id] of ['P1041', 'P1042', HOSTILE].entries()) {
      if (id === HOSTILE) await helpPicture(page, 'mes-ticket', '.form-row:has(> #mes-ticket-show)');
      nodeRed.send('ticket', { inspection: { part: { ...part, id, sequence }, timings: {} } });
      await nodeRed.nextMessage('failed');
      await page.click('#mes-ticket-show');
      await page.locator('#mes-ticket-said', { hasText: `${sequence + 1} tickets are set aside.` }).waitFor();
      await page.locator('#mes-ticket-dead tr').nth(sequence).waitFor();
    }
    const rows = await page.locator('#mes-ticket-dead tr').allInnerTexts();
    assert.ok(rows[0]?.includes('P1041') && rows[0].includes('MES_REJECTED'), rows[0]);
    assert.ok(rows[2]?.includes(HOSTILE), rows[2]);
    await page.locator('#mes-ticket-dead').scrollIntoViewIfNeeded();
    await look('mes-ticket-aside');
    const red = await page.evaluate<string[]>(
      `[...document.querySelectorAll('${FORM} .input-error')].map((field) => field.id || field.className)`,
    );
    assert.deepEqual(red, [], 'nothing is asked for that need not be given');
    await page.click('#mes-ticket-all');
    await page.locator('#mes-ticket-said', { hasText: 'Say why' }).waitFor();
    await page.waitForFunction("document.activeElement.id === 'mes-ticket-reason'");
    assert.equal(await page.evaluate('window.hacked'), undefined);
    assert.deepEqual(
      errors.filter((error) => !error.includes('403')),
      [],
    );
  });
});
