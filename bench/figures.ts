/** How every bench says what it measured: a table for people, `--json FILE` for machines. */
import { writeFileSync } from 'node:fs';

export interface Figure {
  /** Stable, dotted: `flow.ratio.p50`. */
  id: string;
  value: number;
  unit: string;
  /** What is wanted; null where the figure is for information. */
  goal: number | null;
  better: 'lower' | 'higher';
  detail: string;
}

/** What one bench measured. */
export interface Section {
  title: string;
  figures: Figure[];
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export function meetsGoal({ value, goal, better }: Figure): boolean {
  if (goal === null) return true;
  return better === 'lower' ? value <= goal : value >= goal;
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
