// Several tabs of one browser: they share one stream of changes. And what a tab does with a stream, or a browser, that it
// does not understand.

import type { BrowserContext, Page, Request } from '@playwright/test';
import { card, manage, onPortal, signIn } from '../harness/pages.ts';
import { stripe } from '../harness/sandbox.ts';
import { expect, test } from '../harness/test.ts';

const isStream = (request: Request) => new URL(request.url()).pathname === '/billing/live';

/** The streams that are open. */
function streams(context: BrowserContext): Set<Request> {
  const open = new Set<Request>();
  context.on('request', (request) => {
    if (isStream(request)) open.add(request);
  });
  context.on('requestfinished', (request) => open.delete(request));
  context.on('requestfailed', (request) => open.delete(request));
  return open;
}

/** The live parts of the list run. */
async function awake(page: Page): Promise<void> {
  await expect(page.getByRole('button', { name: /^Copy customer ID/ }).first()).toBeVisible();
}

/** As if another tab were in front of it, or no longer. */
async function hide(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, isHidden);
}

// A browser opens six connections to a host of HTTP/1.1, which is what Billhook speaks without a proxy.
test('@js seven tabs have one stream, hear of changes, and all of their buttons work', async ({ page, context, shop }) => {
  const home = await shop.customer({ name: 'Home' });
  const open = streams(context);
  await signIn(page, shop.address);
  await awake(page);
  const tabs = [page];
  while (tabs.length < 7) {
    const tab = await context.newPage();
    await tab.goto('/billing');
    await awake(tab);
    tabs.push(tab);
  }
  await expect.poll(() => open.size).toBe(1);
  await stripe().customers.update(home.id, { name: 'Renamed' });
  for (const tab of tabs) await expect(card(tab, 'Renamed')).toBeVisible();
  expect(open.size).toBe(1);

  // Another one takes over from a tab that is closed.
  await page.close();
  await stripe().customers.update(home.id, { name: 'Renamed again' });
  for (const tab of tabs.slice(1)) await expect(card(tab, 'Renamed again')).toBeVisible();
  const last = tabs[6] as Page;
  await manage(last, 'Renamed again').click();
  await onPortal(last);
});

test('@js a hidden tab has no stream, and is up to date as soon as it is seen', async ({ page, context, shop }) => {
  const home = await shop.customer({ name: 'Home' });
  const open = streams(context);
  await signIn(page, shop.address);
  await awake(page);
  await expect.poll(() => open.size).toBe(1);
  await hide(page, true);
  await expect.poll(() => open.size).toBe(0);
  await stripe().customers.update(home.id, { name: 'Changed meanwhile' });
  await hide(page, false);
  await expect(card(page, 'Changed meanwhile')).toBeVisible();
  await expect.poll(() => open.size).toBe(1);
});

test('@js a session that ends is told to every tab', async ({ page, context, shop, baseURL }) => {
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await awake(page);
  const second = await context.newPage();
  await second.goto('/billing');
  await awake(second);
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await expect(second).toHaveURL((url) => url.origin === baseURL && url.pathname === '/');
});

test('@js a list that this program cannot read loads the page again, once', async ({ page, context, shop }) => {
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await awake(page);
  let asked = 0;
  await context.route(/\/billing\/live/, (route) => {
    asked += 1;
    return route.fulfill({ contentType: 'text/event-stream', body: 'retry: 100\nevent: customers\ndata: {"of":"tomorrow"}\n\n' });
  });
  let loads = 0;
  page.on('load', () => (loads += 1));
  // Not until it is loaded: it may load itself again before.
  await page.goto('/billing', { waitUntil: 'commit' });
  await expect.poll(() => loads).toBe(2);
  const before = asked;
  await expect.poll(() => asked).toBeGreaterThan(before + 3);
  expect(loads).toBe(2);
  await expect(card(page, 'Home')).toBeVisible();

  // What can be read makes good for it, so that the next time counts again.
  await context.unroute(/\/billing\/live/);
  await expect.poll(() => page.evaluate(() => history.state)).toBeNull();
  expect(loads).toBe(2);
});

test('@js a browser that cannot format a day has the list all the same', async ({ page, shop }) => {
  await page.addInitScript(() => {
    Object.defineProperty(navigator, 'language', { get: () => 'C' });
    const refuse = () => {
      throw new RangeError('Incorrect locale information provided');
    };
    Object.assign(Date.prototype, { getMonth: refuse, getFullYear: refuse, toLocaleDateString: refuse });
  });
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await awake(page);
  await expect(card(page, 'Home')).toContainText(/Customer since \d{1,2} [A-Z][a-z]+ \d{4}/);
  await stripe().customers.update(home.id, { name: 'Renamed' });
  await expect(card(page, 'Renamed')).toContainText(/Customer since \d{1,2} [A-Z][a-z]+ \d{4}/);
});
