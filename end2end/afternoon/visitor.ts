// Strangers and customers without a browser: each at an address of their own, through the proxy by https, or past it.

import { randomBytes } from 'node:crypto';
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { connect as plainSocket } from 'node:net';
import { connect as secureSocket } from 'node:tls';
import type { Answer, Question } from '../harness/http.ts';
import { signInMail } from '../harness/mail.ts';
import { known } from '../harness/pages.ts';
import type { Fronted } from '../harness/proxied.ts';
import { seen } from '../harness/seen.ts';

/** An address of this machine that nobody else asks from. The proxy sees it as the visitor's. */
export function newAddress(): string {
  const [a, b] = randomBytes(2) as unknown as [number, number];
  return `127.${1 + (a % 254)}.${b}.${2 + (randomBytes(1)[0] ?? 0) % 250}`;
}

export interface Asked extends Answer {
  /** Names and values of the cookies that it sets, as a browser would send them back. */
  jar: string;
}

export interface Visit extends Question {
  from?: string;
  /** Straight to Billhook, as only the proxy should be able to. */
  direct?: boolean;
}

export class Street {
  constructor(readonly proxied: Fronted) {}

  get(path: string, jar = '', headers: Record<string, string> = {}): Promise<Asked> {
    const cookie: Record<string, string> = jar === '' ? {} : { Cookie: jar };
    return this.visit(path, { headers: { Accept: 'text/html', ...cookie, ...headers } });
  }

  /** A form of ours, as a browser sends it. */
  post(path: string, fields: Record<string, string> | string, jar = '', more: Visit = {}): Promise<Asked> {
    return this.visit(path, {
      method: 'POST',
      body: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(),
      ...more,
      headers: {
        Accept: 'text/html',
        'Content-Type': 'application/x-www-form-urlencoded',
        Origin: this.proxied.app,
        'Sec-Fetch-Site': 'same-origin',
        ...(jar === '' ? {} : { Cookie: jar }),
        ...more.headers,
      },
    });
  }

  visit(path: string, { method = 'GET', headers = {}, body, from, direct = false }: Visit = {}): Promise<Asked> {
    const { host, https, ca } = this.proxied;
    const port = direct ? Number(new URL(this.proxied.direct).port) : https;
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const options = {
      ...{ host: '127.0.0.1', port, path, method, agent: false as const, timeout: 30_000 },
      localAddress: from ?? newAddress(),
      headers: { Host: host, ...length, ...headers },
    };
    return new Promise((resolve, reject) => {
      const call = direct ? plain(options) : secure({ ...options, servername: host, ca });
      call.on('response', (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const cookies = response.headers['set-cookie'] ?? [];
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            cookies,
            body: Buffer.concat(parts).toString('utf8'),
            jar: jarOf(cookies),
          });
        });
      });
      call.on('timeout', () => call.destroy(new Error('no answer within 30 s')));
      call.on('error', reject);
      call.end(body);
    });
  }

  /** Says exactly these bytes and returns what comes back until the line is closed, or is quiet for `patience` ms. */
  say(bytes: string, direct: boolean, patience = 3_000): Promise<string> {
    const { host, https, ca } = this.proxied;
    const options = { host: '127.0.0.1', localAddress: newAddress() };
    const socket = direct
      ? plainSocket({ ...options, port: Number(new URL(this.proxied.direct).port) })
      : // Its own name for the certificate, and the first version of HTTP.
        secureSocket({ ...options, port: https, servername: host, ca, ALPNProtocols: ['http/1.1'] });
    return new Promise((resolve) => {
      let heard = '';
      socket.setTimeout(patience, () => socket.destroy());
      socket.on(direct ? 'connect' : 'secureConnect', () => socket.write(Buffer.from(bytes, 'latin1')));
      socket.on('data', (part: Buffer) => (heard += part.toString('latin1')));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(heard));
    });
  }

  /** Asks for a mail, as somebody whom Stripe knows. */
  async ask(address: string, from = newAddress()): Promise<Asked> {
    await known(address);
    const asked = await this.post('/api/ask_link', { email: address }, '', { from });
    if (asked.headers.location !== '/sign-in/check') throw new Error(`asking was answered ${asked.status}`);
    return asked;
  }

  /** The whole way in by the code. Returns the session's cookies. */
  async signIn(address: string, nth = 1): Promise<string> {
    const asked = await this.ask(address);
    const { code } = await signInMail(address, nth);
    const entered = await this.post('/api/enter_code', { code }, asked.jar);
    if (entered.headers.location !== '/billing') throw new Error(`the code was answered ${entered.status}`);
    seen(...valuesOf(entered.jar));
    return entered.jar;
  }
}

/** The statuses of all answers that came over one line. */
export function statuses(heard: string): number[] {
  return [...heard.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(([, status]) => Number(status));
}

export function jarOf(cookies: string[]): string {
  const kept = cookies.map((line) => line.split(';')[0] ?? '').filter((pair) => !pair.endsWith('='));
  return kept.join('; ');
}

/** The pairs of a jar whose names contain the word. */
export function only(jar: string, ...words: string[]): string {
  return jar
    .split('; ')
    .filter((pair) => words.some((word) => (pair.split('=')[0] ?? '').endsWith(`_${word}`)))
    .join('; ');
}

function valuesOf(jar: string): string[] {
  return jar.split('; ').map((pair) => pair.slice(pair.indexOf('=') + 1));
}
