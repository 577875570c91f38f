// Behind nginx, with the README's lines and as people change them.

import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { newAddress } from '../afternoon/visitor.ts';
import { eventRow } from '../harness/database.ts';
import { signInMail } from '../harness/mail.ts';
import { ask, card, emailField, list, manage, onPortal, records, signIn, signInButton, texts, title } from '../harness/pages.ts';
import { goBack } from '../harness/portal.ts';
import { stripe } from '../harness/sandbox.ts';
import { doctor } from '../harness/stack.ts';
import { until } from '../harness/until.ts';
import { expect, test } from './test.ts';

// In this order: of networks of one's own the log names the first such address, and then none for ten minutes.
test.describe.configure({ mode: 'default' });

test('an nginx that TRUSTED_PROXIES does not name is told by the log and by the doctor', async ({ by, behind }) => {
  const told = async (trusted: string) => {
    const about = (await doctor(behind, { TRUSTED_PROXIES: trusted })).filter(({ check }) => check === 'proxies');
    return about.map(({ state, says }) => `${state}: ${says}`).join('\n');
  };
  expect(await told('127.0.0.1')).toMatch(/^ok: /);
  const page = await by('unnamed');
  await page.goto('/');
  await expect(title(page)).toHaveText(texts.start);
  const line = /WARN requests came with .* from an address that TRUSTED_PROXIES does not name.* proxy=127\.0\.0\.9 /;
  await until('the line in the log', () => line.test(behind.log()));
  await until('the doctor', async () =>
    (await told('127.0.0.1')).startsWith('warning: Requests came through 127.0.0.9, which TRUSTED_PROXIES does not name'),
  );
  expect(await told('127.0.0.1,127.0.0.9')).toMatch(/^ok: /);
});

test('the whole way in, live changes and the way to the portal and back', async ({ page, context, shop, baseURL }) => {
  const home = await shop.customer({ name: 'Home' });
  await shop.customer({ name: 'Studio' });
  await signIn(page, shop.address);
  const cookies = await context.cookies();
  expect(cookies.length).toBeGreaterThanOrEqual(3);
  for (const cookie of cookies) expect(cookie.name).toMatch(/^__Host-billhook_/);

  // nginx keeps answers until it has 4 kB of them, unless the answer says otherwise.
  await expect(page.getByRole('button', { name: `Copy customer ID ${home.id}` })).toBeVisible();
  await page.evaluate(() => Object.assign(window, { notReloaded: true }));
  await stripe().customers.update(home.id, { name: 'Renamed' });
  await expect(card(page, 'Renamed')).toBeVisible();
  expect(await page.evaluate(() => 'notReloaded' in window)).toBe(true);

  await manage(page, 'Studio').click();
  await onPortal(page);
  await goBack(page);
  await expect(page).toHaveURL(list);
  await expect(title(page)).toHaveText(records(2));
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await expect(page).toHaveURL(`${baseURL}/`);
});

test('visitors are told apart by the address that nginx sees', async ({ street }) => {
  const from = newAddress();
  const somebody = () => `some.${randomBytes(5).toString('hex')}@example.com`;
  const asked: number[] = [];
  for (let times = 0; times < 6; times += 1) {
    const headers = { 'X-Forwarded-For': `203.0.113.${times}` };
    asked.push((await street.post('/api/ask_link', { email: somebody() }, '', { from, headers })).status);
  }
  expect(asked).toEqual([303, 303, 303, 303, 303, 429]);
  expect((await street.post('/api/ask_link', { email: somebody() }, '', { from: newAddress() })).status).toBe(303);
});

test('a webhook of 900 kB passes', async ({ street, behind }) => {
  const id = `evt_${randomBytes(8).toString('hex')}`;
  const object = { id: 'thing_1', object: 'thing', text: 'x'.repeat(900_000) };
  const event = { id, object: 'event', type: 'billhook.unheard_of', created: Math.floor(Date.now() / 1_000), livemode: false, data: { object } };
  const payload = JSON.stringify(event);
  const signature = stripe().webhooks.generateTestHeaderString({ payload, secret: behind.webhookSecrets[0] });
  const { status } = await street.visit('/webhooks/stripe', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Stripe-Signature': signature },
    body: payload,
  });
  expect(status).toBe(200);
  await until('the event', () => eventRow(id)?.state === 'ignored');
});

test('where nginx adds Referrer-Policy: no-referrer, people sign in and out', async ({ by, shop, baseURL }) => {
  await shop.customer({ name: 'Home' });
  const page = await by('tightened');
  const origins: (string | undefined)[] = [];
  page.on('request', (request) => {
    if (request.method() === 'POST') void request.allHeaders().then(({ origin }) => origins.push(origin));
  });
  await signIn(page, shop.address);
  await expect(title(page)).toHaveText(records(1));
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await expect(page).toHaveURL(`${baseURL}/`);
  // It is as hard as it was meant to be: the browser hides where its forms come from.
  await until('three forms', () => origins.length >= 3);
  expect(new Set(origins)).toEqual(new Set(['null']));
});

test('http that nginx leads nowhere is led to https once', async ({ page, behind, shop, baseURL, watch }) => {
  watch.allow(/^request to http:\/\/billing\.example\.com$/);
  // Chromium's word about the answer by http, that leads away from there.
  watch.allow(/^console error: The Cross-Origin-Opener-Policy header has been ignored/);
  await shop.customer({ name: 'Home' });
  const led: string[] = [];
  page.on('response', (response) => {
    if (response.request().isNavigationRequest()) led.push(`${response.status()} ${new URL(response.url()).protocol}`);
  });
  await page.goto(`http://${behind.host}/?email=${encodeURIComponent(shop.address)}`);
  await expect(emailField(page)).toHaveValue(shop.address);
  expect(new URL(page.url()).origin).toBe(baseURL);
  expect(led).toEqual(['307 http:', '200 https:']);
  await signIn(page, shop.address);
  await expect(title(page)).toHaveText(records(1));
});

test('where nginx calls https http, nobody goes round in a circle', async ({ by, behind, shop }) => {
  await shop.customer({ name: 'Home' });
  const page = await by('mistaken');
  let navigations = 0;
  page.on('request', (request) => {
    if (request.isNavigationRequest()) navigations += 1;
  });
  await page.goto('/');
  await expect(title(page)).toHaveText(texts.start);
  expect(navigations).toBeLessThanOrEqual(2);
  await ask(page, shop.address);
  const { link } = await signInMail(shop.address);
  await page.goto(link);
  await signInButton(page).click();
  await expect(title(page)).toHaveText(records(1));

  // What sends no Sec-Fetch-Site and keeps no cookie is led once, and then answered.
  const first = await fromPort(behind.http, behind.host, '/');
  expect(first.status).toBe(307);
  const second = new URL(first.location ?? '');
  expect((await fromPort(behind.http, behind.host, `${second.pathname}${second.search}`)).status).toBe(200);
});

function fromPort(port: number, host: string, path: string): Promise<{ status: number; location: string | undefined }> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, headers: { Host: host }, agent: false }, (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, location: response.headers.location });
    });
    call.on('error', reject);
    call.end();
  });
}
