/**
 * `npm run bench:acting [-- --only opcua,modbus,journal,tickets --json FILE]`: what a verified write, a durable
 * entry and a delivered ticket cost against the bare library, rounds alternating in one run; and what they do to the
 * event loop.
 */
import { parseArgs } from 'node:util';
import type { PlantOrders } from './acting-plant-process.ts';
import { journalFigures } from './acting/journal.ts';
import { ticketFigures } from './acting/tickets.ts';
import { modbusFigures, opcUaFigures } from './acting/writes.ts';
import { report, type Figure, type Section } from './figures.ts';
import { Runner } from './runner.ts';

const plant = new Runner<PlantOrders>('acting-plant-process.ts');
const addresses = await plant.ask('start');

const PARTS: Readonly<Record<string, () => Promise<Section>>> = {
  opcua: () => opcUaFigures(addresses),
  modbus: () => modbusFigures(addresses),
  journal: journalFigures,
  tickets: () => ticketFigures(addresses, () => plant.ask('tickets')),
};

const { values } = parseArgs({
  options: { only: { type: 'string', default: Object.keys(PARTS).join(',') }, json: { type: 'string' } },
});

const figures: Figure[] = [];
try {
  for (const name of values.only.split(',')) {
    const measure = PARTS[name];
    if (measure === undefined)
      throw new Error(`there is no part '${name}'; there are ${Object.keys(PARTS).join(', ')}`);
    const section = await measure();
    figures.push(...section.figures);
  }
} finally {
  plant.stop();
}
report('Acting and remembering', figures, values.json);
