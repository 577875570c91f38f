// A stack as the README tells to set one up: Billhook with the limits that it comes with, behind Caddy with the README's own lines,
// on https and under a name. Caddy makes its certificates itself; whoever visits is told its root.

import { X509Certificate, createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Child, freePorts, startChild } from './children.ts';
import { home, newStack, type Place, results, type Stack, startBillhook, startMail, startSandbox, useStack } from './stack.ts';

/** A stack behind a reverse proxy. */
export interface Fronted extends Stack {
  host: string;
  /** Where the proxy listens. */
  https: number;
  http: number;
  /** The root of its certificates. */
  ca: string;
  /** By this Chromium knows the certificate that it has, or signs with. */
  spki: string;
}

export interface Proxied extends Fronted {
  /** `kill -9` of Billhook; it is started again by what is returned. */
  crash(): Promise<() => Promise<void>>;
}

export const host = 'billing.example.com';

/** The README's lines, for the ports of this run. */
function caddyfile(https: number, http: number, folder: string, direct: string): string {
  const readme = readFileSync(resolve(home, '../README.md'), 'utf8');
  const lines = /^ *billing\.example\.com\n *reverse_proxy 127\.0\.0\.1:3000$/m.exec(readme)?.[0];
  if (lines === undefined) throw new Error('the README no longer says what to tell Caddy');
  const global = ['admin off', `https_port ${https}`, `http_port ${http}`, 'local_certs', 'skip_install_trust'];
  return [
    '{',
    ...[...global, `storage file_system ${join(folder, 'caddy')}`].map((line) => `\t${line}`),
    '}',
    ...lines.split('\n').map((line) => line.trim().replace('127.0.0.1:3000', new URL(direct).host)),
    '',
  ].join('\n');
}

/** Starts it for this worker, and makes it the one that the words of the harness speak of. */
export async function startProxied(worker: number): Promise<{ proxied: Proxied; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'billhook-afternoon-'));
  const place: Place = { folder, logs: join(results, 'logs'), prefix: `afternoon-${worker}-` };
  const children: Child[] = [];
  const stop = async () => {
    for (const child of children.reverse()) await child.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const made = await newStack(place, `https://${host}`);
    const [https, http] = (await freePorts(2)) as [number, number];
    // Caddy alone is believed about who asks: the tests ask from other addresses of this machine.
    const settings = { TRUSTED_PROXIES: '127.0.0.1', MAILS_PER_HOUR: '100000' };
    children.push(await startMail(place, made));
    let program = await startBillhook(place, made, settings);
    children.push({ name: program.name, stop: () => program.stop(), kill: () => program.kill() });
    children.push(await startSandbox(place, made));
    writeFileSync(join(folder, 'Caddyfile'), caddyfile(https, http, folder, made.direct));
    children.push(
      await startChild({
        name: `${place.prefix}caddy`,
        program: process.env.CADDY ?? 'caddy',
        args: ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'],
        cwd: folder,
        logs: place.logs,
        ready: () => serves(https),
      }),
    );
    const authority = join(folder, 'caddy/pki/authorities/local');
    const signer = new X509Certificate(readFileSync(join(authority, 'intermediate.crt')));
    const key = signer.publicKey.export({ type: 'spki', format: 'der' });
    const proxied: Proxied = {
      ...made,
      ...{ host, https, http },
      ca: readFileSync(join(authority, 'root.crt'), 'utf8'),
      spki: createHash('sha256').update(key).digest('base64'),
      crash: async () => {
        await program.kill();
        return async () => {
          program = await startBillhook(place, made, settings);
        };
      },
    };
    useStack(proxied);
    return { proxied, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** True once the proxy has its certificate and reaches Billhook; it is not known yet whom to trust. */
export function serves(https: number): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port: https, servername: host, headers: { Host: host }, agent: false as const };
    const call = request({ ...options, path: '/up', rejectUnauthorized: false, timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(false));
    call.end();
  });
}
