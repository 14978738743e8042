/** Raw pictures of an RTSP camera through a model, in a real Node-RED; what is left when that ends. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Inspection } from '../../lib/inspection/inspection.ts';
import { meanModel } from '../lib/inference/onnx.ts';
import { requireGStreamer } from '../support/gstreamer.ts';
import { nodeRedVersions, startNodeRed, type FlowNode, type NodeRed } from '../support/node-red.ts';
import { RtspServer } from '../support/rtsp-server.ts';
import { until } from '../support/until.ts';

/** Process ids of camera processes that were started by this one. */
function camerasOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return command.some((word) => word.endsWith('media-process.py')) && command.includes(String(parent));
      } catch {
        return false;
      }
    })
    .map(Number);
}

function flow(url: string, camera: Record<string, unknown>): FlowNode[] {
  const placed = { z: 'tab', x: 0, y: 0 };
  return [
    { id: 'tab', type: 'tab', label: 'camera' },
    {
      ...placed,
      id: 'camera',
      type: 'camera-capture',
      source: 'rtsp',
      url,
      ...camera,
      wires: [['infer']],
    },
    {
      ...placed,
      id: 'infer',
      type: 'onnx-infer-gpu',
      model: 'mean.onnx',
      task: 'raw',
      outputs: 'score',
      providers: ['cpu'],
      wires: [['out']],
    },
    { ...placed, id: 'out', type: 'debug', complete: 'true', wires: [] },
  ];
}

for (const version of nodeRedVersions) {
  describe(`an RTSP camera in Node-RED ${version}`, function () {
    this.timeout(90_000);
    const server = new RtspServer({ width: 640, height: 360, fps: 15 });
    let models: string | undefined;
    let nodeRed: NodeRed;

    before(async function () {
      requireGStreamer(this);
      models = mkdtempSync(join(tmpdir(), 'jidoka-models-'));
      writeFileSync(join(models, 'mean.onnx'), meanModel());
      await server.start();
      nodeRed = await startNodeRed({
        version,
        flows: flow(server.url(), { trigger: 'message' }),
        settings: { jidokaModelFolder: models },
      });
      await nodeRed.waitForStatus('camera', ({ fill }) => fill === 'green', { timeoutMs: 20_000 });
    });

    after(async () => {
      await server.kill();
      if (models === undefined) return;
      await nodeRed.stop().catch(() => undefined);
      rmSync(models, { recursive: true });
    });

    const processOf = (): number => {
      assert.ok(nodeRed.pid !== undefined);
      return nodeRed.pid;
    };

    it('gives each trigger a raw picture of its own, which the model reads where it lies', async () => {
      nodeRed.send('camera', { partId: 'A' });
      nodeRed.send('camera', { partId: 'B' });
      const messages = [
        await nodeRed.nextMessage('out', { timeoutMs: 20_000 }),
        await nodeRed.nextMessage('out'),
      ];
      const parts = messages.map(({ inspection }) => inspection as Inspection);
      assert.deepEqual(
        parts.map(({ part }) => part.id),
        ['A', 'B'],
      );
      const [first, second] = parts.map(({ frame }) => frame);
      assert.deepEqual([first?.format, first?.width, first?.height], ['rgb', 640, 360]);
      assert.notEqual(first?.sha256, second?.sha256);
      for (const { inference, timings } of parts) {
        assert.equal(inference?.[0]?.task, 'raw');
        assert.ok((timings['age'] ?? -1) >= 0);
      }
    });

    it('has one camera process however often it is deployed anew', async () => {
      for (let count = 0; count < 5; count += 1) {
        await nodeRed.deploy(flow(server.url(), { trigger: 'frame', name: `camera ${count}` }));
      }
      await nodeRed.nextMessage('out', { timeoutMs: 20_000 });
      assert.equal(camerasOf(processOf()).length, 1);
    });

    it('has none when the camera is deleted', async () => {
      await nodeRed.deploy([{ id: 'tab', type: 'tab', label: 'empty' }]);
      await until(() => camerasOf(processOf()).length === 0, 'the camera process to end');
    });

    it('leaves none behind when Node-RED is killed', async () => {
      await nodeRed.deploy(flow(server.url(), { trigger: 'frame' }));
      const pid = processOf();
      await until(() => camerasOf(pid).length === 1, 'the camera process to start');
      // only itself: its group would take the camera along
      process.kill(pid, 'SIGKILL');
      await until(() => camerasOf(pid).length === 0, 'the camera process to end', 5000);
    });
  });
}
