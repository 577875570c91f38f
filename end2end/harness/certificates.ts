// A certificate for servers that make none themselves, and the authority that signed it. Made by openssl, once for each stack.

import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** Files: the authority's certificate, the server's, and its key. */
  authority: string;
  certificate: string;
  key: string;
  /** The authority's certificate itself. */
  ca: string;
  /** By this Chromium knows the server's certificate. */
  spki: string;
}

export function certify(folder: string, ...names: string[]): Certificate {
  const [authority, authorityKey] = [join(folder, 'authority.crt'), join(folder, 'authority.key')];
  const [certificate, key] = [join(folder, 'server.crt'), join(folder, 'server.key')];
  const make = (...args: string[]) =>
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  make('-keyout', authorityKey, '-out', authority, '-subj', '/CN=Authority of the tests');
  const alternatives = `subjectAltName=${names.map((name) => `${/^[\d.]+$/.test(name) ? 'IP' : 'DNS'}:${name}`).join(',')}`;
  make(
    ...['-keyout', key, '-out', certificate, '-subj', `/CN=${names[0]}`, '-CA', authority, '-CAkey', authorityKey],
    ...['-addext', alternatives, '-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'extendedKeyUsage=serverAuth'],
  );
  const its = new X509Certificate(readFileSync(certificate)).publicKey.export({ type: 'spki', format: 'der' });
  return {
    ...{ authority, certificate, key },
    ca: readFileSync(authority, 'utf8'),
    spki: createHash('sha256').update(its).digest('base64'),
  };
}
