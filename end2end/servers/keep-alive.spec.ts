// Proxies keep connections for the next visitor. Where Billhook ends one in the moment in which a form is sent on over it, the
// proxy cannot know whether the form was taken, and answers 502. So Billhook has to keep connections longer than they do. Here all
// clocks run 10 times as fast: Billhook's by a library, those of the proxies by settings that are a tenth of their defaults.

import { expect, test } from '@playwright/test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { answers, type Child, freePorts, startChild } from '../harness/children.ts';
import { nginxConf, startNginx } from '../harness/nginx.ts';
import { preload } from '../harness/preload.ts';
import { newStack, type Place, results, startBillhook } from '../harness/stack.ts';

const rate = 10;
/** What Caddy and nginx have by default. */
const pools = { caddy: 120_000 / rate, nginx: 60_000 / rate };
/** Where connections may end, of the proxies' own accord or of Billhook's: heads have to be there within 10 s. */
const pauses = [0, 10_000 / rate, pools.nginx, pools.caddy, 10_000 / rate];
const visitors = 104;
/** Milliseconds that the forms of a round are spread over, half before such a moment and half after. */
const around = 120;

const caddyfile = (port: number, direct: string) => `{
  admin off
}
http://127.0.0.1:${port} {
  reverse_proxy ${new URL(direct).host} {
    header_up Host ${new URL(direct).host}
    transport http {
      keepalive ${pools.caddy}ms
      keepalive_idle_conns_per_host ${visitors}
    }
  }
}
`;

const nginxServers = (port: number, direct: string) => `upstream billhook {
        server ${new URL(direct).host};
        keepalive ${visitors};
        keepalive_timeout ${pools.nginx}ms;
    }
    server {
        listen 127.0.0.1:${port};
        proxy_request_buffering off;
        location / {
            proxy_pass http://billhook;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host ${new URL(direct).host};
        }
    }`;

/** A form that is no GET, which no proxy may send twice. Its body waits for the sign, so that each has a connection of its own. */
function submit(agent: Agent, port: number, sign: Promise<void>): Promise<string> {
  return new Promise((resolve) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': 2, 'Stripe-Signature': `t=${Math.floor(Date.now() / 1_000)},v1=${'0'.repeat(64)}` };
    const call = request({ agent, host: '127.0.0.1', port, path: '/webhooks/stripe', method: 'POST', headers }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(String(answer.statusCode)));
    });
    call.on('error', (error) => resolve(error.message));
    call.write('{');
    void sign.then(() => call.end('}'));
  });
}

test('over a thousand forms that arrive as idle connections may end, neither Caddy nor nginx answers one with 502', async ({}, { workerIndex }) => {
  const folder = mkdtempSync(join(tmpdir(), 'billhook-keep-alive-'));
  const place: Place = { folder, logs: join(results, 'logs'), prefix: `keep-alive-${workerIndex}-` };
  const children: Child[] = [];
  try {
    const made = await newStack(place);
    const ports = (await freePorts(2)) as [number, number];
    const [caddy, nginx] = ports;
    // Whoever takes no mail and is no Stripe is not asked here.
    children.push(await startBillhook(place, made, { LD_PRELOAD: preload('fast-clock', folder) }));
    writeFileSync(join(folder, 'Caddyfile'), caddyfile(caddy, made.direct));
    children.push(
      await startChild({
        name: `${place.prefix}caddy`,
        program: process.env.CADDY ?? 'caddy',
        args: ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'],
        ...{ cwd: folder, logs: place.logs },
        ready: () => answers(`http://127.0.0.1:${caddy}/up`),
      }),
    );
    children.push(
      await startNginx(place, nginxConf(folder, nginxServers(nginx, made.direct)), () => answers(`http://127.0.0.1:${nginx}/up`)),
    );

    const agent = new Agent({ keepAlive: true });
    const tally: Record<string, number> = {};
    let ended = 0;
    for (const wait of pauses) {
      await pause(Math.max(0, ended + wait - around / 2 - Date.now()));
      const began = Date.now();
      const forms: Promise<string>[] = [];
      let sign = () => {};
      const signed = new Promise<void>((resolve) => (sign = resolve));
      for (let visitor = 0; visitor < visitors; visitor += 1) {
        await pause(Math.max(0, began + (visitor * around) / visitors - Date.now()));
        forms.push(...ports.map((port) => submit(agent, port, signed)));
      }
      sign();
      for (const status of await Promise.all(forms)) tally[status] = (tally[status] ?? 0) + 1;
      ended = Date.now();
    }
    agent.destroy();
    expect(tally).toEqual({ '400': pauses.length * ports.length * visitors });
  } finally {
    for (const child of children.reverse()) await child.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
