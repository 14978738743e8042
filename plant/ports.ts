/**
 * Listening on 127.0.0.1 with words: a port that is taken is said with its number and the server that
 * wanted it.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { PlantError } from './errors.ts';

export const HOST = '127.0.0.1';

/**
 * Starts a server on a port of 127.0.0.1 (0: a free one) and gives the port it got.
 * @throws PlantError PLANT_PORT_BUSY
 */
export async function listen(server: Server, port: number, name: string): Promise<number> {
  try {
    server.listen(port, HOST);
    await once(server, 'listening');
  } catch (error) {
    throw asPortError(error, port, name);
  }
  return (server.address() as AddressInfo).port;
}

/**
 * A port for a server that cannot be asked for "any": the given one if it is free, or a free one for 0.
 * @throws PlantError PLANT_PORT_BUSY
 */
export async function reservePort(port: number, name: string): Promise<number> {
  const probe = createServer();
  const found = await listen(probe, port, name);
  probe.close();
  await once(probe, 'close');
  return found;
}

/** Closes a server and the connections it holds. */
export async function shut(server: Server & { closeAllConnections?: () => void }): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections?.();
  await closed;
}

export function asPortError(error: unknown, port: number, name: string): Error {
  const thrown = error instanceof Error ? error : new Error(String(error));
  const { code } = thrown as NodeJS.ErrnoException;
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return thrown;
  const why = code === 'EADDRINUSE' ? 'is already in use' : 'may not be used by this account';
  return new PlantError('PLANT_PORT_BUSY', `Port ${port} for the ${name} ${why}.`, {
    hint: `Stop the program that holds it, or give the ${name} another port.`,
    cause: error,
  });
}
