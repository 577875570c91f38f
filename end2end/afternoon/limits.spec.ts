// Who asks, as Caddy says it: limits are for one visitor, whatever that visitor says about themselves. And guesses, from many browsers.

import { createHmac, randomBytes } from 'node:crypto';
import { eventRow } from '../harness/database.ts';
import { mailsTo, signInMail, wrongCode } from '../harness/mail.ts';
import { known } from '../harness/pages.ts';
import { expect, test } from './test.ts';
import { newAddress } from './visitor.ts';

function somebody(): string {
  return `some.${randomBytes(5).toString('hex')}@example.com`;
}

test('checklist 13, 65: a visitor is limited by the address that Caddy sees, and cannot pass for another', async ({ street }) => {
  const from = newAddress();
  const asked: number[] = [];
  for (let times = 0; times < 7; times += 1) {
    const forged = `203.0.113.${times}`;
    const headers = {
      ...{ 'X-Forwarded-For': times % 2 ? forged : `${forged}, 127.0.0.1`, Forwarded: `for=${forged}`, 'X-Real-IP': forged },
      ...{ 'True-Client-IP': forged, 'CF-Connecting-IP': forged, 'X-Client-IP': forged, Connection: 'close, X-Forwarded-For' },
    };
    asked.push((await street.post('/api/ask_link', { email: somebody() }, '', { from, headers })).status);
  }
  expect(asked).toEqual([303, 303, 303, 303, 303, 429, 429]);
  const refused = await street.post('/api/ask_link', { email: somebody() }, '', { from });
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  // And nobody else is limited with them.
  expect((await street.post('/api/ask_link', { email: somebody() }, '', { from: newAddress() })).status).toBe(303);
});

test('checklist 13: whom nobody can tell apart share one strict limit', async ({ street }) => {
  // Straight to the program, as if the proxy said nothing, or nothing that can be read.
  const direct = { direct: true, from: '127.0.0.1' };
  const asked: number[] = [];
  for (const headers of [{}, { 'X-Forwarded-For': 'garbage' }, { 'X-Forwarded-For': '127.0.0.1' }] as Record<string, string>[]) {
    asked.push((await street.post('/api/ask_link', { email: somebody() }, '', { ...direct, headers })).status);
  }
  expect(asked.filter((status) => status === 429).length).toBeGreaterThanOrEqual(2);
});

test('checklist 8, 9: from many browsers there are fifteen guesses at an address, and none of them helps the next', async ({ street }) => {
  const address = somebody();
  await known(address);
  const jars: string[] = [];
  for (let browsers = 0; browsers < 5; browsers += 1) jars.push((await street.post('/api/ask_link', { email: address })).jar);
  const { code } = await signInMail(address);
  const answers: (string | undefined)[] = [];
  for (const jar of jars) {
    for (let step = 1; step <= 7; step += 1) {
      answers.push((await street.post('/api/enter_code', { code: wrongCode(code, step) }, jar)).headers.location as string);
    }
  }
  expect(answers.filter((location) => location === '/sign-in/check?problem=code')).toHaveLength(12);
  expect(answers.every((location) => location?.startsWith('/sign-in/check?problem='))).toBe(true);
  expect(await mailsTo(address)).toHaveLength(3);
  expect((await street.post('/api/enter_code', { code }, jars[0])).headers.location).toBe('/sign-in/check?problem=spent');
});

test('checklist 1: through the proxy, a known and an unknown address are answered alike', async ({ street }) => {
  const shapes = [];
  for (const isKnown of [true, false]) {
    const address = somebody();
    if (isKnown) await known(address);
    const asked = await street.post('/api/ask_link', { email: address });
    const shown = await street.get('/sign-in/check', asked.jar);
    const plain = [asked, shown].map(({ status, headers, cookies, body }) => {
      const { date: _, 'set-cookie': __, 'content-security-policy': ___, ...kept } = headers;
      const words = body.replaceAll(/nonce="[^"]*"|name="ticket" value="[^"]*"/g, '').replaceAll(address, 'ADDRESS');
      return { status, kept, cookies: cookies.map((line) => line.replace(/=[^;]*/, '=')), words, length: body.length };
    });
    shapes.push(plain);
    if (isKnown) await signInMail(address);
  }
  expect(shapes[1]).toEqual(shapes[0]);
});

test('checklist 14: what is no plain address gets no mail, and nobody else does', async ({ street }) => {
  const mark = randomBytes(5).toString('hex');
  const victim = `victim.${mark}@example.com`;
  await known(victim);
  for (const email of [
    ...[`a@example.com\r\nBcc: ${victim}`, `a@example.com%0aBcc:${victim}`, `a@example.com,${victim}`, `a@example.com;${victim}`, `<${victim}>`],
    ...[`${victim} (x)`, `"x" <${victim}>`, `${victim}.`, `а${victim}`],
    ...[victim.replace('@', '＠'), victim.replace('v', '\u2174'), `x@y@${victim}`, `"@evil.example"@example.com`],
    ...['a@[127.0.0.1]', 'a@localhost', '@', `${'a'.repeat(250)}@b.co`, '\u0130@example.com', '\u212a@example.com'],
  ]) {
    const { status, headers } = await street.post('/api/ask_link', { email });
    expect([status, headers.location], email).toEqual([303, '/?problem=address']);
  }
  // A domain with a letter of another alphabet is another domain.
  const other = await street.post('/api/ask_link', { email: victim.replace('example', 'exаmple') });
  expect(other.headers.location).toBe('/sign-in/check');
  expect(await mailsTo(victim)).toEqual([]);
  // What cannot be seen is no part of an address, and this dot is the same in a domain (RFC 3490, 3.1).
  await street.post('/api/ask_link', { email: `${victim}\u0000`.replace('.com', '。com') });
  await signInMail(victim);
});

test('what Stripe did not sign leaves nothing behind', async ({ street, proxied }) => {
  const id = `evt_forged_${randomBytes(6).toString('hex')}`;
  const object = { id: 'cus_forged', object: 'customer', email: 'forged@example.com' };
  const now = Math.floor(Date.now() / 1_000);
  const event = { id, object: 'event', type: 'customer.updated', created: now, livemode: false, data: { object } };
  const body = JSON.stringify(event);
  const v1 = (secret: string, time: number) => createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
  const [secret] = proxied.webhookSecrets;
  const good = v1(secret, now);
  const headers: (string | string[] | undefined)[] = [
    ...[undefined, '', `t=${now}`, `v1=${good}`, `t=${now},v0=${good}`, `t=${now},t=${now},v1=${good}`, `t=${now},v1=${'0'.repeat(64)}`],
    ...[`t=${now},v1=${v1('whsec_test_of_another_endpoint', now)}`, `t=${now},v1=${v1(secret.slice('whsec_'.length), now)}`],
    ...[`t=${now - 400},v1=${v1(secret, now - 400)}`, `t=${now + 400},v1=${v1(secret, now + 400)}`],
    `t=${now},${Array.from({ length: 199 }, () => `v1=${'0'.repeat(64)}`).join(',')},v1=${good}`,
    [`t=${now},v1=${good}`, `t=${now},v1=${good}`],
  ];
  for (const header of headers) {
    const signed: Record<string, string | string[]> = header === undefined ? {} : { 'Stripe-Signature': header };
    const { status } = await street.visit('/webhooks/stripe', { method: 'POST', headers: { 'Content-Type': 'application/json', ...signed }, body });
    expect(status, String(header).slice(0, 100)).toBe(400);
  }
  expect(eventRow(id)).toBeUndefined();
  const taken = await street.visit('/webhooks/stripe', { method: 'POST', headers: { 'Stripe-Signature': `t=${now},v1=${good}` }, body });
  expect(taken.status).toBe(200);
  expect(eventRow(id)).toBeDefined();
});
