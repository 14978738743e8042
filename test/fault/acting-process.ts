/**
 * Child of the test that kills it: a station as a flow builds it (journal, engine, tickets), which commands and
 * tickets as fast as it can and says what it was promised. `drain` ends by itself once nothing is under way any more;
 * `careless` says that a ticket is kept before the journal has it.
 */
import { randomUUID } from 'node:crypto';
import { openJournal } from '../../lib/journal/journal.ts';
import { CommandEngine } from '../../lib/plc/command.ts';
import { Heartbeat } from '../../lib/plc/heartbeat.ts';
import { OpcUaTransport } from '../../lib/plc/opcua.ts';
import { createStation } from '../../lib/station/station.ts';
import { Delivery } from '../../lib/ticket/delivery.ts';
import { RestTickets } from '../../lib/ticket/rest.ts';
import { command, linkIs } from '../support/commands.ts';
import { keepArmed, withoutLockout } from '../support/fault-load.ts';
import { ticketBody } from '../support/fault-tickets.ts';
import { pause } from '../support/ordeal.ts';
import { say } from '../support/say.ts';
import { BLOCK, HANDSHAKE, PLAIN_TAG, PLAIN_VALUES, type ActingOrder } from './acting-order.ts';

const { folder, pkiFolder, opcuaUrl, mesUrl, first, variant } = JSON.parse(
  process.argv[2] ?? '',
) as ActingOrder;

/** A link that waits for its next attempt keeps no process alive. */
const alive = setInterval(() => undefined, 1000);

const station = createStation({
  id: 'station',
  name: 'press-4',
  line: 'line 1',
  folder,
  defaultDeadlineMs: 900,
  autonomy: 'act',
  openJournal: ({ folder: own }) => openJournal({ folder: own, ballastBytes: 4096 }),
});
const journal = await station.journal();
say(`state ${station.arming().state}`);

const transport = new OpcUaTransport({ endpointUrl: opcuaUrl, security: 'None', pkiFolder });
transport.open();
await linkIs(transport, 'up');
const authority = withoutLockout(station);
const engine = new CommandEngine({ endpoint: 'plc', transport });
await engine.recover(authority, { tag: BLOCK.value, handshake: HANDSHAKE });

const delivery = new Delivery({
  journal,
  streamPrefix: 'mes:station:',
  tickets: new RestTickets({
    ticketsUrl: new URL('/api/tickets', mesUrl),
    authentication: { type: 'none' },
    timeoutMs: 2000,
  }),
});
delivery.join('ticket-node', {
  outcome: ({ key, error }) => say(`ticketed ${key} ${error?.code ?? 'done'}`),
  state: () => undefined,
});

async function drain(): Promise<void> {
  while ((await journal.counts()).outbox.waiting > 0) await pause(20);
  await delivery.close();
  await engine.close();
  await transport.close();
  await station.close();
  clearInterval(alive);
}

async function act(): Promise<void> {
  await keepArmed(station);
  const heartbeat = new Heartbeat({
    transport,
    tag: BLOCK.heartbeat,
    armTag: BLOCK.arm,
    everyMs: 50,
    armed: () => station.arming().state === 'ARMED',
  });
  heartbeat.start();
  say('ready');
  await Promise.all([commands('plain'), commands('handshake'), tickets()]);
}

async function commands(profile: 'plain' | 'handshake'): Promise<never> {
  const to = profile === 'plain' ? { tag: PLAIN_TAG } : { tag: BLOCK.value, handshake: HANDSHAKE };
  for (let number = first; ; number += 1) {
    const id = randomUUID();
    const value = profile === 'plain' ? number % PLAIN_VALUES : 20 + (number % 40) / 4;
    say(`given ${id}`);
    const order = command(to.tag, value, { ...to, id, maxPerMinute: 1_000_000 });
    const { outcome, reason } = await engine.execute(order, authority);
    say(`command ${id} ${outcome} ${reason ?? ''}`);
    // The block refuses until it has heard the second beat.
    await pause(outcome === 'refused' ? 20 : 2);
  }
}

async function tickets(): Promise<never> {
  for (let number = first; ; number += 1) {
    const key = `ticket-${number}`;
    const entry = { key, stream: `part:${key}`, partId: null, body: ticketBody(key, number) };
    if (variant === 'careless') {
      say(`kept ${key}`);
      // On its way to the journal, as behind a queue in memory.
      void pause(100).then(() => delivery.accept(entry));
    } else {
      await delivery.accept(entry);
      say(`kept ${key}`);
    }
    await pause(5);
  }
}

await (variant === 'drain' ? drain() : act());
