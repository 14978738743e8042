/** A flow around plc-write in the bare runtime, with its user folder in a temporary place. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import helper from 'node-red-node-test-helper';
import type { Request } from 'express';
import registerStation from '../../nodes/inspection-station/inspection-station.ts';
import { findStation } from '../../nodes/inspection-station/lookup.ts';
import registerEndpoint from '../../nodes/plc-endpoint/plc-endpoint.ts';
import type { PlcEndpoint } from '../../nodes/plc-endpoint/endpoint.ts';
import registerWrite from '../../nodes/plc-write/plc-write.ts';
import type { NodeAPI } from '../../nodes/runtime/types.ts';
import type { StationControl } from '../../lib/station/station.ts';
import { flowAround, load, node, unload, useSettings } from './helper.ts';

/** Who signs a request, in place of Node-RED's own sign-in. */
const PERSON_HEADER = 'x-test-person';

export interface PlcFlow {
  folder: string;
  station: StationControl;
  remove(): Promise<void>;
}

type Changes = Record<string, unknown>;

export async function loadPlcFlow(
  endpoint: Changes,
  write: Changes = {},
  station: Changes = {},
  credentials: Record<string, Record<string, string>> = {},
): Promise<PlcFlow> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-plc-flow-'));
  useSettings({ userDir: folder });
  await load(
    [withPersons, registerStation, registerEndpoint, registerWrite],
    [
      { id: 'station', type: 'inspection-station', name: 'Press 4', line: 'L2', autonomy: 'act', ...station },
      { id: 'plc', type: 'plc-endpoint', name: 'Line PLC', ...endpoint },
      ...flowAround(
        {
          id: 'write',
          type: 'plc-write',
          station: 'station',
          endpoint: 'plc',
          tag: 'ns=1;s=RejectGate',
          value: 'true',
          valueType: 'bool',
          ...write,
        },
        ['confirmed', 'otherwise'],
      ),
    ],
    credentials,
  );
  return {
    folder,
    station: findStation('station'),
    remove: async () => {
      await unload();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when the endpoint of the flow has its link. */
export function linked(): Promise<void> {
  const { plc } = node('plc') as unknown as { plc: PlcEndpoint };
  return new Promise((resolve) => {
    const stop = plc.use(() => {
      if (plc.link().state !== 'up') return;
      stop();
      resolve();
    });
    if (plc.link().state === 'up') {
      stop();
      resolve();
    }
  });
}

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

interface Asking extends PromiseLike<Answer> {
  set(headers: Record<string, string>): Asking;
  send(body: object): Asking;
}

/** A request to an admin route, by a signed-in person where one is named. */
export async function ask(
  method: 'get' | 'post',
  path: string,
  body: object = {},
  person?: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const admin = (
    helper as unknown as { request(): Record<'get' | 'post', (path: string) => Asking> }
  ).request();
  const asking = admin[method](path).set({
    ...headers,
    ...(person === undefined ? {} : { [PERSON_HEADER]: person }),
  });
  const { status, body: answer } = await (method === 'post' ? asking.send(body) : asking);
  return { status, body: answer };
}

function withPersons(RED: NodeAPI): void {
  RED.httpAdmin.use((request, _response, next) => {
    const username = request.get(PERSON_HEADER);
    if (username !== undefined) (request as Request & { user?: object }).user = { username };
    next();
  });
}
