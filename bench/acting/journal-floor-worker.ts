/**
 * The floor of the journal's bench: bare better-sqlite3 in a thread, FULL, with the journal's own batching: what
 * has arrived shares one transaction, up to 64 rows or 5 ms.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';

const MAX_ROWS = 64;
const MAX_MS = 5;

interface Row {
  key: string;
  stream: string;
  body: string;
}

const database = new Database(workerData as string);
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
database.exec(
  'CREATE TABLE entries (row_id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, stream TEXT, body TEXT) STRICT',
);
const insert = database.prepare('INSERT INTO entries (key, stream, body) VALUES (?, ?, ?)');

parentPort?.on('message', (first: Row | 'close') => {
  const port = parentPort;
  if (port === null) return;
  const startedAt = performance.now();
  const keys: string[] = [];
  let row: Row | 'close' | undefined = first;
  while (row !== undefined && row !== 'close') {
    if (keys.length === 0) database.exec('BEGIN IMMEDIATE');
    insert.run(row.key, row.stream, row.body);
    keys.push(row.key);
    const isFull = keys.length >= MAX_ROWS || performance.now() - startedAt >= MAX_MS;
    const received = isFull ? undefined : receiveMessageOnPort(port);
    row = (received as { message: Row | 'close' } | undefined)?.message;
  }
  if (keys.length > 0) database.exec('COMMIT');
  for (const key of keys) port.postMessage(key);
  if (row !== 'close') return;
  database.close();
  port.close();
});
