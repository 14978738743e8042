/** One camera-capture node in Node-RED with the built package: when does each message come? */
import type { Frame } from '../lib/frame/frame.ts';
import type { Inspection } from '../lib/inspection/inspection.ts';
import { madeAtMs } from '../test/support/rtsp-server.ts';
import { Collector, wallMs, type CaptureOrder } from './capture-orders.ts';
import { EmbeddedNodeRed } from './embedded.ts';
import { cpuSeconds } from './process-tree.ts';

process.on('message', (order: CaptureOrder) => {
  void measure(order);
});

async function measure({ camera, stamp, frames }: CaptureOrder): Promise<void> {
  const red = new EmbeddedNodeRed([
    { id: 'camera', type: 'camera-capture', health: false, ...camera, wires: [['end']] },
    { id: 'catch', type: 'catch', wires: [['failed']] },
    { id: 'end', type: 'junction', wires: [[]] },
    { id: 'failed', type: 'junction', wires: [[]] },
  ]);
  red.onReceive('failed', (message) => console.error(message['error']));
  await red.start();
  const collector = new Collector(frames, () => cpuSeconds(process.pid));
  red.onReceive('end', (message) => {
    const now = wallMs();
    const made = madeAt(message as unknown as { frame: Frame; inspection: Inspection });
    collector.add(made === undefined ? undefined : now - made);
  });

  function madeAt({ frame, inspection }: { frame: Frame; inspection: Inspection }): number | undefined {
    if (stamp === 'partId') return Number(inspection.part.id);
    if (stamp === 'capturedAt') return frame.capturedAt.getTime();
    return madeAtMs(frame.toBuffer(), frame.width, frame.format === 'gray' ? 1 : 3);
  }
}
