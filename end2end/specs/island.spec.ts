// What scripts add to the list: filter, copying an id, and changes that appear by themselves.

import { arrived, day, lateIn, sell, subscribe, withCard } from '../harness/billing.ts';
import { card, records, signIn, subscription, title } from '../harness/pages.ts';
import { stripe } from '../harness/sandbox.ts';
import { expect, test } from '../harness/test.ts';

test('@js more than five records can be filtered', async ({ page, shop, looksRight }) => {
  const names = ['Home', 'Studio', 'Boat club', 'Bakery', 'Choir', 'Workshop', 'Tennis club'];
  for (const name of names) await shop.customer({ name });
  await signIn(page, shop.address);
  const filter = page.getByLabel('Filter records');
  await filter.fill('CLUB');
  await expect(page.getByRole('article')).toHaveCount(2);
  await expect(card(page, 'Tennis club')).toBeVisible();
  await looksRight(page);

  await filter.fill('zebra');
  await expect(page.getByText('No record matches “zebra”.')).toBeVisible();
  await expect(page.getByRole('article')).toHaveCount(0);
  await looksRight(page);

  await filter.fill('');
  await expect(page.getByRole('article')).toHaveCount(names.length);
});

test('@js the filter finds an id', async ({ page, shop }) => {
  for (let index = 0; index < 5; index += 1) await shop.customer({ name: `Branch ${index}` });
  const wanted = await shop.customer({ name: 'The one' });
  await signIn(page, shop.address);
  await page.getByLabel('Filter records').fill(wanted.id);
  await expect(page.getByRole('article')).toHaveCount(1);
  await expect(card(page, 'The one')).toBeVisible();
});

test('@js five records need no filter', async ({ page, shop }) => {
  for (let index = 0; index < 5; index += 1) await shop.customer({ name: `Branch ${index}` });
  await signIn(page, shop.address);
  await expect(page.getByRole('button', { name: /^Copy customer ID/ })).toHaveCount(5);
  await expect(page.getByLabel('Filter records')).toBeHidden();
});

// In Firefox no test can read the clipboard.
test('@js @chromium the copy button puts the customer id on the clipboard', async ({ page, context, shop, baseURL }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], baseURL === undefined ? {} : { origin: baseURL });
  await shop.customer({ name: 'Home' });
  const studio = await shop.customer({ name: 'Studio' });
  await signIn(page, shop.address);
  await page.getByRole('button', { name: `Copy customer ID ${studio.id}` }).click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(studio.id);
});

// Debian's Firefox cannot be told to have another language.
test('@js @chromium days are in the language of the page and the time zone of the visitor', async ({ shop, otherBrowser }) => {
  const customer = await shop.customer({ name: 'Home', ...withCard });
  const { trial_end } = await subscribe(customer, await sell('Pro'), { trial_end: lateIn(40) });
  await arrived();
  const page = await (await otherBrowser({ locale: 'de-DE', timezoneId: 'Asia/Tokyo' })).newPage();
  await signIn(page, shop.address);
  await expect(page.getByRole('button', { name: `Copy customer ID ${customer.id}` })).toBeVisible();
  // Half an hour before midnight in UTC is tomorrow in Tokyo as in Berlin.
  await expect(subscription(card(page, 'Home'), 'Pro')).toContainText(`Trial until ${day(trial_end, true)}`);
});

test('@js what happens at Stripe appears without a reload', async ({ page, shop }) => {
  const first = await shop.customer({ name: 'First' });
  await signIn(page, shop.address);
  await expect(title(page)).toHaveText(records(1));
  // The buttons that need scripts show that these are running.
  await expect(page.getByRole('button', { name: `Copy customer ID ${first.id}` })).toBeVisible();
  await page.evaluate(() => Object.assign(window, { notReloaded: true }));

  const second = await shop.customer({ name: 'Second' });
  await expect(title(page)).toHaveText(records(2));
  await expect(card(page, 'Second')).toBeVisible();
  await stripe().customers.update(second.id, { name: 'Renamed' });
  await expect(card(page, 'Renamed')).toBeVisible();
  await expect(card(page, 'Second')).toHaveCount(0);
  await stripe().customers.del(first.id);
  await expect(title(page)).toHaveText(records(1));
  await expect(card(page, 'First')).toHaveCount(0);
  expect(await page.evaluate(() => 'notReloaded' in window)).toBe(true);
});

test('@js a change of somebody else changes nothing here', async ({ page, shop }) => {
  const mine = await shop.customer({ name: 'Mine' });
  await signIn(page, shop.address);
  await expect(page.getByRole('button', { name: `Copy customer ID ${mine.id}` })).toBeVisible();
  const foreign = await shop.customer({ email: `bob.${shop.mark}@example.com`, name: 'Foreign' });
  await stripe().customers.update(mine.id, { name: 'Still mine' });
  await expect(card(page, 'Still mine')).toBeVisible();
  await expect(title(page)).toHaveText(records(1));
  expect(await page.content()).not.toContain(foreign.id);
});

test('@js a lost connection is told, and made good when it is back', async ({ page, context, shop, watch }) => {
  const home = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await expect(page.getByRole('button', { name: `Copy customer ID ${home.id}` })).toBeVisible();
  watch.allow(/ERR_INTERNET_DISCONNECTED/);
  await context.setOffline(true);
  await expect(page.getByText('You are offline.')).toBeVisible();
  await stripe().customers.update(home.id, { name: 'Changed meanwhile' });
  await context.setOffline(false);
  await expect(page.getByText('You are offline.')).toBeHidden();
  await expect(card(page, 'Changed meanwhile')).toBeVisible();
});
