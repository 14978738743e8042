/**
 * Which hosts tickets may go to. Link-local and metadata addresses never, this machine where the owner has listed it,
 * and where the owner has listed hosts, no other one: a flow somebody imported cannot send pictures of parts to anywhere
 * it likes, nor ask the services of this machine, which trust whoever asks from it.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { TicketError } from './ticket-error.ts';

const forbidden = new BlockList();
forbidden.addSubnet('169.254.0.0', 16);
forbidden.addSubnet('fe80::', 10, 'ipv6');
// Metadata services of clouds outside the link-local range: AWS over IPv6, Alibaba Cloud, Azure.
forbidden.addAddress('fd00:ec2::254', 'ipv6');
forbidden.addAddress('100.100.100.200');
forbidden.addAddress('168.63.129.16');
// Link-local addresses as an IPv6-only network spells them (RFC 6052).
forbidden.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');
// On Linux these lead to this machine too.
loopback.addSubnet('0.0.0.0', 8);
loopback.addAddress('::', 'ipv6');

function within(list: BlockList, address: string): boolean {
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** Names that lead to this machine, as a list would spell them. */
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1'];

export class AllowedHosts {
  /** Lower case; undefined where the owner has made no list. */
  readonly #listed: readonly string[] | undefined;

  /**
   * @param listed host names, addresses, `*.plant.local` for every name that ends so, `*` for any; undefined: any host
   *   but this machine, link-local and metadata ones
   */
  constructor(listed?: readonly string[]) {
    this.#listed = listed?.map((host) =>
      host
        .trim()
        .toLowerCase()
        .replace(/^\[|\]$/g, ''),
    );
  }

  #lists(host: string): boolean {
    return (this.#listed ?? []).some((listed) =>
      listed.startsWith('*.') ? host.endsWith(listed.slice(1)) : host === listed,
    );
  }

  /**
   * Looks at the host of an address as it is written.
   * @throws TicketError `MES_HOST_FORBIDDEN`
   */
  assertHost(hostname: string): void {
    const host = hostname
      .toLowerCase()
      .replace(/^\[|\]$/g, '')
      .replace(/\.$/, '');
    if (this.#listed?.includes('*') === false && !this.#lists(host)) {
      throw new TicketError('MES_HOST_FORBIDDEN', `${host} is not among the hosts that are allowed`, {
        hint: 'Add it to jidokaAllowedHosts in settings.js, or choose an MES that is listed.',
      });
    }
    if (isIP(host) !== 0) this.assertAddress(host);
    else if (host === 'localhost' || host.endsWith('.localhost')) this.assertAddress('127.0.0.1');
  }

  /**
   * Looks at an address a name has led to.
   * @throws TicketError `MES_HOST_FORBIDDEN`
   */
  assertAddress(address: string): void {
    if (within(forbidden, address)) {
      throw new TicketError('MES_HOST_FORBIDDEN', `${address} is a link-local or metadata address`, {
        hint: 'Give the address of the MES in the plant network.',
      });
    }
    const home = LOOPBACK_NAMES.some((name) => this.#lists(name)) || this.#lists(address);
    if (!home && within(loopback, address)) {
      throw new TicketError('MES_HOST_FORBIDDEN', `${address} is this machine, which is not listed`, {
        hint: "If the MES runs here, set jidokaAllowedHosts: ['localhost', '*'] in settings.js; without '*' no other host is allowed.",
      });
    }
  }
}

/** For who uses this library without an owner who has a say: all but link-local and metadata addresses. */
export const ANY_HOST = new AllowedHosts(['*', 'localhost']);
