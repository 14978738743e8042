/** What the bench of the peers says to each Node-RED, and what it answers. */
import type { Load } from './process-load.ts';

export type Way = 'ours' | 'good-i-deer' | 'function-node';

export interface Setup {
  way: Way;
  /** Folder that holds nothing but the 1080p JPEG file. */
  imageFolder: string;
  image: string;
  modelFolder: string;
  /** File in the model folder: YOLOv8n as the peer ships it. */
  model: string;
  /** Folder the peers are installed in. */
  peers: string;
}

export interface PeerOrders {
  /** Warms up, too, and answers how many objects are found. */
  setup(setup: Setup): Promise<number>;
  /** Milliseconds of each picture. */
  round(pictures: number): Promise<number[]>;
  load(): Promise<Load>;
}
