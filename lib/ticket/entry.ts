/** What the journal keeps of one ticket until the MES has it: key, stream, event and evidence. */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { bytesOf, type Frame } from '../frame/frame.ts';
import { isInspection, type Inspection } from '../inspection/inspection.ts';
import type { TicketEntry } from './endpoint.ts';
import { qualityEvent, type Severity } from './event.ts';
import { TicketError } from './ticket-error.ts';

const NO_CLASS = 'unclassified';
/** zlib level: 1080p in about 0.1 s in sharp's thread, within a few per cent of the smallest. */
const PNG_EFFORT = 3;

export interface TicketSource {
  /** The node that sends it. */
  node: string;
  inspection: Inspection;
  /** The image as the camera gave it; undefined for a ticket without evidence. */
  frame: Frame | undefined;
  line: string;
  station: string;
  /** Whatever a flow names it; anything but text is `unclassified`. */
  defectClass: unknown;
  severity: Severity;
  /** What has to stay in order: the tickets of a part, or all of the station. */
  order: 'part' | 'station';
}

/** @throws TicketError `PART_MISSING` */
export function requirePart(inspection: unknown): Inspection {
  if (isInspection(inspection)) return inspection;
  throw new TicketError('PART_MISSING', 'the message says nothing of a part', {
    hint: 'Wire this node behind a gate, or another node that fills msg.inspection.',
  });
}

/** Made of the part and the node alone: the same part sent again is the same ticket. */
function ticketKey(node: string, partId: string): string {
  return createHash('sha256').update(`${node}\n${partId}`).digest('hex').slice(0, 32);
}

interface Evidence {
  /** Shared with the frame where it is an encoded one: reading only. */
  bytes: Buffer;
  mediaType: string;
  sha256: string;
}

/** An image people can open: the frame as captured, raw pixels without loss as PNG. */
async function evidenceOf(frame: Frame): Promise<Evidence> {
  const { width, height, format, sha256 } = frame;
  const bytes = await bytesOf(frame);
  if (format !== 'rgb' && format !== 'gray') return { bytes, mediaType: `image/${format}`, sha256 };
  const raw = { width, height, channels: format === 'rgb' ? (3 as const) : (1 as const) };
  const png = await sharp(bytes, { raw }).png({ compressionLevel: PNG_EFFORT }).toBuffer();
  return { bytes: png, mediaType: 'image/png', sha256: createHash('sha256').update(png).digest('hex') };
}

/** Makes entries in the order they are asked for, however long the evidence of one takes. */
export class TicketEntries {
  #last: Promise<unknown> = Promise.resolve();

  make(source: TicketSource): Promise<TicketEntry> {
    const entry = this.#last.then(() => ticketEntry(source));
    this.#last = entry.catch(() => undefined);
    return entry;
  }
}

async function ticketEntry(source: TicketSource): Promise<TicketEntry> {
  const { node, inspection, frame, line, station, defectClass, severity, order } = source;
  const partId = inspection.part.id;
  const key = ticketKey(node, partId);
  const evidence = frame === undefined ? undefined : await evidenceOf(frame);
  const event = qualityEvent({
    key,
    inspection,
    line,
    station,
    defectClass: typeof defectClass === 'string' && defectClass !== '' ? defectClass : NO_CLASS,
    severity,
    evidence: evidence === undefined ? null : { sha256: evidence.sha256, mediaType: evidence.mediaType },
  });
  return {
    key,
    stream: order === 'part' ? `part:${partId}` : 'station',
    partId,
    body: { node, event, inspection },
    ...(evidence !== undefined && {
      attachment: { bytes: evidence.bytes, mediaType: evidence.mediaType },
    }),
  };
}
