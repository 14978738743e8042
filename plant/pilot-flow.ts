/** The pilot station's template flow with the addresses of a running plant filled in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface FlowNode {
  id: string;
  type: string;
  [property: string]: unknown;
}

export interface PilotAddresses {
  /** MJPEG stream of the camera. */
  streamUrl: string;
  opcuaUrl: string;
  mesUrl: string;
  /** What the simulated line knows of the truth. */
  boardUrl: string;
  /** Where the station keeps its models, evidence and journal; empty for its default. */
  stationFolder: string;
}

/** A folder of images that takes the place of the camera. */
export interface PilotImages {
  folder: string;
  /** Good parts to learn from; undefined to learn from the first images shown. */
  teachFolder: string | undefined;
  /** How many of the first images to learn from. */
  firstParts: number;
  /** The tightest false-reject budget so many good parts can promise, in percent. */
  alphaPercent: number;
  /** Side of the square the model sees, in pixels. */
  resolution: 224 | 448;
  intervalMs: number;
}

const FLOW_FILE = join(import.meta.dirname, '..', 'flows', 'pilot-station', 'flow.json');

export function readPilotFlow(): FlowNode[] {
  return JSON.parse(readFileSync(FLOW_FILE, 'utf8')) as FlowNode[];
}

/** The flow with what belongs to this plant set; other nodes, also those a user added, stay as they are. */
export function connectPilotFlow(
  flow: readonly FlowNode[],
  addresses: PilotAddresses,
  images?: PilotImages,
): FlowNode[] {
  const camera: Record<string, unknown> =
    images === undefined
      ? { source: 'http-mjpeg', url: addresses.streamUrl, trigger: 'frame' }
      : {
          source: 'folder',
          folder: images.folder,
          folderMode: 'cycle',
          recursive: true,
          trigger: 'interval',
          intervalMs: String(images.intervalMs),
        };
  const teaching: Record<string, unknown> =
    images === undefined
      ? {}
      : {
          resolution: String(images.resolution),
          ...(images.teachFolder === undefined
            ? { teaching: 'first-parts', parts: String(images.firstParts) }
            : { teaching: 'folder', folder: images.teachFolder }),
        };
  const settings: Readonly<Record<string, Record<string, unknown>>> = {
    'pilot-station': addresses.stationFolder === '' ? {} : { folder: addresses.stationFolder },
    'pilot-plc': { endpointUrl: addresses.opcuaUrl },
    'pilot-mes': { baseUrl: addresses.mesUrl },
    'pilot-camera': camera,
    'pilot-score': teaching,
    'pilot-gate': images === undefined ? {} : { alphaPercent: String(images.alphaPercent) },
    'pilot-line': { url: addresses.boardUrl },
  };
  return flow.map((node) => ({ ...node, ...settings[node.id] }));
}
