/** Names of classes, values and outputs: untrusted text that ends up in dashboards, tickets and logs. */

/** Longer names are cut; enough for every label list we have seen. */
const MAX_LABEL_LENGTH = 64;

/** Untrusted text as one short line: cut, without control characters and without halves of a character. */
export function plainText(text: string): string {
  return text.slice(0, MAX_LABEL_LENGTH).replaceAll(/[\p{Cc}\p{Cs}]/gu, ' ');
}

/** The name of a class, or its number where there is no name. */
export function labelOf(labels: readonly string[] | undefined, index: number): string {
  const label = labels?.[index];
  return label === undefined || label === '' ? String(index) : plainText(label);
}

/** What exporters and data sets call "nothing to see here". */
const BACKGROUND = /^(_*background_*|bg|unlabell?ed|void|none|nothing|ignore|normal|ok|good)$/i;

/** Names of the classes of a mask, and whether class 0 is one of them or what lies behind. */
export interface MaskNames {
  label(index: number): string;
  /** True where class 0 stands for nothing and is left out. */
  hasBackground: boolean;
}

/**
 * Class 0 of a mask is the background, unless the first label names it something else and there is a label
 * for every class. One label fewer than classes names classes 1, 2, …; `classes` is unknown for a map of
 * class numbers, which is then taken to have as many as there are labels.
 */
export function maskNames(labels: readonly string[] | undefined, classes: number | undefined): MaskNames {
  const [first = ''] = labels ?? [];
  if (labels === undefined || labels.length === 0) {
    return { label: (index) => labelOf(undefined, index), hasBackground: true };
  }
  if (labels.length === (classes ?? NaN) - 1) {
    return { label: (index) => (index === 0 ? '0' : labelOf(labels, index - 1)), hasBackground: true };
  }
  return {
    label: (index) => labelOf(labels, index),
    hasBackground: first === '' || first === '0' || BACKGROUND.test(first),
  };
}
