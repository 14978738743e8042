/** Figures as every bench of the project gives them: a table for people, JSON for machines. */
import { writeFile } from 'node:fs/promises';
import { printable } from './printable.ts';

export interface Figure {
  /** Stable, dotted. */
  id: string;
  value: number;
  unit: string;
  /** What is wanted; null where the figure is for information. */
  goal: number | null;
  better: 'lower' | 'higher';
  detail: string;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function meetsGoal({ value, goal, better }: Figure): boolean {
  if (goal === null) return true;
  return better === 'lower' ? value <= goal : value >= goal;
}

function spelled(value: number): string {
  if (Number.isNaN(value)) return '—';
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toFixed(4).replace(/\.?0+$/, '');
}

export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ id, value, unit, detail }) =>
    [id, `${spelled(value)} ${unit}`.trim(), detail].map(printable),
  );
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map(([id = '', value = '', detail = '']) =>
      `${id.padEnd(widths[0] ?? 0)}  ${value.padEnd(widths[1] ?? 0)}  ${detail}`.trimEnd(),
    )
    .join('\n');
}

export async function writeFigures(path: string, figures: readonly Figure[]): Promise<void> {
  await writeFile(path, `${JSON.stringify(figures, null, 2)}\n`);
}
