/** mes-endpoint: the MES of a plant, shared by the nodes that send tickets to it. */
import type { TicketClient } from '../../lib/ticket/client.ts';
import { MesEndpoint } from '../../lib/ticket/endpoint.ts';
import type { Observed } from '../../lib/ticket/exchange.ts';
import { Hook } from '../../lib/ticket/hook.ts';
import { registerNode } from '../runtime/register.ts';
import type { Node, NodeAPI } from '../runtime/types.ts';
import { clientOf } from './client.ts';
import { MIGRATIONS, normalise, type Config } from './config.ts';
import { announce } from './lookup.ts';
import { registerEndpointRoutes } from './routes.ts';

export default function register(RED: NodeAPI): void {
  registerEndpointRoutes(RED);
  registerNode<Config>(RED, {
    type: 'mes-endpoint',
    credentials: {
      token: { type: 'password' },
      user: { type: 'text' },
      password: { type: 'password' },
      hookSecret: { type: 'password' },
    },
    migrations: MIGRATIONS,
    normalise,
    start({ node, config, credentials }) {
      const tickets = (observe?: (observed: Observed) => void): TicketClient =>
        clientOf(RED, node, config, credentials, observe);
      // Before anything fails: the nodes that use it then report its error with their own inputs.
      const mes = new MesEndpoint(node.id, tickets, {
        pollMs: config.pollMs,
        perSecond: config.perSecond,
      });
      (node as Node & { mes?: MesEndpoint }).mes = mes;
      const withdraw = announce({
        id: node.id,
        mes,
        baseUrl: config.baseUrl,
        credentials,
        tickets,
        hook: new Hook(credentials['hookSecret'] ?? ''),
      });
      tickets().close();
      return { close: withdraw };
    },
  });
}
