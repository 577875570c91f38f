// The session: what the browser holds of it, and that signing out ends it everywhere.

import { manage, records, signIn, signOut, title } from '../harness/pages.ts';
import { callsAbout } from '../harness/sandbox.ts';
import { seen } from '../harness/seen.ts';
import { stack } from '../harness/stack.ts';
import { expect, test } from '../harness/test.ts';

test('checklist 15: cookies are out of reach of scripts and of other sites, and no token is anywhere else', async ({
  page,
  context,
  browserName,
  shop,
}) => {
  const pages: string[] = [];
  page.on('response', async (response) => {
    if (response.request().resourceType() !== 'document' || response.status() !== 200) return;
    pages.push(await response.text().catch(() => ''));
  });
  await shop.customer({ name: 'Home' });
  const { token, code } = await signIn(page, shop.address);
  // To leave a page that still loads its program is an error to Firefox.
  if (browserName === 'firefox') await expect(page.getByRole('button', { name: /^Copy customer ID/ })).toBeVisible();
  await page.reload();
  await expect(title(page)).toHaveText(records(1));

  const cookies = await context.cookies();
  expect(cookies.length).toBeGreaterThanOrEqual(2);
  for (const cookie of cookies) {
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax', path: '/', domain: '127.0.0.1' });
    expect(cookie.value.length).toBeLessThan(4096);
  }
  const secrets = [token, code, ...cookies.map(({ value }) => value).filter((value) => value.length >= 16)];
  seen(...secrets);

  const reachable = await page.evaluate(() => ({
    cookie: document.cookie,
    local: Object.keys(localStorage),
    session: Object.keys(sessionStorage),
  }));
  expect(reachable).toEqual({ cookie: '', local: [], session: [] });
  expect(pages.length).toBeGreaterThanOrEqual(4);
  const html = [...pages, await page.content()].join('\n');
  expect(secrets.filter((secret) => html.includes(secret))).toEqual([]);
});

test('checklist 16: sign-in replaces whatever cookies were there before', async ({ page, context, shop, baseURL }) => {
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const names = (await context.cookies()).map(({ name }) => name);
  // The list is left first: it would see its session go.
  await page.goto('about:blank');
  await context.clearCookies();
  const planted = 'planted-by-somebody-else';
  await context.addCookies(names.map((name) => ({ name, value: planted, url: baseURL ?? '' })));
  await signIn(page, shop.address);
  const kept = (await context.cookies()).filter(({ value }) => value === planted);
  expect(kept).toEqual([]);
});

test('checklist 22: signing out ends the session for the back button and for copied cookies', async ({
  page,
  context,
  shop,
  baseURL,
  otherBrowser,
}) => {
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const copied = await context.cookies();
  await signOut(page);
  // The device's cookie stays: it signs nobody in, and keeps strangers from locking this browser out.
  const kept = (await context.cookies()).filter(({ name }) => name !== 'billhook_device');
  const left = kept.map(({ value }) => value);
  expect(copied.filter(({ value }) => value.length >= 16 && left.includes(value))).toEqual([]);

  await page.goBack();
  await expect(page).toHaveURL(`${baseURL}/`);
  await expect(page.getByText(home.id)).toHaveCount(0);
  await expect(page.getByText(shop.address)).toHaveCount(0);

  const thief = await otherBrowser();
  await thief.addCookies(copied);
  const opened = await thief.request.post('/api/open_portal', {
    form: { customer: home.id, flow: 'home' },
    headers: { Origin: stack().app, 'Sec-Fetch-Site': 'same-origin' },
    maxRedirects: 0,
  });
  expect(opened.headers()['location'] ?? '').not.toContain(stack().sandbox);
  expect(await callsAbout(home.id)).toEqual([]);
  const page2 = await thief.newPage();
  await page2.goto('/billing');
  await expect(page2).toHaveURL(`${baseURL}/`);
});

test('a second tab that is still open finds out when it is used', async ({ page, context, shop, watch }) => {
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const second = await context.newPage();
  await second.goto('/billing');
  await expect(title(second)).toHaveText(records(1));
  // Its stream of changes may be turned away before it is used.
  watch.allow(/status of 401|EventSource/);
  await signOut(page);
  await manage(second, 'Home')
    .click()
    .catch(() => undefined);
  await expect(second.getByRole('article')).toHaveCount(0);
});
