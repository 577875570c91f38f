// Signed-in people and those who would like to be them: cookies of all kinds, sessions pulled from two sides, a crash in between,
// and texts from Stripe that somebody else has written.

import { createHmac } from 'node:crypto';
import { request } from 'node:https';
import { signInMail } from '../harness/mail.ts';
import { sessionsOf, stripe } from '../harness/sandbox.ts';
import { expect, test } from './test.ts';
import { newAddress, only } from './visitor.ts';

test('checklist 15, 16: cookies count by their whole name, and what was planted signs nobody in', async ({ street, shop }) => {
  await shop.customer({ name: 'Home' });
  const asked = await street.ask(shop.address);
  const { code } = await signInMail(shop.address);
  const entered = await street.post('/api/enter_code', { code }, asked.jar);
  for (const line of entered.cookies) {
    expect(line).toMatch(/^__Host-billhook_\w+=[^;]*; HttpOnly; SameSite=Lax; Secure; Path=\/; Max-Age=\d+$/);
    expect(line.length).toBeLessThan(4096);
  }
  const jar = entered.jar;
  const access = only(jar, 'access');
  const refresh = only(jar, 'refresh');
  for (const [what, cookies, status] of [
    ['its own', jar, 200],
    ['access alone', access, 200],
    // Nothing tells which of two is planted.
    ['a planted one behind', `${access}; __Host-billhook_access=planted`, 303],
    ['a planted one of a name that looks the same', `\xe2\x80\x80__Host-billhook_access=planted; ${access}`, 200],
    ['a name that only looks the same', access.replace('__Host-', '\xc2\xa0__Host-'), 303],
    ['without the prefix', jar.replaceAll('__Host-', ''), 303],
    ['another case', jar.replaceAll('__Host-', '__host-'), 303],
    ['in quotes', access.replace('=', '="').concat('"'), 303],
    ['with something behind', `${access}%00`, 303],
    ['two in one', `x=1, ${access}`, 303],
    ['4 kB of nothing', `__Host-billhook_access=${'a'.repeat(4_050)}; __Host-billhook_refresh=${'b'.repeat(4_050)}`, 303],
    ['a neighbour that is no text', `foo=\xe4; ${jar}`, 200],
    ['no value', '__Host-billhook_access; __Host-billhook_refresh', 303],
    ['the refresh token as access', refresh.replace('_refresh=', '_access='), 303],
  ] as const) {
    expect((await street.get('/billing', cookies)).status, what).toBe(status);
  }
  // Before the sign-in: of somebody else, and made up.
  const theirs = await street.ask(shop.address);
  const again = await street.post('/api/ask_link', { email: shop.address }, theirs.jar);
  expect(again.jar).not.toBe(theirs.jar);
  const second = await signInMail(shop.address, 2);
  for (const attempt of [asked.jar, theirs.jar, '', '__Host-billhook_browser=planted']) {
    const { headers } = await street.post('/api/enter_code', { code: second.code }, attempt);
    expect(headers.location).toMatch(/^\/sign-in\/check\?problem=/);
  }
  // What stands in the small cookies is neither believed nor repeated.
  for (const name of ['browser', 'link', 'device', 'typed', 'ended']) {
    for (const value of ['', 'a'.repeat(4_000), '../../etc/passwd', "'or'1'='1", '<script>alert(1)</script>', 'AAAA.AAAA.AAAA']) {
      for (const path of ['/', '/sign-in/check', '/sign-in/confirm', '/?problem=address']) {
        const { status, body } = await street.get(path, `__Host-billhook_${name}=${value}`);
        expect(status, `${name} ${path}`).toBe(200);
        if (value !== '') expect(body, `${name} ${path}`).not.toContain(value);
      }
    }
  }
});

test('checklist 17: forged tokens are nobody through the proxy too', async ({ street, shop }) => {
  await shop.customer({ name: 'Home' });
  const token = only(await street.signIn(shop.address), 'access').split('=')[1] ?? '';
  const [head = '', claims = '', mac = ''] = token.split('.');
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  const made = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = (key: string, of: string) => `${of}.${createHmac('sha256', key).update(of).digest('base64url')}`;
  for (const forged of [
    ...[`${made({ ...read(head), alg: 'none' })}.${claims}.`, `${made({ ...read(head), alg: 'none' })}.${claims}.${mac}`],
    ...[`${head}.${made({ ...read(claims), sub: 'ses_of_somebody' })}.${mac}`, `${head}.${made({ ...read(claims), exp: 9e9 })}.${mac}`],
    ...[`${made({ ...read(head), kid: '../../dev/null' })}.${claims}.${mac}`, signed('', `${head}.${claims}`), signed('secret', `${head}.${claims}`)],
    ...['..', `${head}.${claims}`, `${token}.`, `${token}${token}`],
  ]) {
    expect((await street.get('/billing', `__Host-billhook_access=${forged}`)).status, forged).toBe(303);
  }
});

test('checklist 5, 6: a link is used once, and in the browser that asked', async ({ street, shop }) => {
  await shop.customer({ name: 'Home' });
  const asked = await street.ask(shop.address);
  const other = await street.ask(`other.${shop.mark}@example.com`);
  const { token } = await signInMail(shop.address);
  const link = await street.get(`/sign-in/link?token=${token}`);
  for (const jar of [link.jar, `${other.jar}; ${link.jar}`, asked.jar]) {
    expect((await street.post('/api/confirm_link', '', jar)).headers.location).toBe('/sign-in/confirm');
  }
  const from = newAddress();
  const used = await Promise.all(
    Array.from({ length: 20 }, () => street.post('/api/confirm_link', '', `${asked.jar}; ${link.jar}`, { from })),
  );
  // All of one browser: it may take any of the answers, and each is the same session.
  expect(used.map(({ headers }) => headers.location)).toEqual(used.map(() => '/billing'));
  expect(new Set(used.map(({ jar }) => only(jar, 'refresh'))).size).toBe(1);
});

test('checklist 19, 20, 22: a session pulled from two sides has one end, and a copy ends it', async ({ street, shop }) => {
  await shop.customer({ name: 'Home' });
  const jar = await street.signIn(shop.address);
  const old = only(jar, 'refresh');
  const answers = await Promise.all([
    ...Array.from({ length: 10 }, () => street.get('/billing', old)),
    street.post('/api/sign_out', '', jar),
  ]);
  const children = answers.map((answer) => answer.jar).filter((set) => set.includes('_refresh='));
  for (const cookies of [...children, jar, old]) expect((await street.get('/billing', cookies)).status).toBe(303);

  const first = only(await street.signIn(shop.address, 2), 'refresh');
  const second = only((await street.get('/billing', first)).jar, 'refresh');
  const third = only((await street.get('/billing', second)).jar, 'refresh');
  expect((await street.get('/billing', third)).status).toBe(200);
  expect((await street.get('/billing', first)).status, 'the copy').toBe(303);
  expect((await street.get('/billing', third)).status, 'and with it the session').toBe(303);
});

test('checklist 22, 27: nobody signs a device of somebody else out', async ({ street, shop }) => {
  const stranger = `stranger.${shop.mark}@example.com`;
  await shop.customer({ name: 'Home' });
  const jar = await street.signIn(shop.address);
  const theirs = await street.signIn(stranger);
  const handle = /name="handle" value="([^"]+)"/.exec((await street.get('/devices', jar)).body)?.[1] ?? '';
  expect(handle).toMatch(/^\w+$/);
  for (const tried of [handle, handle.toUpperCase(), '', '0'.repeat(handle.length), '%', "' or ''='", 'a'.repeat(4_000)]) {
    const answer = await street.post('/api/end_session', { handle: tried }, theirs);
    expect([answer.status, answer.headers.location], tried).toEqual([303, '/devices']);
  }
  expect((await street.get('/billing', jar)).status).toBe(200);
  // In the right hands it works.
  expect((await street.post('/api/end_session', { handle }, jar)).headers.location).toBe('/');
  expect((await street.get('/billing', jar)).status).toBe(303);
});

test('checklist 27, 39: another is as good as none, and of twelve clicks at once ten open a portal', async ({ street, shop }) => {
  const mine = await shop.customer({ name: 'Mine' });
  const theirs = await shop.customer({ name: 'Theirs', email: `theirs.${shop.mark}@example.com` });
  const jar = await street.signIn(shop.address);
  const answers = [];
  for (const customer of [theirs.id, 'cus_nobody']) {
    const { status, body, headers } = await street.post('/api/open_portal', { customer, flow: 'home' }, jar);
    answers.push([status, body, headers.location]);
  }
  expect(answers[0]).toEqual(answers[1]);
  expect(answers[0]?.[0]).toBe(404);
  expect(await sessionsOf(theirs.id)).toEqual([]);
  const clicks = await Promise.all(
    Array.from({ length: 12 }, () => street.post('/api/open_portal', { customer: mine.id, flow: 'home' }, jar)),
  );
  const opened = clicks.filter(({ status }) => status === 303).map(({ headers }) => headers.location);
  expect(new Set(opened).size).toBe(10);
  for (const { headers } of clicks) expect(headers['cache-control']).toContain('no-store');
});

test('checklist 62: what others wrote at Stripe is text on the page, in the stream and nowhere else', async ({ street, shop, proxied }) => {
  const evil = `<script>alert(1)</script></title></textarea>"'><img src=x onerror=alert(1)>\u001b[31m\r\nForged: line ${shop.mark}`;
  await shop.customer({ name: evil, description: `</script><svg onload=alert(2)>`, metadata: { a: '<b>' } });
  const jar = await street.signIn(shop.address);
  const { body } = await street.get('/billing', jar);
  expect(body).toContain('&lt;script&gt;alert(1)');
  expect(body).not.toMatch(/<script>alert|<img src=x|<svg onload/);

  // The stream is text, of which the browser makes text again; it comes at once, and says that nobody may keep or sniff it.
  const { host, https, ca } = proxied;
  const options = { host: '127.0.0.1', port: https, servername: host, ca, path: '/billing/live', agent: false as const };
  const live = await new Promise<{ kind: string | undefined; kept: string | undefined; sniffed: unknown; text: string }>((resolve, reject) => {
    const call = request({ ...options, headers: { Host: host, Cookie: jar, Accept: 'text/event-stream' } }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => {
        text += part.toString('utf8');
        if (!text.includes('\n\n')) return;
        call.destroy();
        const { 'content-type': kind, 'cache-control': kept, 'x-content-type-options': sniffed } = response.headers;
        resolve({ kind, kept, sniffed, text });
      });
    });
    call.on('error', reject);
    call.end();
  });
  expect(live).toMatchObject({ kind: 'text/event-stream', kept: 'no-store', sniffed: 'nosniff' });
  expect(live.text.trimEnd().split('\n')).toHaveLength(2);
});

test('checklist 21: killed in the middle and started again behind the proxy, the program still knows its visitors', async ({
  street,
  shop,
  proxied,
}) => {
  await shop.customer({ name: 'Home' });
  const jar = await street.signIn(shop.address);
  const refresh = only(jar, 'refresh');
  const before = await street.get('/billing', refresh);
  expect(before.status).toBe(200);

  const again = await proxied.crash();
  const meanwhile = await street.get('/billing');
  expect(meanwhile.status).toBe(502);
  expect(meanwhile.body).toBe('');
  await again();
  // The answer with the new token may never have come: the old one gets another.
  expect((await street.get('/billing', refresh)).status).toBe(200);
});

test('checklist 61: one visitor cannot hold the program with open streams', async ({ street, shop, proxied }) => {
  const home = await shop.customer({ name: 'Home' });
  const jar = await street.signIn(shop.address);
  const { host, https, ca } = proxied;
  const open = new Set<number>();
  const heard = new Map<number, string>();
  const calls = Array.from({ length: 40 }, (_, number) => {
    const options = { host: '127.0.0.1', port: https, servername: host, ca, path: '/billing/live', agent: false as const };
    const call = request({ ...options, headers: { Host: host, Cookie: jar, Accept: 'text/event-stream' } }, (response) => {
      open.add(number);
      response.on('data', (part: Buffer) => heard.set(number, (heard.get(number) ?? '') + part.toString('utf8')));
      response.on('close', () => open.delete(number));
      response.on('error', () => undefined);
    });
    call.on('error', () => undefined);
    call.end();
    return call;
  });
  try {
    await expect.poll(() => heard.size).toBe(40); // Each was answered with the list.
    await expect.poll(() => open.size).toBeLessThanOrEqual(8);
    expect((await street.get('/billing', jar)).status).toBe(200);
    await stripe().customers.update(home.id, { name: 'Renamed' });
    await expect.poll(() => [...open].every((number) => heard.get(number)?.includes('Renamed'))).toBe(true);
  } finally {
    for (const call of calls) call.destroy();
  }
});
