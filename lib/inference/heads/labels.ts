/** Names of classes: untrusted text that ends up in dashboards, tickets and logs. */

/** Longer names are cut; enough for every label list we have seen. */
const MAX_LABEL_LENGTH = 64;

/** The name of a class, or its number where there is no name. */
export function labelOf(labels: readonly string[] | undefined, index: number): string {
  const label = labels?.[index];
  return label === undefined || label === '' ? String(index) : label.slice(0, MAX_LABEL_LENGTH);
}
