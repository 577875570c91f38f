// Opening the portal as a person sees it: where each button leads, and what the page says when Stripe does not answer. Whom it is
// refused is tested without a browser (tests/integration).

import { atEachWidth } from '../harness/looks.ts';
import { card, holdForms, manage, onPortal, signIn, styled, texts, title } from '../harness/pages.ts';
import { openPortal } from '../harness/portal.ts';
import { fault, sessionsOf } from '../harness/sandbox.ts';
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

test('checklist 38: Stripe answering 403 is no dead end', async ({ page, shop, watch, baseURL }) => {
  watch.allow(told);
  const broken = await shop.customer({ name: 'Broken' });
  await signIn(page, shop.address);
  await fault({ path: sessions, match: broken.id, status: 403 });
  await manage(page, 'Broken').click();
  await expect(page.getByRole('alert')).toHaveText(texts.notSetUp);
  expect(page.url().startsWith(`${baseURL}/billing`)).toBe(true);
});

test('checklist 36: a portal address on another host in disguise is refused', async ({ page, shop, watch, baseURL }) => {
  watch.allow(told);
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await fault({ path: sessions, match: home.id, portal_url: 'http://127.0.0.1@evil.example.org/p/session/test_elsewhere' });
  await manage(page, 'Home').click();
  await expect(page.getByRole('alert')).toBeVisible();
  expect(page.url().startsWith(`${baseURL}/billing`)).toBe(true);
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
  const widths = async (name: string) => {
    const found: (number | undefined)[] = [];
    const button = card(page, 'Home').getByRole('button', { name });
    await atEachWidth(page, async () => void found.push((await button.boundingBox())?.width));
    return found;
  };
  const before = await widths('Manage billing');
  await manage(page, 'Home').click();
  await expect(card(page, 'Home').getByRole('button', { name: texts.opening })).toBeVisible();
  expect(await widths(texts.opening)).toEqual(before);
});
