/** Where the real images, models and series for tests and benches are. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Context } from 'mocha';

export const repositoryRoot = dirname(dirname(import.meta.dirname));

/** `../shared` beside the checkout, or wherever JIDOKA_SHARED points. */
const sharedFolder = process.env['JIDOKA_SHARED'] ?? join(repositoryRoot, '..', 'shared');

export function shared(...path: string[]): string {
  return join(sharedFolder, ...path);
}

/** Skips with a reason where the file is absent; in CI nothing may be skipped, so there it fails. */
export function requirePath(context: Context, path: string, what: string): void {
  if (existsSync(path)) return;
  if (process.env['CI'] === 'true') throw new Error(`${what} is missing: ${path}`);
  context.skip();
}
