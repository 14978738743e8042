/**
 * What a flow must not do, whatever else it does: one function a rule. A flow is judged as it is
 * written; what a function node does with a message nobody can tell from outside.
 */
import { titleOf, type Finding, type Level } from './finding.ts';
import type { Flow, FlowNode } from './flow.ts';

type Rule = (flow: Flow) => Finding[];

const JUDGED_BY_MODEL = ['anomaly-score', 'onnx-infer-gpu'];
const OURS = new Set([
  'camera-capture',
  'sensor-window',
  'onnx-infer-gpu',
  'anomaly-score',
  'tolerance-gate',
  'plc-write',
  'plc-read',
  'plc-watch',
  'mes-ticket',
]);
/** Where a person presses something: FlowFuse Dashboard 2, the older dashboard, the editor's own button. */
const PERSONS = new Set(['ui-button', 'ui-form', 'ui-switch', 'ui_button', 'ui_form', 'ui_switch']);
const LANGUAGE_MODEL =
  /openai|chat-?gpt|\bgpt\b|ollama|llama|anthropic|claude|gemini|mistral|langchain|hugging-?face|bedrock|copilot|deepseek|\bllm\b/i;

/** Outputs nobody may leave alone, by type: what comes out there is not what was wanted. */
const MUST_BE_WIRED: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  'tolerance-gate': { 1: 'parts for review', 2: 'rejected parts' },
  'plc-write': { 1: 'commands that were refused, clamped or of unknown outcome' },
  'mes-ticket': { 1: 'tickets that were set aside' },
};

/** What was typed to get going, in no station that works. */
const EXAMPLE_SECRETS = new Set([
  'changeme',
  'change-me',
  'password',
  'passw0rd',
  'secret',
  'admin',
  'demo',
  'test',
  '123456',
]);
const SECRET_SETTING = /^(password|passwd|secret|token|apikey|api_key|authorization)$/i;
const URL_WITH_PASSWORD = /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]+:[^\s/@]+@/i;

function finding(rule: string, level: Level, node: FlowNode, message: string, hint: string): Finding {
  return { rule, level, nodeId: node.id, node: titleOf(node), message, hint };
}

const outputsUnwired: Rule = (flow) =>
  Object.entries(MUST_BE_WIRED).flatMap(([type, outputs]) =>
    flow.ofType(type).flatMap((node) =>
      Object.entries(outputs)
        .filter(([output]) => flow.wires(node, Number(output)).length === 0)
        .map(([output, what]) =>
          finding(
            'output-unwired',
            'warning',
            node,
            `nothing is wired to output ${Number(output) + 1}: ${what} end there unseen`,
            'Wire it to something a person sees, or to what is to happen instead.',
          ),
        ),
    ),
  );

/** On every way from a model to the PLC there is a gate: a raw score has no budget of false rejects. */
const gateMissing: Rule = (flow) => {
  const ungated = new Set(
    flow
      .ofType(...JUDGED_BY_MODEL)
      .flatMap((model) => [...flow.reaches(model, ({ type }) => type === 'tolerance-gate')])
      .filter(({ type }) => type === 'plc-write'),
  );
  return [...ungated].map((node) =>
    finding(
      'gate-missing',
      'error',
      node,
      'a model’s answer reaches this without a tolerance-gate in between',
      'Put a tolerance-gate between them, so that a budget and a fallback decide.',
    ),
  );
};

function isLanguageModel({ type, url }: FlowNode): boolean {
  return (
    LANGUAGE_MODEL.test(type) ||
    (type === 'http request' && typeof url === 'string' && LANGUAGE_MODEL.test(url))
  );
}

/** What a language model says may become a command only after a person said yes. */
const languageModelActs: Rule = (flow) => {
  const asksPerson = (node: FlowNode): boolean =>
    PERSONS.has(node.type) ||
    (node.type === 'plc-write' && flow.get(node['station'])?.['autonomy'] === 'confirm');
  const reached = new Set(
    flow.nodes
      .filter(isLanguageModel)
      .flatMap((model) => [...flow.reaches(model, asksPerson)])
      .filter(({ type }) => type === 'plc-write'),
  );
  return [...reached].map((node) =>
    finding(
      'language-model-acts',
      'error',
      node,
      'what a language model says reaches this without a person in between',
      'Let a person confirm: set the station to “acts after a person’s yes”, or put a button between.',
    ),
  );
};

/** Node-RED clones a message for every further wire; an encoded picture in `msg.payload` is copied each time. */
const imageCopied: Rule = (flow) =>
  flow.ofType('camera-capture').flatMap((node) => {
    const targets = flow.wires(node, 0);
    const foreign = targets.filter(({ type }) => !OURS.has(type));
    if (targets.length < 2 || foreign.length === 0) return [];
    return [
      finding(
        'image-copied',
        'warning',
        node,
        `each picture is copied for ${foreign.map(titleOf).join(', ')}`,
        'Wire it behind the node that judges the picture, or remove msg.payload in a change node first; msg.frame costs nothing.',
      ),
    ];
  });

function isCaught(node: FlowNode, catches: readonly FlowNode[]): boolean {
  return catches.some((one) => {
    if (one.z !== node.z) return false;
    if (Array.isArray(one['scope'])) return (one['scope'] as unknown[]).includes(node.id);
    return one['scope'] === 'group' ? one['g'] === node['g'] && node['g'] !== undefined : true;
  });
}

const catchMissing: Rule = (flow) => {
  const catches = flow.ofType('catch');
  return flow.nodes
    .filter((node) => OURS.has(node.type) && node.z !== undefined && !isCaught(node, catches))
    .map((node) =>
      finding(
        'catch-missing',
        'warning',
        node,
        'no catch node hears of its errors',
        'Put a catch node on this tab; errors of a camera or a model belong to the gate, which gives its fallback verdict.',
      ),
    );
};

/** A plc-write that can never write. */
const neverActs: Rule = (flow) =>
  flow.ofType('plc-write').flatMap((node) => {
    const station = flow.get(node['station']);
    const endpoint = flow.get(node['endpoint']);
    const hint =
      'Where that is meant, for trying things out, leave it; else change it before the line relies on it.';
    const autonomy = station?.['autonomy'];
    return [
      ...(autonomy === 'observe' || autonomy === 'advise'
        ? [
            finding(
              'never-acts',
              'warning',
              node,
              `the station may only ${autonomy}, so this never writes`,
              hint,
            ),
          ]
        : []),
      ...(endpoint?.['dryRun'] === true
        ? [
            finding(
              'never-acts',
              'warning',
              node,
              'the endpoint is set to dry run, so this never writes',
              hint,
            ),
          ]
        : []),
    ];
  });

const exampleCredentials: Rule = (flow) =>
  flow.nodes.flatMap((node) => {
    const secrets = { ...node, ...(node['credentials'] as Record<string, unknown> | undefined) };
    const left = Object.entries(secrets).filter(
      ([setting, value]) =>
        typeof value === 'string' &&
        ((SECRET_SETTING.test(setting) && EXAMPLE_SECRETS.has(value.toLowerCase())) ||
          URL_WITH_PASSWORD.test(value)),
    );
    return left.map(([setting]) =>
      finding(
        'example-credentials',
        'error',
        node,
        `its ${setting} holds a password that everybody knows or reads in the flow`,
        'Type the station’s own into the credentials of the node, where Node-RED keeps them encrypted.',
      ),
    );
  });

const unknownServers: Rule = (flow) =>
  flow
    .ofType('plc-endpoint')
    .filter((node) => node['trustUnknownServers'] === true)
    .map((node) =>
      finding(
        'server-unknown',
        'error',
        node,
        'it trusts whatever certificate a server shows',
        'For commissioning only: trust the PLC’s certificate, then turn it off.',
      ),
    );

export const RULES: readonly Rule[] = [
  gateMissing,
  languageModelActs,
  exampleCredentials,
  unknownServers,
  outputsUnwired,
  catchMissing,
  imageCopied,
  neverActs,
];
