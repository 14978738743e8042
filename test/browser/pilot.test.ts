/** What a person sees and does after `npm start`: it learns, is armed, rejects, and is released. */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { barriersIn } from '../support/axe.ts';
import { complaints, dragBy, launchBrowser, screenshot } from '../support/browser.ts';
import { inSequence } from '../support/in-sequence.ts';
import { buildPackage } from '../support/node-red.ts';
import { repositoryRoot } from '../support/shared.ts';
import { until } from '../support/until.ts';

/** A run of free ports, found by asking the system for one and trusting its neighbours. */
async function freePorts(): Promise<{ nodeRed: number; plant: number; opcua: number; modbus: number }> {
  const servers = Array.from({ length: 4 }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((done) => server.once('listening', done))));
  const [nodeRed, plant, opcua, modbus] = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  assert.ok(nodeRed && plant && opcua && modbus);
  return { nodeRed, plant, opcua, modbus };
}

describe('the pilot station in the browser', function () {
  this.timeout(300_000);
  inSequence();
  let home: string;
  let started: ChildProcess;
  let browser: Browser;
  let page: Page;
  let password = '';
  let ports: Awaited<ReturnType<typeof freePorts>>;
  let errors: string[];

  before(async function () {
    browser = await launchBrowser(this);
    buildPackage();
    home = mkdtempSync(join(tmpdir(), 'jidoka-browser-'));
    ports = await freePorts();
    const options = {
      port: ports.nodeRed,
      'plant-port': ports.plant,
      'opcua-port': ports.opcua,
      'modbus-port': ports.modbus,
      takt: 700,
      defects: 0.25,
      data: home,
    };
    started = fork(
      join(repositoryRoot, 'plant', 'start.ts'),
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
      { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
    );
    password = await new Promise<string>((resolve, reject) => {
      let output = '';
      const read = (text: unknown): void => {
        output += String(text);
        const match = /Password\s+(\S+)/.exec(output);
        if (match?.[1] !== undefined) resolve(match[1]);
      };
      started.stdout?.on('data', read);
      started.stderr?.on('data', read);
      started.once('exit', () => reject(new Error(output)));
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    errors = complaints(page);
  });
  after(async () => {
    await browser.close();
    const ended = new Promise((done) => started.once('exit', done));
    started.kill('SIGTERM');
    await ended;
    rmSync(home, { recursive: true, force: true });
  });

  async function act(button: string, reason: string): Promise<void> {
    await page.click(`[data-test=${button}]`);
    await page.fill('input[name=reason]', reason);
    await page.click('[data-test=submit]');
    await page.waitForSelector('[data-test=submit]', { state: 'detached' });
  }

  it('shows parts and the progress of learning from the start', async () => {
    await page.goto(`http://127.0.0.1:${ports.nodeRed}/dashboard/station`);
    await page.waitForSelector('[data-test=picture]', { timeout: 60_000 });
    await page.waitForSelector('[data-test=teaching]', { timeout: 60_000 });
    await screenshot(page, 'pilot-teaching');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);
  });

  it('accepts good parts once it has learned', async () => {
    await page.waitForSelector('[data-test=lamp].accept', { timeout: 180_000 });
  });

  it('refuses a wrong password and takes the right one', async () => {
    await page.click('[data-test=sign-in]');
    await page.fill('input[name=user]', 'operator');
    await page.fill('input[name=password]', 'not the password');
    await page.click('[data-test=submit]');
    await page.waitForSelector('text=User or password is wrong');
    await page.fill('input[name=password]', password);
    await page.click('[data-test=submit]');
    await page.waitForSelector('[data-test=submit]', { state: 'detached' });
  });

  it('is armed with a reason, rejects a bad part, moves the PLC’s gate and files the ticket', async () => {
    await act('arm', 'first parts checked by hand');
    await page.waitForSelector('[data-test=arming].armed');
    assert.match((await page.textContent('[data-test=lease]')) ?? '', /^8 h left$/);
    const reject = page.locator('[data-test=reject]', { hasText: 'confirmed' }).first();
    await reject.waitFor({ timeout: 120_000 });
    await reject.locator('[data-test=ticket]', { hasText: /^NC-/ }).waitFor({ timeout: 30_000 });
    await page.waitForSelector('[data-test=lamp].reject', { timeout: 120_000 });
    await screenshot(page, 'pilot-station');
    assert.deepEqual(await barriersIn(page, '.jidoka'), []);

    // The part still has to travel from the camera to the gate.
    await until(async () => {
      const response = await fetch(`http://127.0.0.1:${ports.plant + 2}/line.json`);
      const { counts } = (await response.json()) as { counts: { diverted: number } };
      return counts.diverted >= 1;
    }, 'a part to be diverted on the line');
  });

  it('is in the side bar of the editor too, with its last parts', async () => {
    const editor = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    await editor.goto(`http://127.0.0.1:${ports.nodeRed}/`);
    await editor.fill('#node-dialog-login-username', 'operator');
    await editor.fill('#node-dialog-login-password', password);
    await editor.click('#node-dialog-login-submit');
    await editor.waitForSelector('.red-ui-flow-node');
    await editor.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
    await editor.evaluate(`RED.actions.invoke('jidoka:show-stations-tab')`);
    await editor.waitForSelector('.jidoka-station [data-count=reject] dd:not(:text-is("0"))');
    await editor.waitForSelector('.jidoka-thumbnails img');
    await dragBy(editor, '.red-ui-sidebar-section-separator', 0, 400);
    await screenshot(editor, 'help-inspection-station', '.jidoka-station');
    await editor.close();
  });

  it('fits a phone', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    assert.ok(Number(overflow) <= 1, `the page is ${String(overflow)} px wider than the screen`);
    await screenshot(page, 'pilot-phone');
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it('is disarmed by the same person and says so', async () => {
    await act('disarm', 'end of the trial');
    await page.waitForSelector('[data-test=arming].disarmed');
  });

  it('is tripped by a person, cannot be armed before a reset, and says who and why', async () => {
    await act('trip', 'a strange noise');
    await page.waitForSelector('[data-test=arming].tripped');
    assert.match((await page.textContent('[data-test=tripped]')) ?? '', /operator: a strange noise/);
    assert.deepEqual(
      [await page.isDisabled('[data-test=arm]'), await page.isDisabled('[data-test=trip]')],
      [true, true],
    );
    await act('reset', 'it was the fan');
    await page.waitForSelector('[data-test=arming].disarmed');
  });

  it('waits for a second person where two have to agree, whom the first cannot stand in for', async () => {
    const admin = `http://127.0.0.1:${ports.nodeRed}`;
    const { token } = JSON.parse(String(await page.evaluate(`sessionStorage.getItem('jidoka-desk:/')`))) as {
      token: string;
    };
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const flows = (await (await fetch(`${admin}/flows`, { headers })).json()) as Record<string, unknown>[];
    const dual = flows.map((item) => (item['id'] === 'pilot-station' ? { ...item, arming: 'dual' } : item));
    const deployed = await fetch(`${admin}/flows`, { method: 'POST', headers, body: JSON.stringify(dual) });
    assert.ok(deployed.ok);
    // A deploy makes the page anew, and what was open in it is gone.
    await page.reload();
    await page.waitForSelector('[data-test=arming].disarmed');
    await act('arm', 'two persons this time');
    await page.waitForSelector('[data-test=pending]');
    assert.match((await page.textContent('[data-test=arming]')) ?? '', /waits for approval/);
    assert.equal(await page.isDisabled('[data-test=approve]'), true);
    await act('withdraw', 'nobody else is here');
    await page.waitForSelector('[data-test=pending]', { state: 'detached' });
    await page.waitForSelector('[data-test=arming].disarmed');
  });

  it('had no script error', () => {
    assert.deepEqual(errors, []);
  });
});
