/** How long the end of something may take. */

/** Resolves as `work` does, or to what `give` returns when it has not ended so many milliseconds after `signal` was aborted. */
export async function within<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
  afterMs: number,
  give: () => Result,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  let begin: () => void = () => undefined;
  const late = new Promise<Result>((resolve) => {
    begin = () => (timer = setTimeout(() => resolve(give()), afterMs));
  });
  if (signal.aborted) begin();
  else signal.addEventListener('abort', begin, { once: true });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', begin);
    // Where the time was up first nobody is left to hear of a failure.
    work.catch(() => undefined);
  }
}

/** Resolves when `work` has settled, or after so many milliseconds. */
export async function endedOrAfter(work: Promise<unknown>, mostMs: number): Promise<void> {
  const done = work.then(nothing, nothing);
  await within(done, AbortSignal.abort(), mostMs, nothing);
}

function nothing(): void {
  // Only that it has ended counts.
}
