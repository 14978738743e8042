/** mes-endpoint: the MES of a plant, shared by the nodes that send tickets to it. */
import { MesEndpoint } from '../../lib/ticket/endpoint.ts';
import { mesUrl } from '../../lib/ticket/exchange.ts';
import { RestTickets, type Authentication } from '../../lib/ticket/rest.ts';
import type { ConfigReader } from '../runtime/config.ts';
import { registerNode } from '../runtime/register.ts';
import type { Node, NodeAPI } from '../runtime/types.ts';

interface Config {
  baseUrl: string;
  ticketsPath: string;
  authentication: Authentication['type'];
  timeoutMs: number;
}

function normalise(config: ConfigReader): Config {
  return {
    baseUrl: config.text('baseUrl'),
    ticketsPath: config.text('ticketsPath', '/api/tickets'),
    authentication: config.choice('authentication', ['none', 'bearer', 'basic'], 'none'),
    timeoutMs: config.number('timeoutSeconds', { fallback: 10, min: 0.1, max: 300 }) * 1000,
  };
}

function authenticationOf(
  type: Authentication['type'],
  { token = '', user = '', password = '' }: Readonly<Record<string, string | undefined>>,
): Authentication {
  if (type === 'none') return { type };
  return type === 'bearer' ? { type, token } : { type, user, password };
}

export default function register(RED: NodeAPI): void {
  registerNode<Config>(RED, {
    type: 'mes-endpoint',
    credentials: {
      token: { type: 'password' },
      user: { type: 'text' },
      password: { type: 'password' },
    },
    normalise,
    start({ node, config, credentials }) {
      const address = (): URL => mesUrl(config.baseUrl, config.ticketsPath);
      // Before anything fails: the nodes that use it then report its error with their own inputs.
      (node as Node & { mes?: MesEndpoint }).mes = new MesEndpoint(
        node.id,
        () =>
          new RestTickets({
            ticketsUrl: address(),
            authentication: authenticationOf(config.authentication, credentials),
            timeoutMs: config.timeoutMs,
          }),
      );
      address();
      return {};
    },
  });
}
