// Opening the portal: only for one's own customers, only on a click, only to an allowed place, and never at the cost of the
// other customers on the page.

import type { APIResponse } from '@playwright/test';
import { card, holdForms, manage, onPortal, signIn, styled, texts, title } from '../harness/pages.ts';
import { openPortal } from '../harness/portal.ts';
import { callsAbout, fault, sessionsOf, stripe } from '../harness/sandbox.ts';
import { seen } from '../harness/seen.ts';
import { stack } from '../harness/stack.ts';
import { expect, test } from '../harness/test.ts';

const sessions = '/v1/billing_portal/sessions';
/** What the console says of a list that tells of a failed click. */
const told = /status of 503/;

test('the payment method has a way of its own', async ({ page, shop }) => {
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await card(page, 'Home').getByRole('button', { name: 'Payment method', exact: true }).click();
  await onPortal(page);
  await expect(page.getByRole('heading', { name: 'Update your card' })).toBeVisible();
  const [call] = await sessionsOf(home.id);
  expect(JSON.stringify(call?.form)).toContain('payment_method_update');
});

test('invoices have a way of their own', async ({ page, shop }) => {
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await card(page, 'Home').getByRole('button', { name: 'Invoices', exact: true }).click();
  await onPortal(page);
  await expect(page.getByRole('heading', { name: 'Invoices' })).toBeVisible();
  expect(await sessionsOf(home.id)).toHaveLength(1);
});

test('checklist 35: the way to the portal is a redirect that nobody keeps', async ({ page, shop }) => {
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const answer = await openPortal(page, home.id);
  expect(answer.status()).toBe(303);
  const location = answer.headers()['location'] ?? '';
  expect(location.startsWith(`${stack().sandbox}/p/session/`)).toBe(true);
  seen(new URL(location).pathname);
  expect(answer.headers()['cache-control']).toContain('no-store');
  expect(await answer.text()).not.toContain('/p/session/');
  // A new one each time: none is kept for later.
  expect((await openPortal(page, home.id)).headers()['location']).not.toBe(location);
  const [call] = await sessionsOf(home.id);
  expect(JSON.stringify(call?.form)).toContain(`${stack().app}/billing`);
});

test('checklist 27: the customer of somebody else is as good as none', async ({ page, shop }) => {
  const foreign = await shop.customer({ email: `bob.${shop.mark}@example.com`, name: 'Foreign' });
  await shop.customer({ name: 'Mine' });
  await signIn(page, shop.address);
  const unknown = `cus_${shop.mark}NOBODY`;
  const plain = async (answer: APIResponse, id: string) =>
    (await answer.text()).replace(/nonce="[^"]*"/g, '').replaceAll(id, '');
  const answers = [await openPortal(page, foreign.id), await openPortal(page, unknown)] as const;
  expect(answers.map((answer) => answer.status())).toEqual([404, 404]);
  const foreignBody = await plain(answers[0], foreign.id);
  expect(foreignBody).toContain(texts.missing);
  expect(foreignBody).toBe(await plain(answers[1], unknown));
  expect(await callsAbout(foreign.id)).toEqual([]);
  expect(await callsAbout(unknown)).toEqual([]);
});

test('checklist 34: nothing but a click makes a portal session', async ({ page, shop }) => {
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const asked = await page.request.get(`/api/open_portal?customer=${home.id}&flow=home`, { maxRedirects: 0 });
  expect([404, 405]).toContain(asked.status());
  await page.request.get('/billing', { headers: { 'Sec-Purpose': 'prefetch;prerender' } });
  await page.request.fetch('/billing', { method: 'HEAD' });
  expect(await callsAbout(home.id)).toEqual([]);
});

test('a made-up way into the portal is refused', async ({ page, shop }) => {
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const answer = await openPortal(page, home.id, 'payouts');
  expect(answer.headers()['location'] ?? '').not.toContain(stack().sandbox);
  expect(answer.status()).not.toBe(500);
});

test('checklist 38: a customer that fails says so beside its card, and the others still open', async ({
  page,
  shop,
  watch,
  looksRight,
}) => {
  watch.allow(told);
  const broken = await shop.customer({ name: 'Broken' });
  await shop.customer({ name: 'Working' });
  await signIn(page, shop.address);
  await fault({
    path: sessions,
    match: broken.id,
    status: 500,
    body: JSON.stringify({ error: { type: 'api_error', message: 'inner secrets' } }),
  });
  await manage(page, 'Broken').click();
  const alert = page.getByRole('alert');
  await expect(alert).toHaveCount(1);
  await expect(alert).toContainText(texts.failed);
  await expect(card(page, 'Broken').getByRole('alert')).toBeVisible();
  await expect(manage(page, 'Broken')).toBeEnabled();
  await expect(page.getByText('inner secrets')).toHaveCount(0);
  await looksRight(page);

  await manage(page, 'Working').click();
  await onPortal(page);
});

for (const [status, words] of [
  [401, texts.notSetUp],
  [402, texts.failed],
  [403, texts.notSetUp],
  [409, texts.failed],
  [429, texts.failed],
] as const) {
  test(`checklist 38: Stripe answering ${status} is no dead end`, async ({ page, shop, watch, baseURL }) => {
    watch.allow(told);
    const broken = await shop.customer({ name: 'Broken' });
    await signIn(page, shop.address);
    await fault({ path: sessions, match: broken.id, status });
    await manage(page, 'Broken').click();
    await expect(page.getByRole('alert')).toHaveText(words);
    expect(page.url().startsWith(`${baseURL}/billing`)).toBe(true);
  });
}

test('checklist 38: Stripe not answering at all is told within eight seconds', async ({ page, shop, watch }) => {
  watch.allow(told);
  const broken = await shop.customer({ name: 'Broken' });
  await signIn(page, shop.address);
  await fault({ path: sessions, match: broken.id, hang: true });
  const from = Date.now();
  await manage(page, 'Broken').click();
  await expect(page.getByRole('alert')).toContainText(texts.failed);
  // The page that tells it is loaded within that, too.
  expect(Date.now() - from).toBeLessThan(10_000);
});

for (const [what, address] of [
  ['another host', 'http://evil.example.org/p/session/test_elsewhere'],
  ['another host in disguise', 'http://127.0.0.1@evil.example.org/p/session/test_elsewhere'],
  ['no web address', 'javascript:alert(1)'],
] as const) {
  test(`checklist 36: a portal address on ${what} is refused`, async ({ page, shop, watch, baseURL }) => {
    watch.allow(told);
    const home = await shop.customer({ name: 'Home' });
    await signIn(page, shop.address);
    await fault({ path: sessions, match: home.id, portal_url: address });
    const answer = await openPortal(page, home.id);
    expect(answer.headers()['location'] ?? '').not.toContain('evil');
    expect(answer.headers()['location'] ?? '').not.toContain('javascript');
    await manage(page, 'Home').click();
    await expect(page.getByRole('alert')).toBeVisible();
    expect(page.url().startsWith(`${baseURL}/billing`)).toBe(true);
  });
}

test('checklist 33: a customer whom Stripe no longer has opens nothing', async ({ page, shop }) => {
  const home = await shop.customer({ name: 'Home' });
  // Else the session would end with the address's last customer.
  await shop.customer({ name: 'Studio' });
  await signIn(page, shop.address);
  await stripe().customers.del(home.id);
  const answer = await openPortal(page, home.id);
  expect(answer.status()).toBe(404);
  expect(await answer.text()).toContain(texts.missing);
});

test('checklist 39: more than ten clicks a minute are asked to wait', async ({ page, shop, watch }) => {
  watch.allow(/status of 429/);
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const wait = async (): Promise<number> => Number((await openPortal(page, home.id)).headers()['retry-after'] ?? 0);
  for (let clicks = 0; clicks < 9; clicks += 1) expect(await wait()).toBe(0);
  // One comes back every six seconds; on a slow machine that may be now.
  await expect.poll(wait, { intervals: [200] }).toBeGreaterThan(3);
  await manage(page, 'Home').click();
  await expect(title(page)).toHaveText('A short pause, please');
  await page.getByRole('link', { name: 'Try again' }).click();
  await expect(card(page, 'Home')).toBeVisible();
});

test('checklist 37: the way back from the portal finds a list that works', async ({ page, shop }) => {
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await manage(page, 'Home').click();
  await onPortal(page);
  await page.goBack();
  await expect(title(page)).toBeVisible();
  await manage(page, 'Home').click();
  await onPortal(page);
});

test('@js the pressed button says what it does and keeps its width', async ({ page, shop }) => {
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await expect(page.getByRole('button', { name: `Copy customer ID ${home.id}` })).toBeVisible();
  await holdForms(page);
  await styled(page);
  const width = async (name: string) => (await card(page, 'Home').getByRole('button', { name }).boundingBox())?.width;
  const before = await width('Manage billing');
  await manage(page, 'Home').click();
  await expect(card(page, 'Home').getByRole('button', { name: texts.opening })).toBeVisible();
  expect(await width(texts.opening)).toBe(before);
});
