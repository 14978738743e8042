/**
 * One seed for every property of a run, so that a gate says the same of the same code twice. `JIDOKA_SEED`
 * takes another one; the nightly run takes a new one each time, and prints it.
 */
import fc from 'fast-check';

const DEFAULT_SEED = 20_260_101;

const wanted = process.env['JIDOKA_SEED'];
export const seed =
  wanted === 'random' ? Math.trunc(Math.random() * 0x7fff_ffff) : Number(wanted ?? DEFAULT_SEED);
if (!Number.isSafeInteger(seed)) throw new Error(`JIDOKA_SEED is a whole number or 'random', not ${wanted}`);
if (wanted !== undefined) console.log(`seed of the properties: ${seed}`);

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
