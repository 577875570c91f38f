// The link: what may touch it without using it up, what uses it up, and what a used or late one says. What the server alone decides
// is asked in Chromium alone.

import type { APIRequestContext } from '@playwright/test';
import { expireSignIns } from '../harness/database.ts';
import { signInMail } from '../harness/mail.ts';
import { ask, codeField, enterCode, signIn, signInButton, signOut, texts, title } from '../harness/pages.ts';
import { expect, test } from '../harness/test.ts';

async function signedIn(request: APIRequestContext): Promise<boolean> {
  const answer = await request.get('/billing', { maxRedirects: 0 });
  return answer.status() === 200;
}

test('checklist 4: a scanner that runs scripts and presses everything gets nothing and breaks nothing', async ({
  page,
  shop,
  baseURL,
  otherBrowser,
}) => {
  await ask(page, shop.address);
  const { link } = await signInMail(shop.address);

  const scanner = await otherBrowser({ javaScriptEnabled: true });
  const bot = await scanner.newPage();
  await bot.goto(link);
  await expect(title(bot)).toHaveText(texts.elsewhere);
  const things = bot.locator('a[href], button, input[type=submit], summary');
  const count = await things.count();
  for (let index = 0; index < count; index += 1) {
    await bot.goto(link);
    const thing = things.nth(index);
    if (!(await thing.isVisible())) continue;
    await thing.click();
    await bot.waitForLoadState();
  }
  const forced = await scanner.request.post('/api/confirm_link', {
    headers: { Origin: baseURL ?? '' },
    maxRedirects: 0,
  });
  expect(forced.headers()['location'] ?? '').not.toContain('/billing');
  expect(await signedIn(scanner.request)).toBe(false);

  await page.goto(link);
  await signInButton(page).click();
  await expect(page).toHaveURL(`${baseURL}/billing`);
});

test('checklist 5: a link that somebody else asked for signs nobody in elsewhere', async ({ page, shop, otherBrowser, baseURL }) => {
  const attacker = await (await otherBrowser()).newPage();
  await ask(attacker, shop.address);
  const { link } = await signInMail(shop.address);

  // The victim has asked for an address of their own in this browser.
  await ask(page, `victim.${shop.mark}@example.org`);
  await page.goto(link);
  await expect(title(page)).toHaveText(texts.elsewhere);
  const masked = `${shop.address.charAt(0)}…${shop.address.charAt(shop.address.indexOf('@') - 1)}@example.com`;
  await expect(page.getByText(masked)).toBeVisible();
  await expect(page.getByText(shop.address)).toHaveCount(0);
  await expect(signInButton(page)).toHaveCount(0);
  await page.goto('/billing');
  await expect(page).toHaveURL(`${baseURL}/`);
});

test('a used link says so and offers a new one @chromium', async ({ page, shop, baseURL, looksRight }) => {
  const { link } = await signIn(page, shop.address);
  await signOut(page);
  await page.goto(link);
  await expect(title(page)).toHaveText(texts.dead);
  await expect(signInButton(page)).toHaveCount(0);
  await looksRight(page);
  await page.getByRole('link', { name: 'Ask for a new link' }).click();
  await expect(page).toHaveURL(`${baseURL}/`);
});

test('checklist 6: a link pressed twice signs in once', async ({ page, context, shop, baseURL }) => {
  await ask(page, shop.address);
  const { link } = await signInMail(shop.address);
  await page.goto(link);
  const second = await context.newPage();
  await second.goto(link);
  await signInButton(page).click();
  await expect(page).toHaveURL(`${baseURL}/billing`);
  const session = (await context.cookies()).map(({ value }) => value);

  // The other tab still shows the button; by now it is signed in, or told that the link is used, but gets no second session.
  await signInButton(second).click();
  await expect(second).toHaveURL(new RegExp('/(billing|sign-in/confirm)$'));
  const after = (await context.cookies()).map(({ value }) => value);
  expect(after.filter((value) => !session.includes(value))).toEqual([]);
});

test('checklist 7: after ten minutes link and code are dead @chromium', async ({ page, shop, baseURL, looksRight }) => {
  await ask(page, shop.address);
  const mail = await signInMail(shop.address);
  expect(expireSignIns(shop.address)).toBe(1);

  await page.goto('/sign-in/check');
  await expect(codeField(page)).toBeVisible();
  await enterCode(page, mail.code);
  await expect(page.getByText(texts.spentCode)).toBeVisible();
  await page.goto(mail.link);
  await expect(title(page)).toHaveText(texts.dead);
  await looksRight(page);
  await page.goto('/billing');
  await expect(page).toHaveURL(`${baseURL}/`);
});

test('a made-up token is just a dead link @chromium', async ({ page, baseURL }) => {
  await page.goto(`/sign-in/link?token=${'A'.repeat(43)}`);
  await expect(page).toHaveURL(`${baseURL}/sign-in/confirm`);
  await expect(title(page)).toHaveText(new RegExp(`${texts.dead}|${texts.elsewhere}`));
  await expect(signInButton(page)).toHaveCount(0);
});
