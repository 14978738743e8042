/** Run by a test that kills it: starts a host, hands it one frame of the given grey, says its pid. */
import { acquireHost } from '../../../../lib/inference/host/host.ts';
import { anomaly, grey, source } from '../fixtures.ts';
import { endlessModel } from '../onnx.ts';

const host = acquireHost('cpu');
const model = await host.load(source(endlessModel()), { ...anomaly, watchdogMs: 60_000 });
const run = model.run(grey(Number(process.argv[2])));
if (process.argv[2] === '0') await run;
// the frame is on its way before the parent can be killed
setImmediate(() => console.log(host.pid));
await run;
