/** A real OPC UA server with the habits of real PLCs: it clamps, scans, forgets to enforce ranges. */
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DataType,
  DataValue,
  LogLevel,
  OPCUACertificateManager,
  OPCUAServer,
  setLogLevel,
  StatusCodes,
  Variant,
  type ServerSession,
  type Namespace,
  type StatusCode,
  type UAObject,
} from 'node-opcua';

setLogLevel(LogLevel.Critic);

/** How long a slow tag takes to show a written value: a PLC's scan. */
export const SCAN_MS = 150;

export interface TestServer {
  url: string;
  port: number;
  /** Every write the server applied, in order. */
  writes: { tag: string; value: unknown }[];
  /** Resolves when the server applies its next write. */
  nextWrite(): Promise<void>;
  value(tag: string): unknown;
  set(tag: string, value: unknown): void;
  sessions(): number;
  /** Monitored items of all sessions, and the subscriptions they belong to. */
  subscribed(): { items: number; subscriptions: number };
  /** PKI store of the server, for certificates it should trust. */
  certificates: OPCUACertificateManager;
  /** The same for certificates of users; none is trusted unless told. */
  userCertificates: OPCUACertificateManager;
  stop(): Promise<void>;
}

interface Tag {
  name: string;
  dataType: DataType;
  initial: boolean | number;
  range?: { low: number; high: number };
  /** Returns what the tag holds after a write, and what the server says about it. */
  take?: (written: number) => { held: number; status: StatusCode };
  delayMs?: number;
  readOnly?: boolean;
  /** The server doubts what the tag shows, as after the loss of a sensor. */
  uncertain?: boolean;
}

const TAGS: Tag[] = [
  { name: 'Torque', dataType: DataType.Double, initial: 40, range: { low: 0, high: 60 } },
  { name: 'Speed', dataType: DataType.Float, initial: 0 },
  { name: 'Recipe', dataType: DataType.Int16, initial: 1 },
  { name: 'RejectGate', dataType: DataType.Boolean, initial: false },
  { name: 'Feeder', dataType: DataType.Boolean, initial: true },
  { name: 'Manual', dataType: DataType.Boolean, initial: false },
  { name: 'Slow', dataType: DataType.Double, initial: 0, delayMs: SCAN_MS },
  { name: 'Uncertain', dataType: DataType.Double, initial: 0, uncertain: true },
  { name: 'ReadOnly', dataType: DataType.Double, initial: 0, readOnly: true },
  {
    name: 'Clamping',
    dataType: DataType.Double,
    initial: 0,
    take: (written) =>
      written > 10
        ? { held: 10, status: StatusCodes.GoodClamped }
        : { held: written, status: StatusCodes.Good },
  },
  {
    name: 'SilentlyClamping',
    dataType: DataType.Double,
    initial: 0,
    take: (written) => ({ held: Math.min(written, 10), status: StatusCodes.Good }),
  },
  {
    name: 'Asynchronous',
    dataType: DataType.Double,
    initial: 0,
    take: (written) => ({ held: written, status: StatusCodes.GoodCompletesAsynchronously }),
  },
  {
    name: 'Failing',
    dataType: DataType.Double,
    initial: 0,
    take: (written) => ({ held: written, status: StatusCodes.BadCommunicationError }),
  },
];

export async function startOpcUaServer({
  port = 0,
  user,
  maxSessions = 10,
  numbers = 0,
  extend,
  onWrite,
}: {
  port?: number;
  user?: { name: string; password: string };
  maxSessions?: number;
  /** Further tags `Number0`, `Number1`, …, for tests that write many at the same time. */
  numbers?: number;
  /** Adds what else a test wants to find at the server, before it starts. */
  extend?: (space: Namespace, device: UAObject) => void;
  /** Told of every write at the moment the server applies it. */
  onWrite?: (tag: string, value: boolean | number) => void;
} = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'jidoka-opcua-server-'));
  const certificates = new OPCUACertificateManager({
    rootFolder: join(folder, 'pki'),
    automaticallyAcceptUnknownCertificate: true,
    disableFileWatchers: true,
  });
  const userCertificates = new OPCUACertificateManager({
    rootFolder: join(folder, 'users'),
    automaticallyAcceptUnknownCertificate: false,
    disableFileWatchers: true,
  });
  await userCertificates.initialize();
  const server = new OPCUAServer({
    port,
    host: '127.0.0.1',
    hostname: '127.0.0.1',
    resourcePath: '/plc',
    serverCertificateManager: certificates,
    userCertificateManager: userCertificates,
    allowAnonymous: user === undefined,
    serverInfo: { applicationUri: 'urn:jidoka:test-plc' },
    serverCapabilities: { maxSessions },
    // Twice the sessions: a client whose link is half dead comes back on another one.
    maxConnectionsPerEndpoint: 2 * maxSessions,
    ...(user === undefined
      ? {}
      : {
          userManager: {
            isValidUser: (name: string, password: string) => name === user.name && password === user.password,
          },
        }),
  });
  const sessions = new Set<ServerSession>();
  server.on('create_session', (session: ServerSession) => sessions.add(session));
  server.on('session_closed', (session: ServerSession) => sessions.delete(session));
  await server.initialize();
  const { addressSpace } = server.engine;
  if (addressSpace === null) throw new Error('the server has no address space');
  const space = addressSpace.getOwnNamespace();
  const values = new Map<string, boolean | number>();
  const writes: TestServer['writes'] = [];
  const applied = new EventEmitter();
  const device = space.addObject({ organizedBy: addressSpace.rootFolder.objects, browseName: 'Press' });
  const further = Array.from({ length: numbers }, (_, index): Tag => {
    return { name: `Number${index}`, dataType: DataType.Double, initial: 0 };
  });
  for (const tag of [...TAGS, ...further]) {
    const { name, dataType, initial, range, take, delayMs, readOnly, uncertain } = tag;
    values.set(name, initial);
    const access = readOnly ? 'CurrentRead' : 'CurrentRead | CurrentWrite';
    const options = {
      componentOf: device,
      nodeId: `s=${name}`,
      browseName: name,
      dataType: DataType[dataType],
      minimumSamplingInterval: 0,
      accessLevel: access,
      userAccessLevel: access,
      value: {
        get: () => new Variant({ dataType, value: values.get(name) }),
        set: (variant: Variant) => {
          const written = variant.value as boolean | number;
          const { held, status } =
            take && typeof written === 'number' ? take(written) : { held: written, status: StatusCodes.Good };
          writes.push({ tag: name, value: written });
          onWrite?.(name, written);
          applied.emit('write');
          if (delayMs === undefined) values.set(name, held);
          else setTimeout(() => values.set(name, held), delayMs);
          return status;
        },
      },
    };
    if (uncertain) {
      const statusCode = StatusCodes.UncertainLastUsableValue;
      const held = (): DataValue => new DataValue({ value: options.value.get(), statusCode });
      const take = ({ value }: DataValue): Promise<StatusCode> => Promise.resolve(options.value.set(value));
      space.addVariable({ ...options, value: { timestamped_get: held, timestamped_set: take } });
    } else if (range === undefined) space.addVariable(options);
    else space.addAnalogDataItem({ ...options, engineeringUnitsRange: range });
  }
  extend?.(space, device);
  await server.start();
  const address = server.endpoints[0]?.port ?? 0;
  return {
    url: `opc.tcp://127.0.0.1:${address}/plc`,
    port: address,
    writes,
    certificates,
    userCertificates,
    nextWrite: async () => {
      await once(applied, 'write');
    },
    value: (tag) => values.get(tag),
    set: (tag, value) => values.set(tag, value as boolean | number),
    sessions: () => server.currentSessionCount,
    subscribed: () => ({
      items: [...sessions].reduce((sum, session) => sum + session.currentMonitoredItemCount, 0),
      subscriptions: server.currentSubscriptionCount,
    }),
    stop: async () => {
      await server.shutdown(0);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
