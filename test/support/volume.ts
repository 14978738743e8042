/** How much of a fault test runs: so much with every change, far more at night (`npm run test:nightly`). */
const isNightly = process.env['JIDOKA_NIGHTLY'] === '1';

export function volume<Value>(everyChange: Value, nightly: Value): Value {
  return isNightly ? nightly : everyChange;
}
