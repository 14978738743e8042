/** One inspection point: the memory, the mode and the arming that its nodes share. */
import { isAbsolute, join, resolve } from 'node:path';
import { openJournal, type JournalOptions } from '../../lib/journal/journal.ts';
import { MAX_LEASE_MS } from '../../lib/station/arming.ts';
import { createStation } from '../../lib/station/station.ts';
import type { ArmingPolicy, Autonomy } from '../../lib/station/types.ts';
import { ConfigError, type ConfigReader } from '../runtime/config.ts';
import { registerOpenApi } from '../runtime/open-api.ts';
import { registerNode } from '../runtime/register.ts';
import type { NodeAPI } from '../runtime/types.ts';
import { registerAlarmRoutes } from './alarm-routes.ts';
import { registerFlowCheck } from './flow-check.ts';
import { announce, type StationNode } from './lookup.ts';
import { registerCommandRoutes } from './command-routes.ts';
import { registerPageRoutes } from './page-routes.ts';
import { registerStationRoutes } from './routes.ts';

const AUTONOMIES = ['observe', 'advise', 'confirm', 'act'] as const satisfies readonly Autonomy[];
const POLICIES = ['single', 'dual'] as const satisfies readonly ArmingPolicy[];
const HOUR_MS = 60 * 60 * 1000;
const GIGABYTE = 1e9;

const PRESSURE = {
  warn: 'four fifths of the tickets that may wait do so',
  shed: 'nearly as many tickets wait as may: telemetry is turned away',
  full: 'as many tickets wait as may: further ones are refused',
} as const;

interface InspectionStationConfig {
  name: string;
  line: string;
  /** As typed; empty for the default below the user folder. */
  folder: string;
  defaultDeadlineMs: number;
  autonomy: Autonomy;
  arming: ArmingPolicy;
  labelling: ArmingPolicy;
  leaseMs: number;
  /** What is thrown away, and when; what has no figure is kept for good. */
  retention: NonNullable<JournalOptions['retention']>;
}

/** A name as part of a path: letters, digits and hyphens. */
function slug(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
}

function normalise(config: ConfigReader): InspectionStationConfig {
  const name = config.text('name');
  if (slug(name) === '') throw new ConfigError('name', 'needs a letter or a digit');
  return {
    name,
    line: config.text('line', ''),
    folder: config.text('folder', ''),
    defaultDeadlineMs: config.number('deadlineMs', { fallback: 900, min: 1, max: 600_000 }),
    autonomy: config.choice('autonomy', AUTONOMIES, 'act'),
    arming: config.choice('arming', POLICIES, 'single'),
    labelling: config.choice('labelling', POLICIES, 'single'),
    leaseMs: config.number('leaseHours', { fallback: 8, min: 0.01, max: MAX_LEASE_MS / HOUR_MS }) * HOUR_MS,
    retention: retentionOf(config),
  };
}

function retentionOf(config: ConfigReader): InspectionStationConfig['retention'] {
  const partsDays = config.optionalNumber('keepPartsDays', { min: 1 });
  const evidenceDays = config.optionalNumber('keepEvidenceDays', { min: 1 });
  const ledgerDays = config.number('keepLedgerDays', { fallback: 0, min: 0 });
  const gigabytes = config.optionalNumber('keepEvidenceGigabytes', { min: 0.01 });
  return {
    ...(partsDays === undefined ? {} : { partsDays }),
    ...(evidenceDays === undefined ? {} : { evidenceDays }),
    ...(gigabytes === undefined ? {} : { evidenceMaxBytes: gigabytes * GIGABYTE }),
    ...(ledgerDays === 0 ? {} : { ledgerDays }),
  };
}

export default function register(RED: NodeAPI): void {
  registerStationRoutes(RED);
  registerCommandRoutes(RED);
  registerAlarmRoutes(RED);
  registerPageRoutes(RED);
  registerFlowCheck(RED);
  // Of all nodes; it is here because there is no station without this one.
  registerOpenApi(RED);
  registerNode<InspectionStationConfig>(RED, {
    type: 'inspection-station',
    normalise,
    start({ node, config }) {
      const userDir = RED.settings.userDir ?? process.cwd();
      const folder = config.folder === '' ? join('jidoka', slug(config.name)) : config.folder;
      const station = createStation({
        id: node.id,
        name: config.name,
        line: config.line,
        folder: isAbsolute(folder) ? folder : resolve(userDir, folder),
        defaultDeadlineMs: config.defaultDeadlineMs,
        autonomy: config.autonomy,
        arming: config.arming,
        labelling: config.labelling,
        leaseMs: config.leaseMs,
        openJournal: (options) =>
          openJournal({
            ...options,
            retention: config.retention,
            onState: (state, pressure) => {
              if (pressure === 'normal') station.alarms.clear('JOURNAL_PRESSURE');
              else station.alarms.raise({ code: 'JOURNAL_PRESSURE', message: PRESSURE[pressure] });
              if (state === 'ready' || state === 'low') {
                station.alarms.clear('JOURNAL_FAILING');
                return;
              }
              station.alarms.raise({ code: 'JOURNAL_FAILING', message: `the journal is ${state}` });
              void station.disarm({ actor: 'system', reason: `the journal is ${state}` });
            },
          }),
      });
      // Before anything is awaited: other nodes look it up in their constructors.
      (node as StationNode).station = station;
      const withdraw = announce(station);
      // So that people see the mode it had before the restart. Who needs the journal is told when there is none.
      station.journal().catch(() => undefined);
      return {
        close: async () => {
          withdraw();
          await station.close();
        },
      };
    },
  });
}
