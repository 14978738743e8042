/** Debian's Chromium, driven by playwright-core. */
import { existsSync, mkdirSync } from 'node:fs';
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

/**
 * Takes a picture of the page: into `docs/images` when UPDATE_SCREENSHOTS is set, so that the docs show
 * what the tests saw; otherwise where it can be looked at and is not kept.
 */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['UPDATE_SCREENSHOTS'] === '1' ? 'docs/images' : '.jidoka/screenshots';
  const target = join(repositoryRoot, folder);
  if (!existsSync(target)) mkdirSync(target, { recursive: true });
  await page.screenshot({ path: join(target, `${name}.png`) });
}

/** What the page's console complained about. */
export function complaints(page: Page): string[] {
  const found: string[] = [];
  page.on('pageerror', (error) => found.push(error.message));
  return found;
}
