/** How the gateway introduces itself to an OPC UA server: the library, security, certificates, and who signs in. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { UserIdentityInfo } from 'node-opcua-client';
import type { Backoff } from '../backoff.ts';
import { PlcError, type PlcErrorCode } from './plc-error.ts';

export type Library = typeof import('node-opcua-client') & typeof import('node-opcua-certificate-manager');

/** Keep-alive and transport limits with which a black hole was seen after 5.9 s and left 0.5 s after it closed. */
const TIMING = {
  keepAliveInterval: 2000,
  transportTimeout: 4000,
  /** The library's floor. */
  defaultTransactionTimeout: 5000,
  /** A session that could not be closed blocks its place on the server this long; small PLCs have three. */
  requestedSessionTimeout: 20_000,
};
/**
 * The library makes a buffer of this size for every message it sends, of 64 KiB unless told, though a command has 200
 * bytes: so much outside of the heap that V8 collects the old space for it again and again (211 times in 2 000
 * commands). A server takes 8 KiB at least (OPC 10000-6, 7.1.2.3); what opens a channel, with its chain of
 * certificates, has to fit in one. A message has at most 256 of them: 4 MiB.
 */
const CHUNK_BYTES = 16 * 1024;
const MAX_CHUNKS = 256;
const TRANSPORT = {
  sendBufferSize: CHUNK_BYTES,
  maxChunkCount: MAX_CHUNKS,
  maxMessageSize: MAX_CHUNKS * CHUNK_BYTES,
};
const RECONNECT = { maxRetry: -1, initialDelay: 200, maxDelay: 2000, randomisationFactor: 0.5 };
/** Failures that no waiting mends. */
export const NEED_A_PERSON = new Set<string>([
  'PLC_LIBRARY_MISSING',
  'PLC_CERTIFICATE',
  'PLC_SIGN_IN',
] satisfies PlcErrorCode[]);

export interface OpcUaOptions {
  /** `opc.tcp://host:port/path`. */
  endpointUrl: string;
  security: 'None' | 'Basic256Sha256';
  /** Who signs in: a user, or the holder of a certificate and its key, both as PEM. Nobody where both are absent. */
  user?: { name: string; password: string } | undefined;
  userCertificate?: { certificate: string; privateKey: string } | undefined;
  /** Where the own certificate and the trusted ones are kept; made when absent. */
  pkiFolder: string;
  /** Trusts whatever certificate the server shows. For commissioning only. */
  trustUnknownServers?: boolean;
  backoff?: Backoff;
}

/** Loaded on first use: it takes half a second and 30 MB, which a station without a PLC never pays. */
export async function loadLibrary(): Promise<Library> {
  try {
    const [client, certificates] = await Promise.all([
      import('node-opcua-client'),
      import('node-opcua-certificate-manager'),
    ]);
    const library = { ...client, ...certificates };
    // At the level of warnings it writes about every lost packet; what matters reaches us as errors.
    library.setLogLevel(library.LogLevel.Critic);
    return library;
  } catch (error) {
    throw new PlcError('PLC_LIBRARY_MISSING', 'OPC UA needs the library node-opcua-client', {
      hint: 'In the Node-RED user folder: npm install node-opcua-client node-opcua-certificate-manager',
      cause: error,
    });
  }
}

export async function clientOptions(
  library: Library,
  { security, pkiFolder, trustUnknownServers = false }: OpcUaOptions,
): Promise<Parameters<Library['OPCUAClient']['create']>[0]> {
  const secured = security !== 'None';
  const common = {
    applicationName: 'Jidoka',
    clientName: 'Jidoka',
    ...TIMING,
    connectionStrategy: RECONNECT,
    transportSettings: TRANSPORT,
    endpointMustExist: false,
    keepSessionAlive: true,
    securityMode: secured ? library.MessageSecurityMode.SignAndEncrypt : library.MessageSecurityMode.None,
    securityPolicy: secured ? library.SecurityPolicy.Basic256Sha256 : library.SecurityPolicy.None,
  };
  const clientCertificateManager = new library.OPCUACertificateManager({
    rootFolder: pkiFolder,
    automaticallyAcceptUnknownCertificate: trustUnknownServers,
    disableFileWatchers: true,
  });
  await clientCertificateManager.initialize();
  return { ...common, clientCertificateManager };
}

/** Throws `PLC_CERTIFICATE` when a certificate or its key cannot be read, or they do not belong together. */
export function identityOf(library: Library, { user, userCertificate }: OpcUaOptions): UserIdentityInfo {
  if (userCertificate !== undefined) {
    const { certificateData, privateKey } = readPair(userCertificate);
    return { type: library.UserTokenType.Certificate, certificateData, privateKey };
  }
  if (user === undefined) return { type: library.UserTokenType.Anonymous };
  return { type: library.UserTokenType.UserName, userName: user.name, password: user.password };
}

/** A field for passwords takes the line ends out of what is pasted; PEM needs them back. */
function asPem(text: string): string {
  return text.replace(
    /(-----BEGIN [A-Z ]+-----)([^-]*)(-----END [A-Z ]+-----)/g,
    (_all, begin: string, body: string, end: string) =>
      [begin, ...(body.replace(/\s/g, '').match(/.{1,64}/g) ?? []), end, ''].join('\n'),
  );
}

function readPair({ certificate, privateKey }: { certificate: string; privateKey: string }): {
  certificateData: Buffer;
  privateKey: string;
} {
  try {
    const read = new X509Certificate(asPem(certificate));
    const key = createPrivateKey(asPem(privateKey));
    if (!read.checkPrivateKey(key)) throw new Error('the key is that of another certificate');
    return {
      certificateData: read.raw,
      privateKey: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  } catch (error) {
    throw new PlcError('PLC_CERTIFICATE', `the certificate of the user: ${(error as Error).message}`, {
      hint: 'Paste the certificate and its key, without a passphrase, as PEM: the lines with BEGIN and END included.',
      cause: error,
    });
  }
}

/** What a person can do about a connection that was not made. */
export function explained(error: Error & { code: string }, { pkiFolder, security }: OpcUaOptions): Error {
  if (error.code.startsWith('PLC_')) return error;
  const { message } = error;
  if (
    /BadIdentityToken|BadUserAccessDenied|BadUserSignatureInvalid|Cannot find .* user token policy/i.test(
      message,
    )
  ) {
    return new PlcError('PLC_SIGN_IN', message, {
      hint: 'Check the user and the password, or whether the server trusts the certificate of the user and takes certificates at all.',
      cause: error,
    });
  }
  if (/certificate/i.test(message) && security !== 'None') {
    return new PlcError('PLC_CERTIFICATE', message, {
      hint: `Compare the server's certificate with the one in the PLC's tool, then move it from ${join(pkiFolder, 'rejected')} to ${join(pkiFolder, 'trusted', 'certs')}; trust Jidoka's own in the PLC.`,
      cause: error,
    });
  }
  return new PlcError('PLC_LINK_LOST', message, { cause: error });
}
