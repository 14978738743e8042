/** A drawn pump for tests: four sensors that follow one load, each with its own noise. */
import { seededRandom } from '../../../lib/statistics/random.ts';

export const PUMP = ['current', 'pressure', 'flow', 'temperature'];

export function pumpRows(count: number, seed: number): number[][] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, row) => {
    const load = Math.sin(row / 17) + 0.2 * random.normal();
    return [
      12 + 2 * load + 0.1 * random.normal(),
      3.2 + 0.5 * load + 0.03 * random.normal(),
      40 - 5 * load + 0.4 * random.normal(),
      60 + 0.8 * random.normal(),
    ];
  });
}
