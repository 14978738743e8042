/**
 * The floor: the same work in a straight line, with no Node-RED, no other process and no journal.
 * Read the JPEG, decode, resize, run the graph, compare, write to the PLC, read back.
 */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { AttributeIds, DataType, OPCUAClient, type ClientSession } from 'node-opcua-client';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { decodeRgb } from '../lib/frame/decode.ts';
import { resizeRgb } from '../lib/frame/resize.ts';
import { inTurn, WARM_PARTS, type FloorOrders, type PartTimes, type Setup } from './orders.ts';
import { serve } from './runner.ts';

const TARGET = { width: 224, height: 224, fit: 'stretch' } as const;
const pixels = Buffer.alloc(TARGET.width * TARGET.height * 3);

/** Kept from picture to picture, as the inference host keeps it. */
let decoded: Buffer | undefined;
let files: string[] = [];
let next = 0;
let graph: InferenceSession;
let session: ClientSession;
let nodeId = '';

async function setup({ imageFolder, graph: path, opcuaUrl, tag }: Setup): Promise<void> {
  files = readdirSync(imageFolder).map((name) => join(imageFolder, name));
  graph = await InferenceSession.create(path, {
    graphOptimizationLevel: 'all',
    intraOpNumThreads: Math.max(1, availableParallelism() - 1),
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  });
  const client = OPCUAClient.create({ endpointMustExist: false });
  await client.connect(opcuaUrl);
  session = await client.createSession();
  nodeId = tag;
  await inTurn(WARM_PARTS, part);
}

async function part(): Promise<PartTimes> {
  const startedAt = performance.now();
  const file = files[next % files.length] ?? '';
  next += 1;
  const bytes = await readFile(file);
  const readAt = performance.now();
  const picture = await decodeRgb(bytes, 'jpeg', undefined, undefined, decoded);
  decoded = picture.data;
  const decodedAt = performance.now();
  const input = new Tensor('uint8', resizeRgb(picture, TARGET, pixels).data, [1, 224, 224, 3]);
  const resizedAt = performance.now();
  const { score } = await graph.run({ image: input }, ['score']);
  const ranAt = performance.now();
  const value = Number(score?.data[0]) > -1;
  await session.write({
    nodeId,
    attributeId: AttributeIds.Value,
    value: { value: { dataType: DataType.Boolean, value } },
  });
  const readBack = await session.read({ nodeId, attributeId: AttributeIds.Value });
  if (readBack.value.value !== value) throw new Error('the PLC does not hold what was written');
  const endedAt = performance.now();
  return {
    total: endedAt - startedAt,
    capture: readAt - startedAt,
    pipe: 0,
    decode: decodedAt - readAt,
    resize: resizedAt - decodedAt,
    run: ranAt - resizedAt,
    act: endedAt - ranAt,
  };
}

serve<FloorOrders>({ setup, round: (count) => inTurn(count, part) });
