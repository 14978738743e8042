/** Flows to look at in the editor: one node of each type, and names as long as in a real plant. */
import { flowOf } from '../package/package-files.ts';
import type { FlowNode } from './node-red.ts';

export const LONG_NAME =
  'Press line 4, station 12, upper camera over the second turning unit after the washer';
const LONG_TAG = `ns=4;s=${'"DB_Line4_Station12"."Rejects"."TurningUnit2".'.repeat(3)}"GateOpen"`;

/** The pilot flow, a model that sorts, and a station and a command with names as long as in a real plant. */
export function editorFlows(): FlowNode[] {
  const pilot = flowOf('flows/pilot-station/flow.json') as FlowNode[];
  return [
    // Nothing answers here; asked every two seconds it would fill the debug side bar.
    ...pilot.map((node) => (node.id === 'pilot-tick' ? { ...node, repeat: '', once: false } : node)),
    { id: 'long-tab', type: 'tab', label: 'Long names' },
    {
      id: 'long-station',
      type: 'inspection-station',
      name: LONG_NAME,
      line: '',
      folder: '',
      deadlineMs: 900,
      autonomy: 'observe',
      leaseHours: 8,
      version: 1,
    },
    {
      ...pilot.find(({ id }) => id === 'pilot-divert'),
      id: 'long-write',
      type: 'plc-write',
      z: 'long-tab',
      name: '',
      tag: LONG_TAG,
      station: 'long-station',
      x: 300,
      y: 300,
      wires: [[], []],
    },
    {
      ...{ id: 'look-sensors', type: 'sensor-window', z: 'long-tab', version: 1, name: '', x: 200, y: 120 },
      ...{ channels: [{ name: 'vibration', unit: 'mm/s' }], clock: 'rate', sourceHz: '1000', rateHz: '1000' },
      ...{ lengthUnit: 'seconds', length: '1', hop: '', maxGapMs: '', late: 'error' },
      ...{ features: ['mean', 'rms'], bands: '', wires: [[], []] },
    },
    {
      ...{ id: 'look-read', type: 'plc-read', z: 'long-tab', version: 1, name: '', x: 200, y: 400 },
      ...{ endpoint: pilot.find(({ type }) => type === 'plc-endpoint')?.id, timeoutMs: '1000', wires: [[]] },
      tags: [
        { tag: 'ns=1;s=Line.PartId', name: 'part' },
        { tag: LONG_TAG, name: 'gate of the turning unit' },
      ],
    },
    {
      ...{ id: 'look-watch', type: 'plc-watch', z: 'long-tab', version: 1, name: '', x: 200, y: 480 },
      ...{ endpoint: pilot.find(({ type }) => type === 'plc-endpoint')?.id, tag: LONG_TAG, when: 'rising' },
      ...{ countState: false, intervalMs: '100', debounceMs: '0', deadband: '0', wires: [[]] },
      ...{ station: 'long-station', partIdTag: 'ns=1;s=Line.PartId' },
    },
    {
      id: 'look-infer',
      type: 'onnx-infer-gpu',
      z: 'long-tab',
      version: 1,
      name: 'Sort',
      model: 'presence.onnx',
      task: 'detect',
      labels: 'screw\nwasher',
      format: 'auto',
      confidence: '0.3',
      iou: '0.45',
      topK: '5',
      outputs: '',
      inputWidth: '',
      inputHeight: '',
      pixels: 'auto',
      colour: 'auto',
      fit: 'auto',
      providers: ['cpu'],
      strict: false,
      queue: 'latest-wins',
      watchdogMs: '',
      x: 200,
      y: 200,
      wires: [[]],
    },
  ];
}
