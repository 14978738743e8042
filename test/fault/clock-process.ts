/**
 * Child of the clock tests: a station with a real journal and an engine on a real link, armed for a while, which says
 * when its arming ended and what became of commands. Its times are `process.hrtime`, which the fake clock leaves alone.
 */
import { openJournal } from '../../lib/journal/journal.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { CommandEngine } from '../../lib/plc/command.ts';
import { ModbusTransport } from '../../lib/plc/modbus.ts';
import { createStation } from '../../lib/station/station.ts';
import { command, linkIs, person } from '../support/commands.ts';

export type ClockReport =
  | { report: 'armed' }
  | { report: 'ended'; afterMs: number; reason: string }
  | { report: 'outcome'; wanted: 'in time' | 'late'; outcome: string; reason: string | undefined }
  | { report: 'wall'; nowMs: number };

/** `guarded`, or `wall`: leases run by the clock of the wall. */
const [folder = '', port = '', leaseMs = '', variant = ''] = process.argv.slice(2);
const tell = (report: ClockReport): void => void process.send?.(report);
const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

const wall: Clock = { ...systemClock, now: () => Date.now() };
const transport = new ModbusTransport({ host: '127.0.0.1', port: Number(port), unit: 1 });
const engine = new CommandEngine({ endpoint: 'plc', transport });
const station = createStation({
  id: 'station',
  name: 'press-4',
  line: '',
  folder,
  defaultDeadlineMs: 900,
  autonomy: 'act',
  openJournal,
  ...(variant === 'wall' ? { clock: wall } : {}),
});

transport.open();
await linkIs(transport, 'up');
await station.arm({ ...person, leaseMs: Number(leaseMs) });
let armedAt = monotonicMs();
station.onChange(() => {
  const { state, reason } = station.arming();
  if (state === 'DISARMED') tell({ report: 'ended', afterMs: monotonicMs() - armedAt, reason });
});
tell({ report: 'armed' });

process.on('disconnect', () => process.exit());
process.on('message', () => void commands());

/** Armed anew: one part that has its time, and one whose time is over. */
async function commands(): Promise<void> {
  tell({ report: 'wall', nowMs: Date.now() });
  if (station.arming().state !== 'ARMED') {
    await station.arm({ ...person, leaseMs: Number(leaseMs) });
    armedAt = monotonicMs();
  }
  for (const wanted of ['in time', 'late'] as const) {
    const startedAt = performance.now() - (wanted === 'late' ? 60_000 : 0);
    const given = command('coil:1', true, {
      id: `${wanted} ${monotonicMs()}`,
      startedAt,
      deadlineMs: 30_000,
    });
    const { outcome, reason } = await engine.execute(given, station);
    tell({ report: 'outcome', wanted, outcome, reason });
  }
  tell({ report: 'armed' });
}
