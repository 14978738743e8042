/** The health of a picture as the dialog shows it: each measure a bar, in one order. */
import type { HealthSection } from '../../lib/inspection/inspection.ts';

export interface Measure {
  /** Key of its name in the catalogue. */
  name: string;
  value: number;
  /** Between which values a good picture lies; absent without a baseline. */
  band?: [low: number, high: number];
  /** What is wrong with it, by its code. */
  finding?: string;
}

export function measuresOf(health: HealthSection): Measure[] {
  const { sharpness, brightness, clipped } = health;
  return [
    { name: 'sharpness', value: sharpness },
    { name: 'brightness', value: brightness },
    { name: 'clipped', value: clipped },
  ];
}
