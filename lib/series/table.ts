/** Rows of features from a CSV file: what a historian, a spreadsheet or a logger exports. */
import { readFile, stat } from 'node:fs/promises';
import { SeriesError } from './errors.ts';

export interface Table {
  columns: string[];
  rows: number[][];
}

/** More than a gateway has memory for; 20 000 rows of 150 numbers have about 50 MB. */
const MAX_BYTES = 256 * 1024 * 1024;
const SEPARATORS = [';', '\t', ','];

/**
 * Reads a table with a line of names. Separator `;`, tab or `,`, whichever the names show; with `;` or tab
 * numbers may have a decimal comma. Columns in which nothing is a number (dates, names) are left out, as
 * are those in `without`. Throws `SERIES_UNREADABLE`: no such file, one of more than 256 MB, no rows, a value that is missing or
 * not a number in a column that has numbers.
 */
export async function readTable(path: string, without: readonly string[] = []): Promise<Table> {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size > MAX_BYTES) throw unreadable(path, 'it has more than 256 MB');
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SeriesError('SERIES_UNREADABLE', `${path} cannot be read`, { cause });
  });
  return parseTable(text, path, without);
}

export function parseTable(text: string, path: string, without: readonly string[] = []): Table {
  const [head = '', ...lines] = text
    .replace(/^\uFEFF/u, '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  const separator = SEPARATORS.find((sign) => head.includes(sign)) ?? ',';
  const names = cellsOf(head, separator);
  const table = lines.map((line) => cellsOf(line, separator));
  if (table.length === 0) throw unreadable(path, 'it has no rows below its line of names');
  const numberOf = (cell: string | undefined): number => {
    const written = (cell ?? '').trim();
    return written === '' ? NaN : Number(separator === ',' ? written : written.replace(',', '.'));
  };
  const chosen = names
    .map((name, index) => ({ name, index }))
    .filter(
      ({ name, index }) =>
        !without.includes(name) && table.some((row) => !Number.isNaN(numberOf(row[index]))),
    );
  if (chosen.length === 0) throw unreadable(path, 'no column has numbers');
  const rows = table.map((row, line) =>
    chosen.map(({ name, index }) => {
      const value = numberOf(row[index]);
      if (Number.isFinite(value)) return value;
      throw unreadable(path, `line ${line + 2} has “${row[index] ?? ''}” for ${name}`);
    }),
  );
  return { columns: chosen.map(({ name }) => name), rows };
}

function cellsOf(line: string, separator: string): string[] {
  return line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/u, '$1'));
}

function unreadable(path: string, why: string): SeriesError {
  return new SeriesError('SERIES_UNREADABLE', `${path} is no table of numbers: ${why}`, {
    hint: 'Export a CSV file with one line of names and a number in every cell.',
  });
}
