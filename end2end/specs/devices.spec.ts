// The list of signed-in devices, with two browsers of one person.

import type { Locator, Page } from '@playwright/test';
import { records, signIn, title } from '../harness/pages.ts';
import { expect, test } from '../harness/test.ts';

function device(page: Page, state: RegExp): Locator {
  const name = page.context().browser()?.browserType().name() === 'firefox' ? 'Firefox on Linux' : 'Chrome on Linux';
  return page.getByRole('article', { name }).filter({ hasText: state });
}

test('checklist 22: one browser signs the other out, and the back button shows nothing there', async ({
  page,
  shop,
  otherBrowser,
  looksRight,
  watch,
  baseURL,
}) => {
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const second = await (await otherBrowser()).newPage();
  await signIn(second, shop.address);
  await expect(title(second)).toHaveText(records(1));
  await second.getByRole('link', { name: 'Devices', exact: true }).click();
  await expect(title(second)).toHaveText('Signed-in devices');

  await page.getByRole('link', { name: 'Devices', exact: true }).click();
  await expect(title(page)).toHaveText('Signed-in devices');
  await expect(page.getByRole('article')).toHaveCount(2);
  await expect(page.getByRole('article').first()).toContainText('This device');
  await expect(device(page, /This device/)).toHaveCount(1);
  await looksRight(page);

  const other = page.getByRole('article').last();
  await expect(other).not.toContainText('This device');
  await other.getByRole('button', { name: /^Sign out/ }).click();
  await expect(page).toHaveURL(`${baseURL}/devices`);
  await expect(page.getByRole('article')).toHaveCount(1);

  // The list in the other browser's history may try its stream once more.
  watch.allow(/EventSource|status of 401/);
  await second.reload();
  await expect(second).toHaveURL(`${baseURL}/`);
  await second.goBack();
  await expect(second).toHaveURL(`${baseURL}/`);
  await expect(second.getByText(shop.address)).toHaveCount(0);
});

test('checklist 22: signing out everywhere ends this browser too', async ({ page, shop, otherBrowser, baseURL }) => {
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const second = await (await otherBrowser()).newPage();
  await signIn(second, shop.address);
  await second.goto('/devices');
  await page.goto('/devices');
  await page.getByRole('button', { name: 'Sign out everywhere', exact: true }).click();
  await expect(page).toHaveURL(`${baseURL}/`);
  await page.goBack();
  await expect(page).toHaveURL(`${baseURL}/`);
  await expect(page.getByText(shop.address)).toHaveCount(0);
  await second.reload();
  await expect(second).toHaveURL(`${baseURL}/`);
});
