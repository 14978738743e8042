/**
 * A time limit for somebody else's answer that does not count the time in which this process did
 * not listen: Node-RED's event loop may stand still for seconds, and what arrived meanwhile is read
 * only after the timers that have become due.
 */

/** A pause of the event loop costs at most one of these parts of the limit. */
const PARTS = 10;

/**
 * Calls `onExpiry` when `limitMs` have passed, in each tenth of which the event loop came round, and
 * what had arrived by then was read. Never earlier; later where the loop was held up. Returns what
 * stops it.
 */
export function startWatchdog(limitMs: number, onExpiry: () => void): () => void {
  const partMs = limitMs / PARTS;
  let leftMs = limitMs;
  let timer: NodeJS.Timeout;
  let immediate: NodeJS.Immediate | undefined;
  const wait = (): void => {
    const begun = performance.now();
    timer = setTimeout(
      () => {
        leftMs -= Math.min(performance.now() - begun, partMs);
        // timers come before the pipes are read, immediates after
        if (leftMs <= 0) immediate = setImmediate(onExpiry);
        else wait();
      },
      Math.ceil(Math.min(leftMs, partMs)),
    );
  };
  wait();
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}
