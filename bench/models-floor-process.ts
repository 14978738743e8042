/** The floor: read the file, then the straight line, in one process and without Node-RED. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WARM_PICTURES, type FloorOrders, type PictureTimes } from './models-orders.ts';
import { inTurn } from './orders.ts';
import { serve } from './runner.ts';
import { StraightLine } from './straight-line.ts';

let files: string[] = [];
let next = 0;
let line: StraightLine;

async function picture(): Promise<PictureTimes> {
  const startedAt = performance.now();
  const bytes = await readFile(files[next % files.length] as string);
  next += 1;
  const capture = performance.now() - startedAt;
  const { run } = await line.run(bytes);
  return { total: performance.now() - startedAt, capture, run };
}

serve<FloorOrders>({
  async setup({ imageFolder, modelFolder, file, head, side }) {
    files = readdirSync(imageFolder).map((name) => join(imageFolder, name));
    line = await StraightLine.load(join(modelFolder, file), head, side);
    await inTurn(WARM_PICTURES, picture);
  },
  round: (count) => inTurn(count, picture),
});
