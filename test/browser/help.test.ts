/** The help in the side bar: its pictures are there wherever the editor is served, and flows to take some of them from. */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { ourNodeTypes } from '../package/package-files.ts';
import { dragBy, helpFlow, launchBrowser, screenshot } from '../support/browser.ts';
import { openEditor } from '../support/editor.ts';
import { inSequence } from '../support/in-sequence.ts';
import { startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';
import { startOpcUaServer, type TestServer } from '../support/opcua-server.ts';

const RATE_HZ = 4096;
/** The pictures' addresses are relative: this must be the folder they are looked for in. */
const ADMIN_ROOT = '/plant/admin';

describe('the help in the side bar of Node-RED 5', function () {
  this.timeout(90_000);
  inSequence();
  let server: TestServer;
  let nodeRed: NodeRed;
  let browser: Browser;
  let page: Page;
  let errors: string[];

  function flows(): FlowNode[] {
    const tab = { z: 'tab', version: 1 };
    const debug = { type: 'debug', z: 'tab', active: true, tosidebar: false, tostatus: true, wires: [] };
    return [
      { id: 'tab', type: 'tab', label: 'Press' },
      {
        ...{ id: 'station', type: 'inspection-station', version: 1, name: 'Press 4', autonomy: 'act' },
        ...{ deadlineMs: 900, leaseHours: 8 },
      },
      { id: 'plc', type: 'plc-endpoint', version: 1, protocol: 'opcua', name: '', endpointUrl: server.url },
      {
        ...{
          ...tab,
          id: 'watch',
          type: 'plc-watch',
          name: 'Part there',
          endpoint: 'plc',
          tag: 'ns=1;s=Manual',
        },
        ...{
          when: 'rising',
          countState: false,
          intervalMs: '100',
          debounceMs: '0',
          deadband: '0',
          station: '',
        },
        ...{ x: 110, y: 60, wires: [['read']] },
      },
      {
        ...{ ...tab, id: 'read', type: 'plc-read', name: 'Torque', endpoint: 'plc', timeoutMs: '1000' },
        ...{ tags: [{ tag: 'ns=1;s=Torque', name: 'torque' }], x: 230, y: 120, wires: [['values']] },
      },
      {
        ...debug,
        id: 'values',
        name: 'values',
        complete: 'payload.value',
        statusType: 'auto',
        x: 345,
        y: 60,
      },
      {
        ...{ ...tab, id: 'write', type: 'plc-write', version: 2, name: 'Reject gate', station: 'station' },
        ...{ endpoint: 'plc', tag: 'ns=1;s=RejectGate', value: 'true', valueType: 'bool', x: 110, y: 240 },
        wires: [['confirmed'], ['refused']],
      },
      { ...debug, id: 'confirmed', name: 'done', complete: 'payload', statusType: 'auto', x: 290, y: 210 },
      { ...debug, id: 'refused', name: 'not done', complete: 'payload', statusType: 'auto', x: 300, y: 270 },
      {
        ...{
          ...tab,
          id: 'window',
          type: 'sensor-window',
          name: 'Spindle',
          station: 'station',
          clock: 'rate',
        },
        ...{ channels: [{ name: 'vibration', unit: 'm/s²' }], sourceHz: `${RATE_HZ}`, rateHz: `${RATE_HZ}` },
        ...{ lengthUnit: 'seconds', length: '1', hop: '', maxGapMs: '', late: 'error', bands: '' },
        ...{ features: ['rms', 'peak', 'crest', 'kurtosis', 'velocity'], machine: '2-rigid' },
        ...{ x: 110, y: 360, wires: [['features']] },
      },
      { ...debug, id: 'features', complete: 'payload', tosidebar: true, tostatus: false, x: 310, y: 360 },
    ];
  }

  before(async function () {
    browser = await launchBrowser(this);
    server = await startOpcUaServer();
    nodeRed = await startNodeRed({
      version: '5',
      flows: flows(),
      settings: { jidokaAllowAnonymousArming: true, httpAdminRoot: `${ADMIN_ROOT}/` },
    });
    ({ page, errors } = await openEditor(browser, nodeRed, 'en-US', ADMIN_ROOT));
    page.setDefaultTimeout(30_000);
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
    await server.stop();
  });

  const status = (id: string, text: string): Promise<unknown> =>
    page.waitForSelector(`[id="${id}"] .red-ui-flow-node-status-label:text("${text}")`);

  it('has flows to show: what a PLC was asked and told', async () => {
    await status('watch', 'false');
    server.set('Manual', true);
    await nodeRed.nextMessage('values');
    await status('values', '40');
    await helpFlow(page, 'plc-watch', ['watch', 'read', 'values']);
    const armed = await page.evaluate<number>(`new Promise((resolve) => {
      $.ajax({ url: 'jidoka/stations/station/arm', method: 'POST', contentType: 'application/json',
        data: JSON.stringify({ reason: 'first shift' }) }).always((body, state, xhr) => resolve(xhr.status));
    })`);
    assert.equal(armed, 200);
    await status('write', 'armed');
    const capturedAt = new Date().toISOString();
    const part = { id: 'P-1', station: 'Press 4', sequence: 1, capturedAt, deadlineMs: 1e9, startedAt: 0 };
    nodeRed.send('write', { inspection: { part, timings: {} } });
    await status('confirmed', 'confirmed');
    await helpFlow(page, 'plc-write', ['write', 'confirmed', 'refused']);
  });

  it('has a window of a sensor to show, with its features', async () => {
    await page.evaluate("RED.sidebar.show('debug')");
    const wave = (index: number): number =>
      4 * Math.sin((2 * Math.PI * 50 * index) / RATE_HZ) + ((index * 7) % 5) / 10;
    nodeRed.send('window', { payload: Array.from({ length: RATE_HZ }, (_, index) => wave(index)) });
    await page.waitForSelector('.red-ui-debug-msg');
    // Each click shows what is within, which can be opened in its turn.
    await page.click('.red-ui-debug-msg .collapsed > .red-ui-debug-msg-expandable');
    await page.click('.red-ui-debug-msg .collapsed > .red-ui-debug-msg-expandable');
    await page.getByText('vibration.rms').waitFor();
    await dragBy(page, '.red-ui-sidebar-separator', -44, 0);
    await page.mouse.move(600, 500);
    await screenshot(page, 'help-sensor-window', '.red-ui-debug-msg');
  });

  for (const locale of ['en-US', 'de']) {
    it(`shows every picture of every help (${locale}), none wider than the side bar`, async () => {
      const { page: reader } = await openEditor(browser, nodeRed, locale, ADMIN_ROOT);
      const faults: string[] = [];
      for (const type of ourNodeTypes()) {
        await reader.evaluate(`RED.sidebar.help.show('${type}')`);
        await reader.waitForFunction(
          `document.querySelector('.red-ui-help-title')?.innerText.replaceAll(' ', '-') === '${type}'
            && document.querySelectorAll('.red-ui-help img').length > 0`,
        );
        const found = await reader.evaluate<string[]>(`Promise.all(
          [...document.querySelectorAll('.red-ui-help img')].map((image) => image.decode().then(
            () => image.width <= image.parentElement.clientWidth && image.alt !== '' ? '' : 'too wide: ' + image.src,
            () => 'not there: ' + image.src,
          )),
        )`);
        faults.push(...found.filter((fault) => fault !== ''));
        await reader.locator('.red-ui-help img').first().scrollIntoViewIfNeeded();
        if (type === 'mes-ticket') await screenshot(reader, `help-in-side-bar-${locale}`);
      }
      await reader.close();
      assert.deepEqual(faults, []);
    });
  }

  it('had no error in the page', () => {
    assert.deepEqual(errors, []);
  });
});
