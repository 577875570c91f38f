// Several tabs of one browser: they share one stream of changes.

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
