/** One line that says how far long work is: rewritten in a terminal, every tenth in a log. On stderr, so that output stays output. */
export function progress(what: string): (done: number, total: number) => void {
  let told = -1;
  return (done, total) => {
    const share = Math.floor((done / total) * (process.stderr.isTTY ? 100 : 10));
    if (share === told) return;
    told = share;
    const line = `${what} ${done} of ${total}`;
    if (process.stderr.isTTY) process.stderr.write(`\r${line}${done === total ? '\n' : ''}`);
    else process.stderr.write(`${line}\n`);
  };
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(2)} MB`;
}
