/** Ends a test run with one plain line for whoever reads the output: `N passed, N failed, N skipped`. */
import type { Runner } from 'mocha';

export function mochaGlobalTeardown(this: Runner): void {
  const { passes = 0, failures = 0, pending = 0 } = this.stats ?? {};
  console.log(`\n${passes} passed, ${failures} failed, ${pending} skipped`);
}
