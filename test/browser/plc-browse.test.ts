/** Picking a tag: only with the keyboard, from names that are markup, and what is shown when there is nothing to show. */
import assert from 'node:assert/strict';
import type { Browser, Locator, Page } from 'playwright-core';
import { barriersIn } from '../support/axe.ts';
import { furnish, HOSTILE_NAMES, LONG_NAME, VENDOR } from '../support/browse-space.ts';
import { complaints, helpPicture, launchBrowser, screenshot, unreadableIn } from '../support/browser.ts';
import { startModbusServer, type ModbusServer } from '../support/modbus-server.ts';
import { startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';
import { startOpcUaServer, type TestServer } from '../support/opcua-server.ts';

describe('picking a tag in Node-RED 5', function () {
  this.timeout(150_000);
  let server: TestServer;
  let modbus: ModbusServer;
  let nodeRed: NodeRed;
  let browser: Browser;
  let page: Page;
  let errors: string[];

  function flows(): FlowNode[] {
    const opcua = { type: 'plc-endpoint', version: 1, protocol: 'opcua', name: '', endpointUrl: server.url };
    const write = {
      type: 'plc-write',
      z: 'tab',
      version: 2,
      station: 'station',
      wires: [[], []],
      value: 'true',
    };
    return [
      { id: 'tab', type: 'tab', label: 'Press' },
      {
        id: 'station',
        type: 'inspection-station',
        name: 'Press 4',
        version: 1,
        deadlineMs: 900,
        leaseHours: 8,
      },
      { ...opcua, id: 'press' },
      { ...opcua, id: 'away', endpointUrl: 'opc.tcp://127.0.0.1:9/plc' },
      {
        ...{
          id: 'serial',
          type: 'plc-endpoint',
          version: 1,
          protocol: 'modbus',
          name: '',
          host: '127.0.0.1',
        },
        ...{ port: String(modbus.port), unit: '1', framing: 'tcp', wordOrder: 'big' },
      },
      { ...write, id: 'write', x: 200, y: 80, endpoint: 'press', tag: 'ns=1;s=Feeder', max: '50' },
      { ...write, id: 'lost', x: 200, y: 140, endpoint: 'away', tag: '' },
      { ...write, id: 'registers', x: 200, y: 200, endpoint: 'serial', tag: '' },
    ];
  }

  before(async function () {
    browser = await launchBrowser(this);
    [server, modbus] = await Promise.all([
      startOpcUaServer({ numbers: 1010, extend: furnish }),
      startModbusServer(),
    ]);
    modbus.registers[2] = 0x4020;
    nodeRed = await startNodeRed({ version: '5', flows: flows() });
    page = await open('en-US');
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
    await Promise.all([server.stop(), modbus.stop()]);
  });

  async function open(locale: string): Promise<Page> {
    const opened = await browser.newPage({ viewport: { width: 1440, height: 1000 }, locale });
    opened.setDefaultTimeout(20_000);
    errors = complaints(opened);
    await opened.goto(nodeRed.url);
    await opened.waitForSelector('.red-ui-flow-node', { timeout: 30_000 });
    await opened.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
    return opened;
  }

  const settled = `(() => {
    const tray = [...document.querySelectorAll('.red-ui-tray')].at(-1);
    return tray && tray.getAnimations().length === 0 && Math.abs(parseFloat(getComputedStyle(tray).right)) < 1
      && tray.contains(document.activeElement);
  })()`;

  async function openDialog(id: string): Promise<void> {
    await page.evaluate(`RED.editor.edit(RED.nodes.node('${id}'))`);
    await page.waitForSelector('#node-input-tag');
    await page.waitForFunction(settled);
  }

  async function openPicker(field = 'tag'): Promise<void> {
    await page.focus(`#node-input-${field}`);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.jidoka-browse');
    await page.waitForFunction(settled);
  }

  async function leavePicker(): Promise<void> {
    await page.click('.red-ui-tray:has(.jidoka-browse) #node-dialog-cancel');
    await page.waitForSelector('#node-input-tag');
    await page.waitForFunction("document.querySelector('.jidoka-browse') === null");
  }

  async function cancel(): Promise<void> {
    await page.click('#node-dialog-cancel');
    await page.waitForSelector('.red-ui-tray', { state: 'detached' });
  }

  const item = (name: string): Locator =>
    page.locator('[role=treeitem]', { has: page.getByText(name, { exact: true }) }).last();
  const facts = (): Locator => page.locator('.jidoka-browse-facts');
  const value = (field: string): Promise<unknown> => page.evaluate(`$('#node-input-${field}').val()`);

  it('is done with the keyboard alone, and says before what it writes', async () => {
    await openDialog('write');
    await openPicker();
    await item('Press').waitFor();
    await facts().getByText('Feeder', { exact: false }).first().waitFor();
    await page.waitForFunction("document.activeElement.getAttribute('role') === 'treeitem'");
    await page.keyboard.type('pre');
    await page.keyboard.press('ArrowRight');
    await item('Torque').waitFor();
    await page.keyboard.press('ArrowRight');
    await facts().getByText('0 … 60').waitFor();
    await facts().getByText('read and write').waitFor();
    server.set('Torque', 41.5);
    await facts().getByText('41.5').waitFor();
    const plan = await page.locator('.jidoka-browse-plan').innerText();
    assert.match(plan, /ns=1;s=Feeder → ns=1;s=Torque/);
    assert.match(plan, /as the PLC says → Double/);
    assert.match(plan, /Not below\s+– → 0\s+Not above\s+50\s/);
    await screenshot(page, 'plc-browse');
    await page.setViewportSize({ width: 1440, height: 900 });
    await helpPicture(page, 'plc-browse', '.jidoka-browse');
    await page.setViewportSize({ width: 1440, height: 1000 });
    assert.deepEqual(await barriersIn(page, '.red-ui-tray:last-child'), []);
    assert.deepEqual(await unreadableIn(page), []);
    await page.keyboard.press('Enter');
    await page.waitForFunction("document.activeElement.id === 'node-input-tag'");
    assert.deepEqual(await Promise.all(['tag', 'dataType', 'min', 'max', 'valueType'].map(value)), [
      'ns=1;s=Torque',
      'Double',
      '0',
      '50',
      'num',
    ]);
    await cancel();
    assert.deepEqual(server.writes, []);
  });

  it('shows names that are markup as text, and more than a thousand in pages', async () => {
    await openDialog('write');
    await openPicker();
    await item('Press').waitFor();
    await page.waitForFunction("document.activeElement.getAttribute('role') === 'treeitem'");
    await page.fill('.jidoka-browse-search', 'number10');
    await page.keyboard.press('Enter');
    await page.getByText(/found, \d+ looked at/).waitFor();
    assert.equal(await page.locator('[role=treeitem]').count(), 21);
    await page.fill('.jidoka-browse-search', 'names');
    await page.keyboard.press('Enter');
    await item('Names').waitFor();
    await page.waitForFunction("document.activeElement.textContent.includes('Names')");
    await page.keyboard.press('ArrowRight');
    await item(LONG_NAME).waitFor();
    for (const name of HOSTILE_NAMES) await item(name).click();
    const where = `Press › Names › ${HOSTILE_NAMES.at(-1) ?? ''}`;
    await facts().getByText(where, { exact: true }).waitFor();
    await item(LONG_NAME).click();
    assert.equal(await page.evaluate('window.jidokaWasHere'), undefined);
    assert.deepEqual(await unreadableIn(page), []);
    await screenshot(page, 'plc-browse-names');
    await leavePicker();
    await cancel();
  });

  it('fills the fields of a command block from its folder', async () => {
    await openDialog('write');
    await page.selectOption('#node-input-profile', 'handshake');
    await openPicker('commandIdTag');
    await item('Press').waitFor();
    await page.fill('.jidoka-browse-search', 'torqueblock');
    await page.keyboard.press('Enter');
    await item('TorqueBlock').waitFor();
    await page.locator('.jidoka-browse-plan').getByText('Torque.AckResult').waitFor();
    await screenshot(page, 'plc-browse-block');
    await page.click('.red-ui-tray:has(.jidoka-browse) #node-dialog-ok');
    await page.waitForFunction("document.activeElement.id === 'node-input-commandIdTag'");
    const ids = await Promise.all(
      ['tag', 'commandIdTag', 'ttlTag', 'referenceTag', 'ackIdTag', 'ackResultTag'].map(value),
    );
    const members = ['Value', 'CmdId', 'TtlMs', 'DecisionRef', 'AckId', 'AckResult'];
    assert.deepEqual(
      ids,
      members.map((name) => `nsu=${VENDOR};s=Torque.${name}`),
    );
    await cancel();
  });

  it('reads a range of Modbus, which has no names, and takes an address with its type', async () => {
    await openDialog('registers');
    await openPicker();
    await item('holding:2').click();
    await page.keyboard.press('ArrowRight');
    await item('float32').click();
    await facts().getByText('2.5').waitFor();
    await page.keyboard.press('Enter');
    await page.waitForFunction("document.activeElement.id === 'node-input-tag'");
    assert.equal(await value('tag'), 'holding:2:float32');
    await cancel();
    assert.deepEqual(modbus.writes, []);
  });

  it('says what the link is down for, and who may look', async () => {
    await openDialog('lost');
    await openPicker();
    await page.locator('.jidoka-browse-status .jidoka-problem strong').waitFor();
    await screenshot(page, 'plc-browse-error');
    await leavePicker();
    await page.route('**/plc-endpoint/browse', (route) =>
      route.fulfill({ status: 401, body: 'Unauthorized' }),
    );
    await openPicker();
    await page.locator('strong', { hasText: 'NOT_ALLOWED' }).waitFor();
    await page.unroute('**/plc-endpoint/browse');
    await leavePicker();
    await cancel();
  });

  it('is as readable in German, in the dark, at twice the size', async () => {
    assert.deepEqual(errors, []);
    await page.close();
    page = await open('de');
    await page.setViewportSize({ width: 720, height: 500 });
    await page.evaluate("document.documentElement.classList.add('nr-theme-dark')");
    await openDialog('write');
    await openPicker();
    await item('Press').waitFor();
    await facts().getByText('lesen und schreiben').waitFor();
    await screenshot(page, 'plc-browse-dark');
    assert.deepEqual(await unreadableIn(page), []);
    assert.deepEqual(await barriersIn(page, '.red-ui-tray:last-child'), []);
    await leavePicker();
    await cancel();
    assert.deepEqual(errors, []);
  });
});
