/** The certificates of the plant's own authority, read once a deploy. */
import { readFileSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { ConfigError } from './config.ts';

/** @throws ConfigError for a file that cannot be read or holds no certificate */
export function certificates(caFile: string, userDir: string): string | undefined {
  if (caFile === '') return undefined;
  let pem: string;
  try {
    pem = readFileSync(isAbsolute(caFile) ? caFile : resolve(userDir, caFile), 'utf8');
  } catch (error) {
    throw new ConfigError('caFile', (error as Error).message);
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new ConfigError('caFile', 'holds no PEM certificate');
  return pem;
}
