// What stands between WebKit and the servers, as that browser has no window into its network: it names the client as the proxy
// in front of Billhook would, keeps what the page's policy complains of, notes requests to strangers, and slips a script in when asked.

import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newClient } from './http.ts';

/** Where the browser is asked to send its complaints to. Billhook never sees them. */
const complaintsPath = '/policy-complaints-of-the-tests';

export class Between {
  /** The directives that were broken, one for each complaint. */
  readonly violations: string[] = [];
  /** Everybody that the browser asked for something. */
  readonly origins = new Set<string>();
  /** Changes the pages on their way, while it is set. */
  slip: ((html: string) => string) | undefined;
  /** Where the browser is, as far as limits go. */
  client = newClient();
  private readonly server: Server = createServer((asked, answer) => this.pass(asked, answer));

  async start(): Promise<void> {
    await new Promise<void>((listening) => this.server.listen(0, '127.0.0.1', listening));
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private pass(asked: IncomingMessage, answer: ServerResponse): void {
    const url = new URL(asked.url ?? '');
    if (url.pathname === complaintsPath) {
      void this.keep(asked, answer);
      return;
    }
    this.origins.add(url.origin);
    const headers = { ...asked.headers, 'x-forwarded-for': this.client, 'accept-encoding': 'identity' };
    const onward = request(url, { method: asked.method, headers, agent: false }, (got) => {
      const policy = got.headers['content-security-policy'];
      if (policy !== undefined) got.headers['content-security-policy'] = `${policy}; report-uri ${complaintsPath}`;
      const { slip } = this;
      if (slip === undefined || !got.headers['content-type']?.startsWith('text/html')) {
        answer.writeHead(got.statusCode ?? 502, got.headers);
        got.pipe(answer);
        return;
      }
      delete got.headers['content-length'];
      answer.writeHead(got.statusCode ?? 502, got.headers);
      void text(got).then((html) => answer.end(slip(html)));
    });
    onward.on('error', () => answer.destroy());
    // A page that is left drops its stream of changes.
    answer.on('close', () => onward.destroy());
    asked.pipe(onward);
  }

  private async keep(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { 'csp-report': report } = JSON.parse(await text(asked)) as { 'csp-report': Record<string, string> };
    this.violations.push(report['effective-directive'] ?? report['violated-directive'] ?? 'unknown');
    answer.writeHead(204).end();
  }
}

async function text(stream: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}
