/** What a ticket says beyond the inspection: read from the dialog, or from the message it names. */
import { Frame } from '../../lib/frame/frame.ts';
import type { TicketSource } from '../../lib/ticket/entry.ts';
import type { Measurement } from '../../lib/ticket/event.ts';
import type { ConfigReader } from '../runtime/config.ts';
import { propertyOf } from '../runtime/message.ts';
import type { Message, NodeAPI } from '../runtime/types.ts';

/** Text as it is, or the property of the message that holds it. */
interface Told {
  from: 'str' | 'msg';
  value: string;
}

export interface SourceConfig {
  defectClass: Told;
  severity: TicketSource['severity'];
  attachEvidence: boolean;
  attachHeatmap: boolean;
  order: TicketSource['order'];
  enterprise: string;
  site: string;
  area: string;
  equipment: Told;
  material: Told;
  lot: Told;
  serial: Told;
  /** Property of the message; empty for none. */
  measurements: string;
}

function told(config: ConfigReader, field: string): Told {
  return {
    from: config.choice(`${field}Type`, ['str', 'msg'], 'str'),
    value: config.text(field, ''),
  };
}

export function normaliseSource(config: ConfigReader): SourceConfig {
  return {
    defectClass: told(config, 'defectClass'),
    severity: config.choice('severity', ['minor', 'major', 'critical'], 'major'),
    attachEvidence: config.boolean('attachEvidence', true),
    attachHeatmap: config.boolean('attachHeatmap', true),
    order: config.choice('order', ['part', 'station'], 'part'),
    enterprise: config.text('enterprise', ''),
    site: config.text('site', ''),
    area: config.text('area', ''),
    equipment: told(config, 'equipment'),
    material: told(config, 'material'),
    lot: told(config, 'lot'),
    serial: told(config, 'serial'),
    measurements: config.text('measurements', ''),
  };
}

const MAX_TEXT = 200;
const MAX_MEASUREMENTS = 100;

function textIn(RED: NodeAPI, message: Message, { from, value }: Told): string {
  const found = from === 'msg' && value !== '' ? propertyOf(RED, message, value) : value;
  const isText = typeof found === 'string' || typeof found === 'number';
  return isText ? String(found).slice(0, MAX_TEXT) : '';
}

/** `{torque: 12.5}` or `[{name, value, unit}]`; what is no finite number is left out. */
export function measurementsOf(value: unknown): Measurement[] {
  const rows: unknown[] = Array.isArray(value)
    ? value
    : typeof value === 'object' && value !== null
      ? Object.entries(value).map(([name, number]) => ({ name, value: number as unknown }))
      : [];
  return rows.slice(0, MAX_MEASUREMENTS).flatMap((row) => {
    if (typeof row !== 'object' || row === null) return [];
    const { name, value: number, unit = '' } = row as { name?: unknown; value?: unknown; unit?: unknown };
    if (typeof name !== 'string' || typeof number !== 'number' || !Number.isFinite(number)) return [];
    return [{ name: name.slice(0, MAX_TEXT), value: number, unit: typeof unit === 'string' ? unit : '' }];
  });
}

function frameOf(value: unknown): Frame | undefined {
  return Frame.isFrame(value) ? value : undefined;
}

/** All of a ticket but who sends it from where. */
export function sourceOf(
  RED: NodeAPI,
  message: Message,
  config: SourceConfig,
): Omit<TicketSource, 'node' | 'inspection' | 'line' | 'station'> {
  const { defectClass, severity, order, enterprise, site, area, measurements } = config;
  const textOf = (name: 'equipment' | 'material' | 'lot' | 'serial'): string =>
    textIn(RED, message, config[name]);
  return {
    frame: config.attachEvidence ? frameOf(message.frame) : undefined,
    heatmap: config.attachHeatmap ? frameOf(message['heatmap']) : undefined,
    defectClass: defectClass.from === 'msg' ? propertyOf(RED, message, defectClass.value) : defectClass.value,
    severity,
    order,
    scope: { enterprise, site, area },
    equipment: textOf('equipment'),
    material: { definition: textOf('material'), lot: textOf('lot'), serial: textOf('serial') },
    measurements: measurements === '' ? [] : measurementsOf(propertyOf(RED, message, measurements)),
  };
}
