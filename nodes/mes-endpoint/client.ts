/** Who speaks to the MES as an endpoint is configured: the deployed one, or one that is being typed. */
import type { TicketClient } from '../../lib/ticket/client.ts';
import { ticketsOf } from '../../lib/ticket/dialects.ts';
import type { Observed } from '../../lib/ticket/exchange.ts';
import { AllowedHosts } from '../../lib/ticket/hosts.ts';
import { certificates } from '../runtime/certificates.ts';
import type { Node, NodeAPI } from '../runtime/types.ts';
import { authenticationOf, listedHosts, type Config } from './config.ts';
import { expressionCompiler } from './expression.ts';

/** @throws TicketError, ConfigError */
export function clientOf(
  RED: NodeAPI,
  node: Node,
  config: Config,
  credentials: Readonly<Record<string, string | undefined>>,
  observe?: (observed: Observed) => void,
): TicketClient {
  return ticketsOf({
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
}
