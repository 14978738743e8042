/** How every bench says what it measured: a table for people, `--json FILE` for machines. */
import { writeFileSync } from 'node:fs';
import { meetsGoal, type Figure } from '../cli/figures.ts';

export { meetsGoal, quantile, type Figure } from '../cli/figures.ts';

/** What one bench measured. */
export interface Section {
  title: string;
  figures: Figure[];
}

function digits(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(3);
}

/** Prints the table; writes the JSON where `--json FILE` was given. */
export function report(title: string, figures: readonly Figure[], jsonFile: string | undefined): void {
  const rows = figures.map((figure) => [
    figure.id,
    `${digits(figure.value)} ${figure.unit}`.trim(),
    figure.goal === null ? '' : `${figure.better === 'lower' ? '≤' : '≥'} ${figure.goal}`,
    figure.goal === null ? '' : meetsGoal(figure) ? 'met' : 'MISSED',
    figure.detail,
  ]);
  const header = ['figure', 'value', 'goal', '', 'detail'];
  const widths = header.map((text, column) =>
    Math.max(text.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  console.log([`\n${title}`, line(header), ...rows.map(line), ''].join('\n'));
  if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(figures, null, 2)}\n`);
}
