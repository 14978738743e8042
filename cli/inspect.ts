/** `jidoka inspect`: what a model is, as a card. */
import { modelOptions } from '../lib/inference/bundle/options.ts';
import { GraphSession } from '../lib/inference/graph/session.ts';
import { readModel, type ModelSource } from '../lib/inference/model/model.ts';
import type { GraphInfo, ValueDescription } from '../lib/inference/host/protocol.ts';
import { asCodedError } from '../lib/errors.ts';
import { opsetOf, readDocument } from '../lib/onnx/document.ts';
import { headFrom, MODEL_HELP, MODEL_OPTIONS, parse, recipeFrom } from './arguments.ts';
import { printable } from './printable.ts';
import { megabytes } from './progress.ts';

export const summary = 'show what a model is: inputs, outputs, operators, size, digest, the head that fits';

export const help = `Usage: jidoka inspect MODEL [options]

${summary}.
MODEL is an .onnx file, a bundle folder or a zip of one.

  --nodes            lists every node with its name, for jidoka quantize --exclude

${MODEL_HELP}`;

const OPTIONS = { ...MODEL_OPTIONS, nodes: { type: 'boolean' } } as const;

function described({ name, type, shape }: ValueDescription): string {
  return `${name}  ${type} [${shape.join(', ')}]`;
}

function operators(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([operator, times]) => `${operator} ${times}`)
    .join(', ');
}

function recipe({ input }: GraphInfo): string {
  const { width, height, layout, colour, type, scale, mean, std, fit } = input;
  return `${width} × ${height} ${colour}, ${layout} ${type}, (pixel · ${scale} − [${mean.join(', ')}]) / [${std.join(', ')}], ${fit}`;
}

function card(source: ModelSource): [string, string][] {
  const document = readDocument(source.bytes);
  const { nodes, initializers } = document.graph;
  const counts = new Map<string, number>();
  for (const { operator, domain } of nodes) {
    const name = domain === '' ? operator : `${domain}.${operator}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [
    ['name', `${source.name}, version ${source.version}`],
    ['digest', source.digest],
    ['size', `${megabytes(source.bytes.length)}, ${nodes.length} nodes, ${initializers.length} constants`],
    ['format', `opset ${opsetOf(document)}, IR version ${document.irVersion}`],
    ['operators', operators(counts)],
  ];
}

/** How it would be fed and read, as the runtime sees it; a model that needs more said is still shown. */
async function usage(
  source: ModelSource,
  values: Parameters<typeof headFrom>[0],
): Promise<[string, string][]> {
  const wanted = { providers: ['cpu'], head: headFrom(values), input: recipeFrom(values) };
  try {
    const { head, input = {} } = modelOptions(source, wanted);
    const graph = await GraphSession.load(
      source.bytes,
      { providers: ['cpu'], strict: false, head, input },
      'cpu',
    );
    await graph.release();
    const { info } = graph;
    return [
      ...info.inputs.map((value): [string, string] => ['input', described(value)]),
      ...info.outputs.map((value): [string, string] => ['output', described(value)]),
      ['fed', recipe(info)],
      ['head', info.head.task],
    ];
  } catch (error) {
    const { message, code } = asCodedError(error);
    return [['open', `${message} (${code})`]];
  }
}

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parse(args, OPTIONS, ['MODEL']);
  const [path] = positionals as [string];
  const source = await readModel(path);
  const lines = [...card(source), ...(await usage(source, values))];
  const { manifest } = source.bundle ?? {};
  if (manifest !== undefined) {
    lines.push(['bundle', `${manifest.task}, ${manifest.golden?.length ?? 0} golden pictures`]);
    if (manifest.intendedUse !== undefined) lines.push(['for', manifest.intendedUse]);
  }
  console.log(lines.map(([name, text]) => `${name.padEnd(10)}${printable(text)}`).join('\n'));
  if (values.nodes === true) {
    for (const { name, operator, outputs } of readDocument(source.bytes).graph.nodes) {
      console.log(printable(`${operator}  ${name}  → ${outputs.join(', ')}`));
    }
  }
  return 0;
}
