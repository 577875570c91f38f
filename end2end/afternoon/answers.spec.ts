// What a stranger learns from answers, through the proxy: headers, files, caches, forms of other sites.

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { signInMail } from '../harness/mail.ts';
import { expect, test } from './test.ts';
import type { Asked } from './visitor.ts';

const always = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
};
/** What is said of a file whose name holds a hash of its bytes. */
const kept = 'public, max-age=31536000, immutable';
/** The files that pages load, by the names that the build gave them. */
async function hashedFiles(street: { get(path: string, jar: string): Promise<Asked> }): Promise<string[]> {
  const names = Object.values(JSON.parse((await street.get('/assets.json', '')).body) as Record<string, string>);
  expect(names).toHaveLength(5);
  for (const name of names) expect(name).toMatch(/\.[0-9a-f]{16}\.(css|js|wasm)$/);
  return names;
}
/** Of which Chromium would let another site read something. */
function opened({ headers }: Asked): string[] {
  return Object.keys(headers).filter((name) => name.startsWith('access-control-'));
}

test('checklist 64: every answer through the proxy has its headers, and none is kept by a cache', async ({ street, shop }) => {
  await shop.customer({ name: 'Home' });
  const jar = await street.signIn(shop.address);
  const paths = ['/', '/billing', '/devices', '/sign-in/check', '/sign-in/confirm', '/sign-in/link?token=x', '/nothing', '/up', '/ready'];
  const lures = ['/billing/style.css', '/billing.css', '/billing;style.css', '/billing%2fstyle.css', '/billing%00.css', '/devices/x.js'];
  const hashed = await hashedFiles(street);
  const files = [...hashed, '/favicon.svg', '/robots.txt'];
  for (const path of [...paths, ...lures, ...files, '/api/ask_link', '/api/nothing', '/webhooks/stripe']) {
    const isFile = files.includes(path);
    const caching = (type: string) => (hashed.includes(path) ? kept : isFile ? 'no-cache' : type.startsWith('text/html') ? 'no-store, no-transform' : 'no-store');
    for (const answer of [await street.get(path, jar), await street.get(path, '', { Origin: 'https://evil.example' })]) {
      expect(answer.headers, path).toMatchObject(always);
      expect(answer.headers['content-security-policy'], path).toContain("frame-ancestors 'none'");
      expect(answer.headers['cache-control'], path).toBe(caching(String(answer.headers['content-type'])));
      expect(opened(answer), path).toEqual([]);
      expect(answer.headers['x-powered-by'], path).toBeUndefined();
      // A cache gives what it has kept of a file to anybody.
      if (isFile) expect(answer.cookies, path).toEqual([]);
    }
  }
  for (const encoding of ['br', 'gzip', 'identity']) {
    const { headers } = await street.get(hashed[0]!, '', { 'Accept-Encoding': encoding });
    expect(headers.vary, encoding).toContain('accept-encoding');
  }
  for (const path of lures) {
    const answer = await street.get(path, jar);
    expect(answer.status, path).toBe(404);
    expect(answer.body, path).not.toContain(shop.address);
  }
  const preflight = { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'x-a' };
  for (const path of ['/', '/billing', '/api/open_portal', '/billing/live', '/pkg/billhook.css']) {
    const answer = await street.visit(path, { method: 'OPTIONS', headers: { ...preflight, Cookie: jar } });
    expect(opened(answer), path).toEqual([]);
  }
});

test('checklist 25: nothing but the files of the site is served', async ({ street, shop }) => {
  await shop.customer({ name: 'Home' });
  const jar = await street.signIn(shop.address);
  const secrets = /SESSION_SECRET|root:|whsec_|SQLite format/;
  for (const path of [
    ...['/.env', '/pkg/.env', '/.git/config', '/data/billhook.db', '/billhook', '/billhook.db', '/../billhook.db', '/Caddyfile'],
    ...['/%2e%2e/%2e%2e/etc/passwd', '/..%2f..%2f..%2fetc/passwd', '/pkg/../../billhook', '/pkg/%2e%2e/%2e%2e/billhook'],
    ...['/pkg/..%5c..%5cbillhook', '/pkg/....//....//etc/passwd', '/pkg//etc/passwd', '/pkg/%2fetc/passwd', '/%c0%ae%c0%ae/etc/passwd'],
    ...['/pkg/', '/pkg', '/pkg/billhook.css%00.html', '/pkg/billhook.js.map', '/pkg/billhook.wasm.map', '/islands.js.map', '/%ff'],
    ...['/Billing', '/BILLING', '/billing.', '/billing%20', '/billing%0a', '//billing', '//evil.example', '/%62illing', '/API/ask_link'],
    ...['/api', '/api/', '/api//ask_link', '/api/%61sk_link', '/dev/mail', '/_sandbox/requests', '/metrics', '/debug/pprof', '/.well-known/'],
    ...['/billing/', '/devices/', '/./billing', '/./devices', '/billing/.', '/sign-in/../billing', '/sign-in/check/', '/sign-in/confirm/'],
    ...['/proc/self/environ', '/@fs/etc/passwd', '/server-status', '/index.html', '/sitemap.xml', '/favicon.ico'],
  ]) {
    for (const direct of [true, false]) {
      const heard = await street.say(
        `GET ${path} HTTP/1.1\r\nHost: billing.example.com\r\nAccept: text/html\r\nCookie: ${jar}\r\nConnection: close\r\n\r\n`,
        direct,
      );
      expect(heard.slice(0, 12), path).toBe('HTTP/1.1 404');
      expect(heard, path).not.toMatch(secrets);
      // The header of who is signed in stays on a page that is not there.
      expect(heard.replace(`Signed in as ${shop.address}`, ''), path).not.toContain(shop.address);
      expect(heard, path).not.toContain('The fault is on our side');
      expect(heard, path).not.toContain('Check your inbox');
    }
  }
});

test('checklist 12: a form passes with the marks of our own pages alone', async ({ street, proxied }) => {
  const sites = [undefined, 'same-origin', 'same-site', 'cross-site', 'SAME-ORIGIN', 'garbage', 'same-origin, cross-site'];
  const origins = [
    ...[undefined, proxied.app, 'null', 'https://evil.example', `${proxied.app}.evil.example`, `${proxied.app}:8443`, `${proxied.app}/`],
    ...['http://billing.example.com', 'https://BILLING.example.com', 'https://example.com'],
  ];
  const passed: string[] = [];
  for (const site of sites) {
    for (const origin of origins) {
      const headers: Record<string, string> = { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'text/html' };
      if (site !== undefined) headers['Sec-Fetch-Site'] = site;
      if (origin !== undefined) headers.Origin = origin;
      const { status, cookies } = await street.visit('/api/sign_out', { method: 'POST', headers, body: '' });
      if (status === 403) expect(cookies).toEqual([]);
      else passed.push(`${site} ${origin} ${status}`);
    }
  }
  // Where the browser says nothing about the site, our own origin is one way in.
  expect(passed).toEqual([
    // A page of ours that was got by http: it does nothing, and leads to the start by https.
    ...['undefined https://billing.example.com 303', 'undefined http://billing.example.com 303'],
    // A proxy that forbids referrers makes our own origin null.
    ...['same-origin undefined 303', 'same-origin https://billing.example.com 303', 'same-origin null 303'],
  ]);
});

test('checklist 10, 11: no header and no query leads anybody elsewhere', async ({ street, shop }) => {
  await shop.customer({ name: 'Home' });
  const evil = 'evil.example';
  const headers = {
    ...{ 'X-Forwarded-Host': evil, 'X-Forwarded-Proto': 'http', Forwarded: `host=${evil};proto=http`, 'X-Host': evil },
    ...{ 'X-Forwarded-Server': evil, 'X-Forwarded-Prefix': `//${evil}`, 'X-Original-URL': '/devices', 'X-Rewrite-URL': '/devices' },
    ...{ 'X-HTTP-Method-Override': 'POST', Referer: `https://${evil}/` },
  };
  const asked = await street.post('/api/ask_link', { email: shop.address }, '', { headers });
  expect(asked.headers.location).toBe('/sign-in/check');
  const mail = await signInMail(shop.address);
  expect(mail.link.startsWith('https://billing.example.com/sign-in/link?token=')).toBe(true);
  expect(mail.html + mail.text).not.toContain(evil);

  const jar = await street.signIn(shop.address, 2);
  for (const path of ['/', '/billing', '/sign-in/confirm', '/sign-in/link?token=x', '/devices', '/api/sign_out']) {
    const answer = await street.get(`${path}${path.includes('?') ? '&' : '?'}next=//${evil}&redirect=https://${evil}`, jar, headers);
    expect(answer.headers.location ?? '/', path).toMatch(/^\/(?!\/)/);
    expect(JSON.stringify([answer.headers, answer.body]), path).not.toContain(evil);
  }
  for (const [path, body] of [['/api/open_portal', 'customer=x'], ['/api/customers', ''], ['/api/enter_code', ''], ['/api/nothing', '']] as const) {
    const answer = await street.post(path, body, jar, { headers });
    expect(answer.headers.location ?? '/', path).toMatch(/^\/(?!\/)/);
    expect(JSON.stringify([answer.headers, answer.body]), path).not.toContain(evil);
  }
  expect((await street.get('/billing', jar)).status).toBe(200);
});

test('checklist 28: odd forms are refused without a fault and without an echo', async ({ street, shop }) => {
  const { id } = await shop.customer({ name: 'Home' });
  const jar = await street.signIn(shop.address);
  const mark = randomBytes(6).toString('hex');
  for (const body of [
    ...['', 'customer', 'customer=&flow=', 'customer=a&customer=b&flow=home', 'customer[]=a&flow=home', 'customer=%ff&flow=home', 'customer=%00&flow=home'],
    ...[`customer=${mark}<script>&flow=home`, `customer=${id}&flow=${mark}`, `customer=${id}/../../charges&flow=home`, `customer=${id}%3Fexpand&flow=home`],
    ...[`customer=${id}&flow=cancel`, `customer=${id}&flow=cancel&subscription=sub_${mark}`, `customer=${id}&flow=home&subscription=sub_${mark}`],
    ...[`customer=${id}%20&flow=home`, `customer=${id.toUpperCase()}&flow=home`, '&'.repeat(5_000), `customer${'[a]'.repeat(2_000)}=1`, 'customer=a;flow=home'],
  ]) {
    const answer = await street.post('/api/open_portal', body, jar);
    expect([400, 404], body.slice(0, 80)).toContain(answer.status);
    expect(answer.body, body.slice(0, 80)).not.toContain(mark);
  }
  for (const kind of ['application/json', 'multipart/form-data; boundary=x', 'text/plain', 'application/x-www-form-urlencoded, text/plain']) {
    const answer = await street.post('/api/open_portal', `customer=${id}&flow=home`, jar, { headers: { 'Content-Type': kind } });
    expect(answer.status, kind).toBe(415);
  }
});

test('checklist 66: a stranger writes no errors into the log', async ({ street, proxied }) => {
  const log = () => readdirSync(proxied.logs).filter((file) => /^afternoon-.*billhook/.test(file)).map((file) => readFileSync(join(proxied.logs, file), 'utf8')).join('');
  for (const path of [`/${'a'.repeat(300)}`, `/pkg/${'a'.repeat(300)}`, '/%00', '/pkg/%ff', `/${'a/'.repeat(3_000)}`]) {
    expect((await street.get(path)).status, path).toBe(404);
  }
  expect(log()).not.toMatch(/ ERROR /);
});
