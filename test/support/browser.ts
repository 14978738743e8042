/** Debian's Chromium, driven by playwright-core. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from 'mocha';
import { chromium, type Browser, type Page } from 'playwright-core';
import { repositoryRoot, requirePath } from './shared.ts';

const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

export async function launchBrowser(context: Context): Promise<Browser> {
  requirePath(context, CHROMIUM, 'Chromium');
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

function picturePath(name: string): string {
  const folder = join(repositoryRoot, '.jidoka', 'screenshots');
  mkdirSync(folder, { recursive: true });
  return join(folder, `${name}.png`);
}

/**
 * Takes a picture of the page, or of the last thing that `selector` finds, to where it can be looked at and is not kept;
 * `npm run screenshots` brings those that the docs and the help show to where they are shown.
 */
export async function screenshot(page: Page, name: string, selector?: string): Promise<void> {
  const path = picturePath(name);
  if (selector === undefined) await page.screenshot({ path });
  else await page.locator(selector).last().screenshot({ path });
}

/** As wide as the side bar that shows the help, so that what a picture says is as large as the text around it. */
const HELP_WIDTH_PX = 344;

interface Styled {
  style: { cssText: string };
}

/** Takes the last thing that `selector` finds as a picture for the help, laid out as wide as that is read. */
export async function helpPicture(page: Page, name: string, selector: string): Promise<void> {
  const shown = page.locator(selector).last();
  const before = await shown.evaluate((element, width) => {
    const { style } = element as unknown as Styled;
    const { cssText } = style;
    style.cssText += `; box-sizing: border-box; width: ${width}px; max-width: none; max-height: none`;
    return cssText;
  }, HELP_WIDTH_PX);
  // What draws itself does so when it hears of its new size.
  await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
  await screenshot(page, `help-${name}`, selector);
  await shown.evaluate((element, cssText) => {
    (element as unknown as Styled).style.cssText = cssText;
  }, before);
}

/** Takes these nodes of the flow, with what stands below them, as a picture for the help. */
export async function helpFlow(page: Page, name: string, ids: readonly string[]): Promise<void> {
  const boxes = await Promise.all(ids.map((id) => page.locator(`[id="${id}"]`).boundingBox()));
  const found = boxes.filter((box) => box !== null);
  const [left, top] = [Math.min(...found.map(({ x }) => x)), Math.min(...found.map(({ y }) => y))];
  const right = Math.max(...found.map(({ x, width }) => x + width));
  const bottom = Math.max(...found.map(({ y, height }) => y + height));
  const clip = { x: left - 12, y: top - 12, width: right - left + 24, height: bottom - top + 24 };
  await page.screenshot({ path: picturePath(`help-${name}`), clip });
}

/** Drags the last thing that `selector` finds by so many pixels, right and down. */
export async function dragBy(page: Page, selector: string, right: number, down: number): Promise<void> {
  const box = await page.locator(selector).last().boundingBox();
  if (box === null) throw new Error(`${selector} cannot be seen`);
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + right, y + down, { steps: 3 });
  await page.mouse.up();
}

/** What the page's console complained about. */
export function complaints(page: Page): string[] {
  const found: string[] = [];
  page.on('pageerror', (error) => found.push(error.message));
  return found;
}

/**
 * What is in the dialog that is open and could not be read: raw keys, and texts or fields that run out
 * of sight. A choice of the name `longName` may be cut.
 */
export function unreadableIn(page: Page, longName = ''): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
  const tray = [...document.querySelectorAll('.red-ui-tray')].at(-1);
  const form = tray.querySelector('form') ?? tray;
  const edge = tray.querySelector('.red-ui-tray-body').getBoundingClientRect().right;
  const faults = [];
  const pen = document.createElement('canvas').getContext('2d');
  for (const each of form.querySelectorAll('label, span, option, select, input, textarea, button, .form-tips, ol')) {
    if (each.type === 'hidden' || each.closest('[style*="display: none"]')) continue;
    const own = [...each.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join('');
    const text = (own + ' ' + (each.placeholder ?? '')).trim();
    const name = each.id || text || each.className;
    if (/\\b[a-z-]+\\.(label|error|unit|tip|type|order|severity|placeholder|autonomy|authentication|preview|regions|section|baseline)\\b/.test(text)) {
      faults.push('not translated: ' + text);
    }
    if (each.dataset.i18n && !each.dataset.i18n.startsWith('[') && text === '') faults.push('empty: ' + each.dataset.i18n);
    const box = each.getBoundingClientRect();
    if (box.width === 0) continue;
    if (box.right > edge) faults.push('out of the dialog: ' + name);
    if (each.matches('label') && each.scrollWidth > each.clientWidth + 1) faults.push('label is cut: ' + each.innerText);
    pen.font = getComputedStyle(each).font;
    if (each.matches('select')) {
      if (each.selectedIndex < 0 || each.selectedOptions[0].text === '') faults.push('nothing chosen: ' + name);
      for (const option of each.options) {
        if (each.closest('.red-ui-typedInput-container') || option.value === '_ADD_') continue;
        if (option.text === ${JSON.stringify(longName)}) continue;
        if (pen.measureText(option.text).width > box.width - 24) faults.push('choice is cut: ' + option.text);
      }
    }
    if (each.matches('input[placeholder]') && pen.measureText(each.placeholder).width > each.clientWidth - 8) {
      faults.push('hint is cut: ' + each.placeholder);
    }
  }
  return faults;
})()`);
}
