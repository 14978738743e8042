/** Text for a terminal that may come from a file somebody sent: nothing in it may steer one. */

/** As one line. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '·');
}

/** As the lines it has. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
