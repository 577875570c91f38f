// Plain HTTP for what a browser or fetch would tidy up: the same header twice, bytes that are not text, redirects not followed.

import { randomBytes } from 'node:crypto';
import { request } from 'node:http';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  cookies: string[];
  body: string;
}

export interface Question {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: Buffer | string;
}

export function send(url: string, { method = 'GET', headers = {}, body }: Question = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    // A connection of its own for each request: a refused one may be closed by the server.
    const call = request(url, { method, headers: { ...length, ...headers }, agent: false, timeout: 30_000 }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          cookies: response.headers['set-cookie'] ?? [],
          body: Buffer.concat(parts).toString('utf8'),
        }),
      );
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 30 s')));
    call.on('error', reject);
    call.end(body);
  });
}

/** An address that no other client has: sign-ins are limited by client, as the proxy in front names it. */
export function newClient(): string {
  return `10.${randomBytes(3).join('.')}`;
}

/** A form as a browser of ours would post it. */
export function form(fields: Record<string, string>, origin: string, headers: Record<string, string> = {}): Question {
  return {
    method: 'POST',
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      'Sec-Fetch-Site': 'same-origin',
      Origin: origin,
      'X-Forwarded-For': newClient(),
      ...headers,
    },
    body: new URLSearchParams(fields).toString(),
  };
}
