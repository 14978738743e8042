/** How hard a machine shakes: velocity from acceleration, and the zones of ISO 10816-3 / ISO 20816-3. */
import { SeriesError } from './errors.ts';
import { weighted, type SpectrumAnalyser } from './spectrum.ts';

/** Of ISO 10816-3:2009, clause 4: group 1 is above 300 kW (or shafts of 315 mm and more), group 2 is 15 to 300 kW. */
type MachineGroup = 1 | 2;
type Support = 'rigid' | 'flexible';
/** A as newly commissioned, B for unrestricted long-term operation, C for a limited time, D does damage. */
export type Zone = 'A' | 'B' | 'C' | 'D';

export interface Machine {
  group: MachineGroup;
  support: Support;
}

/**
 * Upper ends of the zones A, B and C in mm/s RMS, 10 to 1000 Hz, measured on bearing housings.
 * Source: ISO 10816-3:2009, tables A.1 and A.2; ISO 20816-3:2022 keeps them.
 */
const ZONE_ENDS: Readonly<
  Record<MachineGroup, Readonly<Record<Support, readonly [a: number, b: number, c: number]>>>
> = {
  1: { rigid: [2.3, 4.5, 7.1], flexible: [3.5, 7.1, 11] },
  2: { rigid: [1.4, 2.8, 4.5], flexible: [2.3, 4.5, 7.1] },
};

const FROM_HZ = 10;
const TO_HZ = 1000;
/** The window must resolve the lower end of the band: three bins of 1/f² weight would else leak into it. */
const BINS_BELOW = 3;
/** m/s² (or m/s) of one unit of the samples. */
const ACCELERATIONS: Readonly<Record<string, number>> = { 'm/s²': 1, 'm/s2': 1, g: 9.80665, mg: 9.80665e-3 };
const VELOCITIES: Readonly<Record<string, number>> = { 'm/s': 1, 'mm/s': 1e-3 };

/** The zone of a velocity in mm/s RMS; a value on a boundary belongs to the better zone. */
export function zoneOf(velocityRms: number, { group, support }: Machine): Zone {
  const [a, b, c] = ZONE_ENDS[group][support];
  if (velocityRms <= a) return 'A';
  if (velocityRms <= b) return 'B';
  return velocityRms <= c ? 'C' : 'D';
}

/**
 * Velocity in mm/s RMS from 10 to 1000 Hz (ISO 20816-1, 4.1.1) of samples in `m/s²`, `g`, `mg`, `m/s` or
 * `mm/s`. Acceleration is integrated in the frequency domain: each line divided by (2πf)², which needs
 * no high-pass against the drift of a running sum.
 * Throws `FEATURE_UNSUITED`: another unit, fewer than 2000 samples a second, a window under 0.3 s.
 */
export function velocityRms(
  samples: ArrayLike<number>,
  rateHz: number,
  unit: string | undefined,
  analyser: SpectrumAnalyser,
): number {
  const acceleration = ACCELERATIONS[unit ?? ''];
  const velocity = VELOCITIES[unit ?? ''];
  const scale = acceleration ?? velocity;
  if (scale === undefined) {
    throw unsuited(`its unit is “${unit ?? ''}”`, 'Set the unit of the channel to m/s², g, mg, m/s or mm/s.');
  }
  if (rateHz < 2 * TO_HZ)
    throw unsuited(`${rateHz} samples a second end below 1000 Hz`, 'Sample at 2000 Hz or more.');
  const spectrum = analyser.density(samples, rateHz);
  if (spectrum.resolutionHz * BINS_BELOW > FROM_HZ) {
    throw unsuited(
      'the window is too short for 10 Hz',
      `Use windows of ${Math.ceil(rateHz * 0.6)} samples or more.`,
    );
  }
  const integrate = (hz: number): number =>
    acceleration === undefined ? 1 : 1 / (2 * Math.PI * Math.max(hz, FROM_HZ)) ** 2;
  return 1000 * scale * Math.sqrt(weighted(spectrum, FROM_HZ, TO_HZ, integrate));
}

function unsuited(why: string, hint: string): SeriesError {
  return new SeriesError('FEATURE_UNSUITED', `no vibration velocity can be told: ${why}`, { hint });
}
