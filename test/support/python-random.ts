/**
 * Python's `random.Random(seed).choices(...)`, so that streams published as Python code can be drawn
 * here: the Mersenne twister MT19937 (M. Matsumoto, T. Nishimura, ACM TOMACS 8, 1998), seeded by
 * `init_by_array([seed])`, and doubles of 53 bits from two of its outputs.
 */

const N = 624;
const M = 397;

function seededState(seed: number): Uint32Array {
  const state = new Uint32Array(N);
  const at = (index: number): number => state[index] ?? 0;
  const folded = (index: number): number => at(index - 1) ^ (at(index - 1) >>> 30);
  state[0] = 19650218;
  for (let index = 1; index < N; index += 1) state[index] = Math.imul(1812433253, folded(index)) + index;
  let index = 1;
  const next = (): void => {
    index += 1;
    if (index < N) return;
    state[0] = at(N - 1);
    index = 1;
  };
  for (let round = 0; round < N; round += 1) {
    state[index] = (at(index) ^ Math.imul(folded(index), 1664525)) + seed;
    next();
  }
  for (let round = 1; round < N; round += 1) {
    state[index] = (at(index) ^ Math.imul(folded(index), 1566083941)) - index;
    next();
  }
  state[0] = 0x80000000;
  return state;
}

/** Returns `choices(population, k)` of a generator with this seed, below 2³². */
export function pythonChoices(seed: number): (population: readonly number[], k: number) => number[] {
  const state = seededState(seed);
  const at = (index: number): number => state[index % N] ?? 0;
  let used = N;
  const word = (): number => {
    if (used === N) {
      for (let index = 0; index < N; index += 1) {
        const mixed = (at(index) & 0x80000000) | (at(index + 1) & 0x7fffffff);
        state[index] = at(index + M) ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
      }
      used = 0;
    }
    let value = at(used);
    used += 1;
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  };
  const uniform = (): number => ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
  return (population, k) =>
    Array.from({ length: k }, () => population[Math.floor(uniform() * population.length)] ?? NaN);
}
