/** mes-endpoint: the MES of a plant, shared by the nodes that send tickets to it. */
import type { TicketClient } from '../../lib/ticket/client.ts';
import { ticketsOf } from '../../lib/ticket/dialects.ts';
import { MesEndpoint } from '../../lib/ticket/endpoint.ts';
import type { Observed } from '../../lib/ticket/exchange.ts';
import { Hook } from '../../lib/ticket/hook.ts';
import { AllowedHosts } from '../../lib/ticket/hosts.ts';
import { registerNode } from '../runtime/register.ts';
import type { Node, NodeAPI } from '../runtime/types.ts';
import { certificates } from '../runtime/certificates.ts';
import { authenticationOf, listedHosts, MIGRATIONS, normalise, type Config } from './config.ts';
import { expressionCompiler } from './expression.ts';
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
        ticketsOf({
          dialect: config.dialect,
          baseUrl: config.baseUrl,
          authentication: authenticationOf(config, credentials),
          fields: config.fields,
          timeoutMs: config.timeoutMs,
          hosts: new AllowedHosts(listedHosts(RED.settings)),
          ca: certificates(config.caFile, RED.settings.userDir ?? process.cwd()),
          observe,
          compile: expressionCompiler(RED, node),
        });
      // Before anything fails: the nodes that use it then report its error with their own inputs.
      const mes = new MesEndpoint(node.id, tickets, {
        pollMs: config.pollMs,
        perSecond: config.perSecond,
      });
      (node as Node & { mes?: MesEndpoint }).mes = mes;
      const withdraw = announce({
        id: node.id,
        mes,
        tickets,
        hook: new Hook(credentials['hookSecret'] ?? ''),
      });
      tickets().close();
      return { close: withdraw };
    },
  });
}
