/**
 * Random numbers that are the same on every machine for the same seed. sfc32 of Chris Doty-Humphrey's
 * PractRand, seeded through splitmix32, because neighbouring seeds (part 41, part 42) must not give
 * neighbouring pictures.
 */

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Uniform integer in [0, count). */
  below(count: number): number;
  /** Normal with mean 0 and standard deviation 1 (Box–Muller). */
  normal(): number;
  /** One element of a list that is not empty. */
  pick<Value>(values: readonly [Value, ...Value[]]): Value;
}

/** One 32-bit number out of several, so that seeds can be made of a seed, a sequence and a purpose. */
export function mixSeed(...numbers: number[]): number {
  let state = 0x9e3779b9;
  for (const number of numbers) {
    state = (state ^ number) >>> 0;
    state = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    state = Math.imul(state ^ (state >>> 15), 0x735a2d97);
    state = (state ^ (state >>> 15)) >>> 0;
  }
  return state;
}

/** A generator of its own for a seed (any integer; only its low 32 bits count). */
export function randomFrom(seed: number): Random {
  let a = mixSeed(seed, 1) | 0;
  let b = mixSeed(seed, 2) | 0;
  let c = mixSeed(seed, 3) | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  for (let round = 0; round < 12; round++) next();
  const below = (count: number): number => Math.floor(next() * count);
  return {
    next,
    below,
    between: (low, high) => low + (high - low) * next(),
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    pick: (values) => values[below(values.length)] ?? values[0],
  };
}
