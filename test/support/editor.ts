/** The editor in a browser: opening it, its dialogs, its themes. */
import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import { complaints } from './browser.ts';
import { editorFlows } from './editor-flows.ts';
import type { NodeRed } from './node-red.ts';

const CONFIG_TYPES = ['inspection-station', 'plc-endpoint', 'mes-endpoint'];

export interface OpenEditor {
  page: Page;
  /** What page and console complain about, as it comes. */
  errors: string[];
}

/** Opens the editor in a browser of this language and resolves when the flows are drawn. */
export async function openEditor(
  browser: Browser,
  nodeRed: NodeRed,
  locale = 'en-US',
  path = '/',
): Promise<OpenEditor> {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, locale });
  page.setDefaultTimeout(10_000);
  const errors = complaints(page);
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' || /Definition error|Validation error/.test(text)) errors.push(text);
  });
  await page.goto(new URL(path, nodeRed.url).href, { timeout: 30_000 });
  await page.waitForSelector('.red-ui-flow-node', { timeout: 30_000 });
  await page.waitForSelector('#red-ui-loading-progress', { state: 'hidden' });
  return { page, errors };
}

export function isConfig(type: string): boolean {
  return CONFIG_TYPES.includes(type);
}

/** The id of the first node of a type in the flows that are looked at. */
export function shownNode(type: string): string {
  const node = editorFlows().find((each) => each.type === type);
  assert.ok(node, `there is a ${type} to look at`);
  return node.id;
}

/** Opens the dialog of a node and resolves when it has slid in. */
export async function openDialog(page: Page, id: string, type: string): Promise<void> {
  await page.evaluate(
    isConfig(type)
      ? `RED.editor.editConfig('', '${type}', '${id}')`
      : `RED.editor.edit(RED.nodes.node('${id}'))`,
  );
  await page.waitForSelector(isConfig(type) ? '#node-config-dialog-cancel' : '#node-dialog-cancel');
  await trayIsStill(page);
}

/** Resolves when the uppermost dialog no longer moves. */
export async function trayIsStill(page: Page): Promise<void> {
  await page.waitForFunction(`(() => {
    const tray = [...document.querySelectorAll('.red-ui-tray')].at(-1);
    return tray && tray.getAnimations().length === 0 && Math.abs(parseFloat(getComputedStyle(tray).right)) < 1;
  })()`);
}

export async function closeDialog(page: Page, type: string): Promise<void> {
  await page.click(isConfig(type) ? '#node-config-dialog-cancel' : '#node-dialog-cancel');
  await page.waitForSelector('.red-ui-tray', { state: 'detached' });
}

/** Node-RED 5 alone has a dark theme. */
export async function setDark(page: Page, isDark: boolean): Promise<void> {
  await page.evaluate(`document.documentElement.classList.toggle('nr-theme-dark', ${isDark})`);
}
