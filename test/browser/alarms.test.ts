/** The alarms of a station on the dashboard and in the side bar, raised by nodes whose names are no friends. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { barriersIn } from '../support/axe.ts';
import { complaints, launchBrowser, screenshot } from '../support/browser.ts';
import { startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';
import { pageFlow, STATION } from '../support/page-flow.ts';

const MARA = { username: 'mara', password: 'stamping-line-2' };
const LOOKS = { username: 'gast', password: 'looks-on', permissions: ['read', 'jidoka.read'] };
const MARKUP =
  '<img src=x onerror="window.hacked = true"> upper camera over the second turning unit of press line 4';

const NIGHT = { surface: '#1d2329', bgPage: '#12161a', groupBg: '#1d2329', groupOutline: '#39424b' };

describe('the alarms of a station in the browser', function () {
  this.timeout(120_000);
  let browser: Browser;
  let home: string;
  let nodeRed: NodeRed;
  let page: Page;
  let errors: string[];

  before(async function () {
    browser = await launchBrowser(this);
    home = mkdtempSync(join(tmpdir(), 'jidoka-alarms-'));
    nodeRed = await startNodeRed({
      version: '5',
      modules: ['@flowfuse/node-red-dashboard'],
      users: [MARA, LOOKS],
      settings: { httpAdminRoot: '/admin/', httpNodeRoot: '/' },
      flows: withoutNodes(),
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-US' });
    page.setDefaultTimeout(15_000);
    errors = complaints(page);
  });
  after(async () => {
    await browser.close();
    await nodeRed.stop();
    rmSync(home, { recursive: true, force: true });
  });

  const withoutNodes = (colors: Record<string, string> = {}): FlowNode[] =>
    pageFlow({ pages: ['alarms'], folder: join(home, 'station'), colors });

  /** A camera that is not there, and a node without a model. */
  function faulty(): FlowNode[] {
    const alike = { z: 'page-tab', station: STATION.id, wires: [[], [], []] };
    return [
      {
        ...{ ...alike, id: 'al-camera', type: 'camera-capture', version: 1, name: MARKUP, x: 300, y: 100 },
        ...{ source: 'folder', folder: join(home, 'no-such-folder'), trigger: 'interval', intervalMs: 500 },
      },
      {
        ...{ ...alike, id: 'al-score', type: 'anomaly-score', version: 2, name: 'Top view', x: 300, y: 200 },
        ...{ looks: 'pictures', model: 'top', teaching: 'none' },
      },
    ];
  }

  async function deploy(flows: FlowNode[]): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const asked = { client_id: 'node-red-admin', grant_type: 'password', scope: '*', ...MARA };
    const answer = await nodeRed.request('/admin/auth/token', {
      ...{ method: 'POST', headers, body: JSON.stringify(asked) },
    });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    const { ok } = await nodeRed.request('/admin/flows', {
      ...{ method: 'POST', body: JSON.stringify(flows) },
      headers: { ...headers, authorization: `Bearer ${token}` },
    });
    assert.ok(ok);
  }

  async function signIn({ username, password }: { username: string; password: string }): Promise<void> {
    await page.click('[data-test=sign-in]');
    await page.fill('input[name=user]', username);
    await page.fill('input[name=password]', password);
    await page.click('[data-test=submit]');
    await page.waitForSelector('[data-test=user]');
  }
  const row = (code: string, state: string): string => `[data-alarm=${code}][data-state=${state}]`;

  it('are none at first, then listed by urgency with cause and what to do, and names are text', async () => {
    await page.goto(`${nodeRed.url}/dashboard/alarms`);
    await page.waitForSelector('.jidoka[data-state=signed-out]');
    await signIn(MARA);
    await page.waitForSelector('[data-test=empty]');
    await screenshot(page, 'alarms-empty');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
    await deploy([...withoutNodes(), ...faulty()]);
    await page.waitForSelector(row('CAMERA_LOST', 'unacknowledged'));
    await page.waitForSelector(row('MODEL_MISSING', 'unacknowledged'));
    const text = (await page.textContent(row('CAMERA_LOST', 'unacknowledged'))) ?? '';
    assert.ok(text.includes(MARKUP), text);
    assert.match(text, /Camera lost.*Check power and cable of the camera/s);
    await screenshot(page, 'alarms');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
  });

  it('are acknowledged by a person, put aside with a reason, and shown again', async () => {
    await page.click(`${row('CAMERA_LOST', 'unacknowledged')} [data-test=acknowledge]`);
    await page.waitForSelector(`${row('CAMERA_LOST', 'acknowledged')}:has-text("seen by mara")`);
    await page.click('[data-test=acknowledge-all]');
    await page.waitForSelector(row('MODEL_MISSING', 'acknowledged'));
    await page.waitForSelector('[data-test=unacknowledged]:has-text("0 to be seen")');
    await page.click(`${row('MODEL_MISSING', 'acknowledged')} [data-test=shelve]`);
    await page.selectOption('select[name=minutes]', '15');
    await page.fill('input[name=reason]', MARKUP);
    await screenshot(page, 'alarms-shelve');
    assert.deepEqual(await barriersIn(page, '.jidoka-dialog'), []);
    await page.click('[data-test=submit]');
    await page.waitForSelector(row('MODEL_MISSING', 'acknowledged'), { state: 'detached' });
    await page.click('[data-test=show-hidden]');
    await page.waitForSelector(`${row('MODEL_MISSING', 'shelved')}:has-text("comes back in 15 min")`);
    await page.click('[data-test=show-history]');
    await page.waitForSelector('[data-test=history] tr:has-text("shelved"):has-text("mara")');
    await screenshot(page, 'alarms-history');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
    await page.click(`${row('MODEL_MISSING', 'shelved')} [data-test=unshelve]`);
    await page.waitForSelector(row('MODEL_MISSING', 'unacknowledged'));
  });

  it('outlive a deploy with who has seen them, and are read on a phone and at night', async () => {
    await deploy([...withoutNodes(NIGHT), ...faulty()]);
    await page.waitForSelector(`${row('CAMERA_LOST', 'acknowledged')}:has-text("seen by mara")`);
    await page.waitForSelector(row('MODEL_MISSING', 'unacknowledged'));
    await page.reload();
    await page.waitForSelector(row('MODEL_MISSING', 'unacknowledged'));
    await screenshot(page, 'alarms-dark');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
    await page.setViewportSize({ width: 390, height: 844 });
    const width = await page.evaluate<[number, number]>(
      '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
    );
    assert.ok(width[0] <= width[1], `nothing stands out at the side: ${width.join(' > ')}`);
    await screenshot(page, 'alarms-phone');
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it('are seen but not touched by somebody who may only look, who has no history either', async () => {
    await page.click('[data-test=sign-out]');
    await signIn(LOOKS);
    await page.click(`${row('MODEL_MISSING', 'unacknowledged')} [data-test=acknowledge]`);
    await page.waitForSelector('[data-test=failure]:has-text("not permitted")');
    await page.click('[data-test=show-history]');
    await page.waitForSelector('[data-test=history-problem]:has-text("not permitted")');
    await page.waitForSelector(row('MODEL_MISSING', 'unacknowledged'));
  });

  it('are in the side bar of the editor too, in its language', async () => {
    const editor = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: 'de-DE' });
    const complained = complaints(editor);
    await editor.goto(`${nodeRed.url}/admin/`);
    await editor.fill('#node-dialog-login-username', MARA.username);
    await editor.fill('#node-dialog-login-password', MARA.password);
    await editor.click('#node-dialog-login-submit');
    await editor.waitForSelector('.red-ui-flow-node', { timeout: 30_000 });
    await editor.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
    await editor.evaluate(`RED.actions.invoke('jidoka:show-stations-tab')`);
    const inBar = (code: string, state: string): string => `.jidoka-alarms ${row(code, state)}`;
    await editor.click(`${inBar('MODEL_MISSING', 'unacknowledged')} [data-act=acknowledge]`);
    await editor.waitForSelector(`${inBar('MODEL_MISSING', 'acknowledged')}:has-text("quittiert von mara")`);
    const lost = inBar('CAMERA_LOST', 'acknowledged');
    assert.ok(((await editor.textContent(lost)) ?? '').includes(MARKUP));
    await editor.click(`${lost} [data-act=shelve]`);
    await editor.selectOption('.jidoka-alarms select[name=minutes]', '60');
    await editor.fill('.jidoka-alarms input[name=reason]', 'Objektiv wird gereinigt');
    await screenshot(editor, 'alarms-side-bar', '.jidoka-stations');
    assert.deepEqual(await barriersIn(editor, '.jidoka-stations'), []);
    await editor.press('.jidoka-alarms input[name=reason]', 'Enter');
    await editor.waitForSelector(lost, { state: 'detached' });
    await editor.waitForSelector('.jidoka-alarms > p:has-text("zurückgestellt: 1")');
    await editor.click(`${inBar('MODEL_MISSING', 'acknowledged')} summary`);
    await editor.evaluate("document.documentElement.classList.add('nr-theme-dark')");
    await screenshot(editor, 'alarms-side-bar-dark', '.jidoka-stations');
    assert.deepEqual(await barriersIn(editor, '.jidoka-stations'), []);
    assert.equal(await editor.evaluate('window.hacked'), undefined);
    assert.deepEqual(complained, []);
    await editor.close();
  });

  it('say so when Node-RED no longer answers, and show what was known last', async () => {
    await nodeRed.stop();
    await page.waitForSelector('[data-test=offline]');
    await page.waitForSelector('[data-alarm=MODEL_MISSING]');
    await screenshot(page, 'alarms-offline');
  });

  it('ran nothing a name holds', async () => {
    assert.equal(await page.evaluate('window.hacked'), undefined);
    assert.deepEqual(
      errors.filter((error) => !error.includes('401')),
      [],
    );
  });
});
