#!/usr/bin/env node
/** `npx jidoka`: what is done to models and flows before they are deployed. Exit codes: 0 done, 1 failed, 2 not understood. */
import { UsageError } from './arguments.ts';
import { printableLines } from './printable.ts';

interface Command {
  /** For the list of commands. */
  summary: string;
  /** What `--help` prints. */
  help: string;
  /** Resolves with the exit code. */
  run(args: string[]): Promise<number>;
}

/** Loaded when asked for: each brings in what it needs, ONNX Runtime at most. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  inspect: async () => await import('./inspect.ts'),
  quantize: async () => await import('./quantize.ts'),
  compare: async () => await import('./compare.ts'),
  pack: async () => await import('./pack.ts'),
  lint: async () => await import('./lint.ts'),
  journal: async () => await import('./journal.ts'),
};

async function usage(): Promise<string> {
  const lines = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, load]) => `  ${name.padEnd(10)}${(await load()).summary}`),
  );
  return `Usage: jidoka COMMAND …\n\n${lines.join('\n')}\n\nAll about one: jidoka COMMAND --help`;
}

async function main([name = '--help', ...args]: string[]): Promise<number> {
  if (name === '--help' || name === '-h' || name === 'help') {
    console.log(await usage());
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) throw new UsageError(`there is no command '${name}'`);
  const command = await load();
  if (args.includes('--help') || args.includes('-h')) {
    console.log(command.help);
    return 0;
  }
  return await command.run(args);
}

function explain(error: unknown): number {
  const { message, code, hint } = error as Error & { code?: unknown; hint?: unknown };
  if (error instanceof UsageError) {
    console.error(`jidoka: ${printableLines(message)}\nSee jidoka --help, or jidoka COMMAND --help.`);
    return 2;
  }
  // what has no code is a fault of ours: its place in the code helps to find it
  const text = typeof code === 'string' ? `${message} (${code})` : ((error as Error).stack ?? String(error));
  console.error(printableLines(`jidoka: ${text}${typeof hint === 'string' ? `\n${hint}` : ''}`));
  return 1;
}

process.exitCode = await main(process.argv.slice(2)).catch(explain);
