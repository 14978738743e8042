/** The clock of the wall is moved, or stands still, under a running station: what has a time keeps it, and a step disarms. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startModbusServer, type ModbusServer } from '../support/modbus-server.ts';
import type { ClockReport } from './clock-process.ts';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
const LEASE_MS = 4_000;
/** The library reads "YYYY-MM-DD hh:mm:ss" without an offset as a clock that stands still. */
const standingStill = (): string => new Date().toISOString().slice(0, 19).replace('T', ' ');
const STEPS: Readonly<Record<string, () => string>> = {
  'an hour on': () => '+3600',
  'an hour back': () => '-3600',
  'a day back': () => '-86400',
  'past 2^31 seconds': () => '+400000000',
};

class Station {
  readonly #reports: ClockReport[] = [];
  #changed: () => void = () => undefined;
  readonly #child;
  readonly #fakeFile: string;
  readonly #folder: string;
  #read = 0;

  constructor(folder: string, port: number, variant: string) {
    this.#folder = folder;
    this.#fakeFile = join(folder, 'clock');
    this.#child = fork(
      join(import.meta.dirname, 'clock-process.ts'),
      [join(folder, 'station'), String(port), String(LEASE_MS), variant],
      {
        execArgv: [],
        env: {
          ...process.env,
          TZ: 'UTC',
          LD_PRELOAD: LIBRARY,
          FAKETIME_TIMESTAMP_FILE: this.#fakeFile,
          FAKETIME_NO_CACHE: '1',
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        },
      },
    );
    this.#child.on('message', (report: ClockReport) => {
      this.#reports.push(report);
      this.#changed();
    });
  }

  static async start(port: number, variant = 'guarded'): Promise<Station> {
    const folder = await mkdtemp(join(tmpdir(), 'jidoka-clock-'));
    await writeFile(join(folder, 'clock'), '+0');
    const station = new Station(folder, port, variant);
    await station.next('armed');
    return station;
  }

  move(to: string): Promise<void> {
    return writeFile(this.#fakeFile, to);
  }

  act(): void {
    this.#child.send('act');
  }

  async next<Kind extends ClockReport['report']>(kind: Kind): Promise<ClockReport & { report: Kind }> {
    for (;;) {
      const report = this.#reports[this.#read];
      if (report === undefined) {
        await new Promise<void>((resolve) => (this.#changed = resolve));
        continue;
      }
      this.#read += 1;
      if (report.report === kind) return report as ClockReport & { report: Kind };
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Both commands, and then the end of the lease. */
  async holdsItsTimes(): Promise<{ afterMs: number; wallMs: number }> {
    this.act();
    const { nowMs: wallMs } = await this.next('wall');
    const inTime = await this.next('outcome');
    const late = await this.next('outcome');
    assert.equal(inTime.outcome, 'confirmed', inTime.reason);
    assert.deepEqual([late.outcome, late.reason], ['refused', 'STALE']);
    const { afterMs, reason } = await this.next('ended');
    assert.match(reason, /lease/);
    assert.ok(afterMs >= LEASE_MS, `the lease ended ${LEASE_MS - afterMs} ms early`);
    return { afterMs, wallMs };
  }
}

describe('a clock that is moved', function () {
  this.timeout(120_000);
  let plc: ModbusServer | undefined;
  let station: Station | undefined;

  before(async function () {
    if (!existsSync(LIBRARY)) this.skip();
    plc = await startModbusServer();
  });
  afterEach(() => station?.stop());
  after(() => plc?.stop());

  const startStation = (variant?: string): Promise<Station> => Station.start(plc?.port ?? 0, variant);

  for (const [what, to] of Object.entries(STEPS)) {
    it(`disarms, and leaves leases and deadlines as they were: ${what}`, async () => {
      station = await startStation();
      await station.move(to());
      const { reason } = await station.next('ended');
      assert.match(reason, /CLOCK_STEP/);
      const { afterMs } = await station.holdsItsTimes();
      console.log(`      ${what}: disarmed; a lease of ${LEASE_MS} ms ended after ${Math.round(afterMs)} ms`);
    });
  }

  it('may stand still: leases and deadlines do not', async () => {
    station = await startStation();
    await station.move(standingStill());
    const { wallMs } = await station.holdsItsTimes();
    station.act();
    assert.equal((await station.next('wall')).nowMs, wallMs, 'the clock did not stand still');
  });

  it('ends the lease of a station that goes by it (guard off)', async () => {
    station = await startStation('wall');
    await station.move('+3600');
    const { afterMs, reason } = await station.next('ended');
    assert.match(reason, /lease/);
    assert.ok(afterMs < LEASE_MS, 'the lease did not end early');
  });
});
