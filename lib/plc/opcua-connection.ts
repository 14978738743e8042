/** One session of one OPC UA client: whether it can be used now, and how it ends so that nothing of it is left. */
import { Socket } from 'node:net';
import type { ClientSecureChannelLayer, ClientSession, OPCUAClient } from 'node-opcua-client';
import type { Asked } from './opcua-reading.ts';
import type { TagDescription } from './transport.ts';

export interface Connection extends Asked {
  client: OPCUAClient;
  /** The channel in use; every reconnection makes another. */
  channel: () => ClientSecureChannelLayer | undefined;
  descriptions: Map<string, Promise<TagDescription>>;
}

/** In every session of the library, though its public interface leaves it out. */
type CheckedSession = ClientSession & { isChannelValid(): boolean };

export function isUp({ client, session }: Connection): boolean {
  return (session as CheckedSession).isChannelValid() && !client.isReconnecting && !session.isReconnecting;
}

/** Public in the library's TCP transport, though the interface that a channel shows leaves it out. */
type TcpTransport = ReturnType<ClientSecureChannelLayer['getTransport']> & { _socket?: unknown };

/** A plain close leaves what the server has not acknowledged with the kernel, which sends it when the cable is back. */
export function resetSocket({ channel }: Connection): void {
  const socket = (channel()?.getTransport() as TcpTransport | undefined)?._socket;
  if (socket instanceof Socket) socket.resetAndDestroy();
}

export async function endSession(connection: Connection | undefined): Promise<void> {
  if (connection === undefined) return;
  if (isUp(connection)) await connection.session.close(true).catch(() => undefined);
  await endClient(connection.client);
}

/** In every client of the library, though its public interface leaves it out. */
type ClockedClient = OPCUAClient & { _clockAdjuster?: { dispose(): void } | undefined };

/**
 * A client whose reconnection ends while it is told to disconnect is taken for disconnected already, and goes on
 * setting its clock every 3 s, which keeps the process alive (node-opcua 2.186).
 */
export async function endClient(client: ClockedClient): Promise<void> {
  await client.disconnect();
  client._clockAdjuster?.dispose();
  client._clockAdjuster = undefined;
}
