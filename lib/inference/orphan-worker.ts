/**
 * Ends the inference host when its parent is gone. The host's own event loop notices a closed
 * pipe, except while a graph that never returns holds it; this thread then still looks.
 */
const parent = process.ppid;
const INTERVAL_MS = 500;

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, INTERVAL_MS);
