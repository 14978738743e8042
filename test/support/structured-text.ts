/**
 * Enough of IEC 61131-3 Structured Text to run the function block we ship: declarations, assignments,
 * IF, TON, and the standard functions it uses. What it does not know it does not pass over.
 */
import { runInNewContext } from 'node:vm';
import { TimerOnDelay } from '../../plant/timer-on-delay.ts';

interface Declaration {
  section: string;
  name: string;
  type: string;
  initial: string | undefined;
}

export interface FunctionBlock {
  declarations: Declaration[];
  body: string;
}

/** Comments taken out, the block of this name cut out. */
export function readFunctionBlock(source: string, name: string): FunctionBlock {
  const plain = source.replace(/\(\*[\s\S]*?\*\)/g, '');
  const text = new RegExp(`FUNCTION_BLOCK ${name}\\s([\\s\\S]*?)END_FUNCTION_BLOCK`).exec(plain)?.[1];
  if (text === undefined) throw new Error(`there is no FUNCTION_BLOCK ${name}`);
  const declarations: Declaration[] = [];
  const body = text.replace(/(VAR\w*(?: RETAIN| CONSTANT)?)\s([\s\S]*?)END_VAR/g, (_all, section: string, lines: string) => {
    for (const line of lines.split(';').map((part) => part.trim()).filter(Boolean)) {
      const [, variable, type, initial] = /^(\w+)\s*:\s*(\w+)(?:\s*:=\s*(\S+))?$/.exec(line) ?? [];
      if (variable === undefined || type === undefined) throw new Error(`not a declaration: ${line}`);
      declarations.push({ section, name: variable, type, initial });
    }
    return '';
  }); // prettier-ignore
  return { declarations, body };
}

const WORDS: Readonly<Record<string, string>> = {
  IF: 'if (',
  THEN: ') {',
  ELSIF: '} else if (',
  ELSE: '} else {',
  END_IF: '}',
  AND: '&&',
  OR: '||',
  NOT: '!',
  TRUE: 'true',
  FALSE: 'false',
  LIMIT: 'LIMIT',
  ABS: 'Math.abs',
  TIME_TO_UDINT: 'Math.trunc',
  UDINT_TO_REAL: 'Math.fround',
};
const SIGNS: Readonly<Record<string, string>> = { '<>': '!==', '=': '===' };
const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, h: 3_600_000, d: 86_400_000 };
const TOKEN = /\s*(T#\d+[a-z]+|16#[0-9A-F]+|\d+(?:\.\d+)?|[A-Za-z_]\w*|:=|<>|<=|>=|[-+*/<>=();,.])/y;

function constantOf(text: string): number | boolean {
  const [, amount, unit] = /^T#(\d+)([a-z]+)$/.exec(text) ?? [];
  const value = text.startsWith('16#') ? Number(`0x${text.slice(3)}`) : Number(text);
  const factor = TIME_UNITS[unit ?? ''];
  if (amount !== undefined && factor !== undefined) return Number(amount) * factor;
  if (text === 'TRUE' || text === 'FALSE') return text === 'TRUE';
  if (Number.isNaN(value)) throw new Error(`not a constant: ${text}`);
  return value;
}

/** The same in JavaScript, over the variables `v`. */
function translate({ body, declarations }: FunctionBlock): string {
  const types = new Map(declarations.map(({ name, type }) => [name, type]));
  const timer = /(\w+)\(IN := ([^,;]+), PT := ([^);]+)\)/g;
  const source = body.replace(timer, '$1.CALL($2, $3)');
  const out: string[] = [];
  TOKEN.lastIndex = 0;
  const end = source.trimEnd().length;
  /** How an assigned value is brought into its type, once the statement ends. */
  let closing = '';
  while (TOKEN.lastIndex < end) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(source)?.[1];
    if (token === undefined) throw new Error(`not understood: ${source.slice(at, at + 30)}`);
    const word = WORDS[token];
    if (token === ':=') {
      const type = types.get((out.at(-1) ?? '').replace(/^v\./, ''));
      const [before, after] =
        type === 'REAL' ? ['Math.fround(', ')'] : type === 'UDINT' ? ['(', ') >>> 0'] : type === 'UINT' ? ['(', ') & 65535'] : ['(', ')']; // prettier-ignore
      closing = after;
      out.push('=', before);
    } else if (token === ';') {
      out.push(closing, ';');
      closing = '';
    } else if (word !== undefined) out.push(word);
    else if (/^[A-Za-z_]/.test(token) && !token.startsWith('T#')) {
      if (out.at(-1) === '.') out.push({ Q: 'q', ET: 'elapsedMs', CALL: 'call' }[token] ?? `no ${token}`);
      else if (types.has(token)) out.push(`v.${token}`);
      else throw new Error(`${token} is not declared`);
    } else if (/^(T#|16#|\d)/.test(token)) out.push(String(constantOf(token)));
    else out.push(SIGNS[token] ?? token);
  }
  return out.join(' ');
}

/** One instance of the block; `call()` is one cycle. */
export function runFunctionBlock(
  block: FunctionBlock,
  now: () => number,
): { variables: Record<string, unknown>; call: () => void } {
  const variables: Record<string, unknown> = {};
  for (const { name, type, initial } of block.declarations) {
    if (type === 'TON') variables[name] = new TimerOnDelay(now);
    else if (initial !== undefined) variables[name] = constantOf(initial);
    else variables[name] = type === 'BOOL' ? false : 0;
  }
  const limit = (low: number, value: number, high: number): number => Math.min(high, Math.max(low, value));
  const call = runInNewContext(`(v, LIMIT) => {${translate(block)}}`) as (
    v: Record<string, unknown>,
    LIMIT: typeof limit,
  ) => void;
  return { variables, call: () => call(variables, limit) };
}
