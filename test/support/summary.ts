/**
 * Ends a test run with what failed, a line each, and one plain line for whoever reads only the end of a long
 * output: `N passed, N failed, N skipped`.
 */
import type { Runnable, Runner } from 'mocha';

const failed: string[] = [];

export function mochaGlobalSetup(this: Runner): void {
  this.on('fail', (test: Runnable, error: Error) => {
    failed.push(`${test.titlePath().join(' › ')}: ${error.message.split('\n', 1)[0] ?? ''}`);
  });
}

export function mochaGlobalTeardown(this: Runner): void {
  const { passes = 0, failures = 0, pending = 0 } = this.stats ?? {};
  for (const line of failed) console.log(`failed: ${line}`);
  console.log(`\n${passes} passed, ${failures} failed, ${pending} skipped`);
}
