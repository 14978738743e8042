/** What the journal keeps of one ticket until the MES has it: key, stream, event and evidence. */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { bytesOf, type Frame } from '../frame/frame.ts';
import { isInspection, type Inspection } from '../inspection/inspection.ts';
import type { TicketEntry } from './endpoint.ts';
import { qualityEvent, type EventSource, type Evidence } from './event.ts';
import { TicketError } from './ticket-error.ts';

const MAX_CLASS = 200;
const NO_CLASS = 'unclassified';
/** zlib level: 1080p in about 0.1 s in sharp's thread, within a few per cent of the smallest. */
const PNG_EFFORT = 3;

export interface TicketSource extends Pick<
  EventSource,
  'line' | 'station' | 'scope' | 'equipment' | 'material' | 'measurements' | 'severity'
> {
  /** The node that sends it. */
  node: string;
  inspection: Inspection;
  /** The image as the camera gave it; undefined for a ticket without evidence. */
  frame: Frame | undefined;
  /** Where the model looked; goes with the image and never without it. */
  heatmap?: Frame | undefined;
  /** Whatever a flow names it; anything but text is `unclassified`. */
  defectClass: unknown;
  /** What has to stay in order: the tickets of a part, or all of the station. */
  order: 'part' | 'station';
}

/** @throws TicketError `PART_MISSING` */
export function requirePart(inspection: unknown): Inspection {
  if (isInspection(inspection)) return inspection;
  throw new TicketError(
    'PART_MISSING',
    'the message says nothing of a part, or something else than a node would',
    {
      hint: 'Wire this node behind a gate, or another node that fills msg.inspection.',
    },
  );
}

/** Made of the node and the inspection alone: the same part sent again is the same ticket, inspected again another one. */
function ticketKey(node: string, { id, sequence }: Inspection['part']): string {
  return createHash('sha256').update(`${node}\n${id}\n${sequence}`).digest('hex').slice(0, 32);
}

interface Picture extends Evidence {
  /** Shared with the frame where it is an encoded one: reading only. */
  bytes: Buffer;
}

/** An image people can open: the frame as captured, raw pixels without loss as PNG. */
async function pictureOf(role: Evidence['role'], frame: Frame): Promise<Picture> {
  const { width, height, format, sha256 } = frame;
  const bytes = await bytesOf(frame);
  if (format !== 'rgb' && format !== 'gray') return { role, bytes, mediaType: `image/${format}`, sha256 };
  const raw = { width, height, channels: format === 'rgb' ? (3 as const) : (1 as const) };
  const png = await sharp(bytes, { raw }).png({ compressionLevel: PNG_EFFORT }).toBuffer();
  return { role, bytes: png, mediaType: 'image/png', sha256: createHash('sha256').update(png).digest('hex') };
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
  const { node, inspection, frame, heatmap, defectClass, order, ...told } = source;
  const partId = inspection.part.id;
  const key = ticketKey(node, inspection.part);
  const pictures: Picture[] = [];
  if (frame !== undefined) pictures.push(await pictureOf('frame', frame));
  if (frame !== undefined && heatmap !== undefined) pictures.push(await pictureOf('heatmap', heatmap));
  const event = qualityEvent({
    ...told,
    key,
    inspection,
    defectClass:
      typeof defectClass === 'string' && defectClass !== '' ? defectClass.slice(0, MAX_CLASS) : NO_CLASS,
    evidence: pictures.map(({ role, sha256, mediaType }) => ({ role, sha256, mediaType })),
  });
  const [attachment, ...furtherAttachments] = pictures.map(({ bytes, mediaType }) => ({ bytes, mediaType }));
  return {
    key,
    stream: order === 'part' ? `part:${partId}` : 'station',
    partId,
    body: { node, event, inspection },
    ...(attachment !== undefined && { attachment, furtherAttachments }),
  };
}
