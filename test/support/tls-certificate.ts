/** A key and a certificate of its own for a server on 127.0.0.1, made by openssl. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface TlsCertificate {
  /** PEM. */
  key: string;
  cert: string;
  /** Where the certificate lies. */
  certFile: string;
}

export async function makeCertificate(folder: string): Promise<TlsCertificate> {
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyFile, '-out', certFile];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  // node-opcua's tests point OPENSSL_CONF at files of their own
  const env = { PATH: process.env['PATH'] };
  execFileSync('openssl', [...made, ...subject], { stdio: 'ignore', env });
  return { key: await readFile(keyFile, 'utf8'), cert: await readFile(certFile, 'utf8'), certFile };
}
