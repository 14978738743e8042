/** For a suite whose tests each go on where the one before has ended. */
import assert from 'node:assert/strict';

/** Once a test has failed the rest of the suite is not run. Mocha's own `bail` would end all other files as well. */
export function inSequence(): void {
  let failed: string | undefined;
  beforeEach(() => assert.equal(failed, undefined, 'a step before has failed'));
  afterEach(function () {
    if (this.currentTest?.state === 'failed') failed = this.currentTest.title;
  });
}
