/** The floor of the journal's bench: bare better-sqlite3 in a thread, one transaction for each message, FULL. */
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';

const database = new Database(workerData as string);
database.pragma('journal_mode = WAL');
database.pragma('synchronous = FULL');
database.exec(
  'CREATE TABLE entries (row_id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, stream TEXT, body TEXT) STRICT',
);
const insert = database.prepare('INSERT INTO entries (key, stream, body) VALUES (?, ?, ?)');

parentPort?.on('message', (message: { key: string; stream: string; body: string } | 'close') => {
  if (message === 'close') {
    database.close();
    parentPort?.close();
    return;
  }
  insert.run(message.key, message.stream, message.body);
  parentPort?.postMessage(message.key);
});
