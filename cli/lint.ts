/** `jidoka lint`: what would go wrong unseen in a flow. */
import { readFile } from 'node:fs/promises';
import { checkFlow } from '../lib/flow/check.ts';
import type { Finding } from '../lib/flow/finding.ts';
import { FlowError } from '../lib/flow/flow.ts';
import { parse } from './arguments.ts';
import { printable } from './printable.ts';

export const summary = 'look through a flow for what would go wrong unseen';

export const help = `Usage: jidoka lint FLOW [options]

${summary}.
FLOW is an exported flow or the flows.json of a user folder.

  --strict           warnings count as errors
  --json             prints the findings as JSON

Exit codes: 0 nothing that counts, 1 something, or the file cannot be read.`;

const OPTIONS = { strict: { type: 'boolean' }, json: { type: 'boolean' } } as const;

function shown({ level, node, nodeId, rule, message, hint }: Finding): string {
  return `${level.padEnd(8)}${printable(node)}: ${printable(message)}  [${rule}, ${printable(nodeId)}]\n        ${hint}`;
}

async function flowIn(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new FlowError('FLOW_INVALID', `${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS, ['FLOW']);
  const [path] = positionals as [string];
  const findings = checkFlow(await flowIn(path));
  const errors = findings.filter(({ level }) => level === 'error').length;
  if (values.json === true) console.log(JSON.stringify(findings, null, 2));
  else {
    for (const found of findings) console.log(shown(found));
    console.log(`errors: ${errors}, warnings: ${findings.length - errors}`);
  }
  return errors > 0 || (values.strict === true && findings.length > 0) ? 1 : 0;
}
