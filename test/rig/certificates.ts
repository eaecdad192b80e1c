import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The file of certificates that this machine trusts for the npm registry, which may be behind a proxy; null if none is set. */
export function registryCertificates(): string | null {
  const given = process.env.NODE_EXTRA_CA_CERTS;
  if (given !== undefined && given !== '') return given;
  const file = execFileSync('npm', ['config', 'get', 'cafile'], { encoding: 'utf8' }).trim();
  return file === 'null' || file === '' ? null : file;
}

/** Writes `key.pem` and `cert.pem` of `localhost` and 127.0.0.1 into a directory, and gives their texts. */
export function makeCertificate(directory: string): { key: string; cert: string } {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(directory, name)) as [string, string];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const form = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', ...form, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

/** Has npm on a host trust the certificates that this machine does. `home` is that of its user. */
export function trustCertificates(home: string): void {
  const certificates = registryCertificates();
  if (certificates !== null) appendFileSync(path.join(home, '.npmrc'), `cafile=${certificates}\n`);
}
