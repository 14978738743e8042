/** What a person is told of a model that has been opened: plain JSON, every text of the model untrusted. */
import type { ModelSource } from '../../lib/inference/model/model.ts';
import type { OpenModel } from '../../lib/inference/open-model.ts';

/** A card is for reading; a thousand classes of ImageNet are not. */
const MAX_LABELS = 100;
/** Of a text out of a manifest. */
const MAX_TEXT = 2000;

function cut(text: string | undefined): string | undefined {
  return text === undefined || text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)} …`;
}

function labelsOf({ head }: OpenModel['info']): { count: number; first: string[] } {
  const labels = 'labels' in head ? (head.labels ?? []) : [];
  return { count: labels.length, first: labels.slice(0, MAX_LABELS) };
}

export type ModelCard = ReturnType<typeof cardOf>;

/** The card of a model as it was opened. The names of its classes stand apart from the rest of its head. */
export function cardOf({ bytes, bundle }: ModelSource, { info }: Pick<OpenModel, 'info'>) {
  const { model, inputs, outputs, input, folded, head, why, provider, warmMs } = info;
  const { intendedUse, provenance } = bundle?.manifest ?? {};
  return {
    ...model,
    bytes: bytes.length,
    inputs,
    outputs,
    input,
    folded,
    head: { ...head, labels: undefined },
    why,
    labels: labelsOf(info),
    provider,
    warmMs,
    benchmarks: info.benchmarks.map(({ provider, p50Ms }) => ({ provider, ms: p50Ms })),
    refused: info.refused,
    golden: info.golden.map(({ name, passed }) => ({ name, passed })),
    manifest: bundle === undefined ? undefined : { intendedUse: cut(intendedUse), provenance },
  };
}
