/**
 * Canonical JSON (RFC 8785): the one spelling of a value that a hash can be taken of. Keys are
 * sorted by UTF-16 code units, numbers and strings are spelled as ECMAScript spells them, which is
 * what the RFC asks for.
 */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** @throws TypeError for what JSON cannot say: functions, NaN, lone surrogates */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, member]) => `${canonicalJson(key)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${value} is not JSON`);
  if (typeof value === 'string' && LONE_SURROGATE.test(value))
    throw new TypeError('a lone surrogate is not JSON');
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`a ${typeof value} is not JSON`);
  return text;
}
