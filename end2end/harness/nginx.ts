// Billhook behind nginx with the README's own lines, and beside that as people set nginx up otherwise. What nginx keeps it keeps
// in the stack's folder; it needs no root.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Certificate, certify } from './certificates.ts';
import { type Child, freePorts, startChild } from './children.ts';
import { type Fronted, host, serves } from './proxied.ts';
import { home, newStack, type Place, results, startBillhook, startMail, startSandbox, useStack } from './stack.ts';

/** The ways in besides the README's, each at a port of its own that speaks TLS. */
const ways = {
  /** With what guides to "security headers" add. */
  tightened: 'add_header Referrer-Policy no-referrer always;',
  /** Behind something that ends TLS, and nobody told nginx. */
  mistaken: 'set $said http;',
  /** From an address that TRUSTED_PROXIES does not name. */
  unnamed: 'proxy_bind 127.0.0.9;',
} as const;

export type Way = keyof typeof ways;

export interface BehindNginx extends Fronted {
  /** The https ports of the other ways in. */
  ways: Record<Way, number>;
  /** The lines of Billhook's log. */
  log(): string;
}

/** The README's lines, for the port of this run. */
function location(direct: string): string {
  const readme = readFileSync(resolve(home, '../README.md'), 'utf8');
  const lines = /^ *location \/ \{\n( *proxy_.*\n)+ *\}$/m.exec(readme)?.[0];
  if (lines?.includes('http://127.0.0.1:3000;') !== true) throw new Error('the README no longer says what to tell nginx');
  return lines.replace('http://127.0.0.1:3000', direct);
}

/** What Debian's nginx.conf says, as far as it matters here, with the servers given. */
export function nginxConf(folder: string, servers: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'scgi', 'uwsgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`);
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 2;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 768; }
http {
    ${temporary.join('\n    ')}
    access_log off;
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    gzip on;
    ${servers}
}
`;
}

function servers(made: BehindNginx, { certificate, key }: Certificate): string {
  const lines = location(made.direct);
  const tls = `server_name ${host}; ssl_certificate ${certificate}; ssl_certificate_key ${key};`;
  const others = Object.entries(ways).map(([name, more]) => {
    const said = name === 'mistaken' ? lines.replace('$scheme', '$said') : lines;
    return `server { listen 127.0.0.1:${made.ways[name as Way]} ssl; ${tls} ${more} ${said} }`;
  });
  return [
    `server { listen 127.0.0.1:${made.https} ssl http2; ${tls} ${lines} }`,
    // Nobody is led to https here.
    `server { listen 127.0.0.1:${made.http}; server_name ${host}; ${lines} }`,
    ...others,
  ].join('\n    ');
}

/** Starts nginx in the foreground with the file of settings that is given. */
export function startNginx({ folder, logs, prefix }: Place, conf: string, ready: () => Promise<boolean>): Promise<Child> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'nginx.conf'), conf);
  return startChild({
    name: `${prefix}nginx`,
    program: process.env.NGINX ?? 'nginx',
    args: ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'],
    cwd: folder,
    logs,
    ready,
  });
}

export async function startBehindNginx(worker: number): Promise<{ behind: BehindNginx; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'billhook-nginx-'));
  const place: Place = { folder, logs: join(results, 'logs'), prefix: `nginx-${worker}-` };
  const children: Child[] = [];
  const stop = async () => {
    for (const child of children.reverse()) await child.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const made = await newStack(place, `https://${host}`);
    const [https, http, tightened, mistaken, unnamed] = (await freePorts(5)) as [number, number, number, number, number];
    const certificate = certify(folder, host);
    const behind: BehindNginx = {
      ...made,
      ...{ host, https, http, ca: certificate.ca, spki: certificate.spki },
      ways: { tightened, mistaken, unnamed },
      log: () => readFileSync(join(place.logs, `${place.prefix}billhook.log`), 'utf8'),
    };
    children.push(await startMail(place, made));
    children.push(await startBillhook(place, made, { TRUSTED_PROXIES: '127.0.0.1', MAILS_PER_HOUR: '100000' }));
    children.push(await startSandbox(place, made));
    children.push(await startNginx(place, nginxConf(folder, servers(behind, certificate)), () => serves(https)));
    useStack(behind);
    return { behind, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
