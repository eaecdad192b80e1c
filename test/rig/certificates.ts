import { execFileSync } from 'node:child_process';

/** The file of certificates that this machine trusts for the npm registry, which may be behind a proxy; null if none is set. */
export function registryCertificates(): string | null {
  const given = process.env.NODE_EXTRA_CA_CERTS;
  if (given !== undefined && given !== '') return given;
  const file = execFileSync('npm', ['config', 'get', 'cafile'], { encoding: 'utf8' }).trim();
  return file === 'null' || file === '' ? null : file;
}
