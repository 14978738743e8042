/**
 * Ends the inference host when its parent is gone. The host's own event loop notices a closed
 * pipe, except while a graph that never returns holds it; this thread then still looks. It is told
 * who the parent is: one that is gone before this thread starts would otherwise not be missed.
 */
import { workerData } from 'node:worker_threads';

const parent = workerData as number;
const INTERVAL_MS = 500;

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, INTERVAL_MS);
