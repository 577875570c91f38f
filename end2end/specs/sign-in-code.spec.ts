// The eight-digit code: the way in for whoever reads mail in another browser than the one that asked.

import { signInMail, wrongCode } from '../harness/mail.ts';
import { ask, codeField, enterCode, records, signInButton, texts, title } from '../harness/pages.ts';
import { expect, test } from '../harness/test.ts';

test('the link opened in another browser sends to the code, and the code signs in where it was asked for', async ({
  page,
  shop,
  baseURL,
  otherBrowser,
  looksRight,
}) => {
  await shop.customer({ name: 'Home' });
  await ask(page, shop.address);
  const mail = await signInMail(shop.address);

  const elsewhere = await (await otherBrowser()).newPage();
  await elsewhere.goto(mail.link);
  await expect(title(elsewhere)).toHaveText(texts.elsewhere);
  await expect(signInButton(elsewhere)).toHaveCount(0);
  await expect(elsewhere.getByText(shop.address)).toHaveCount(0);
  await looksRight(elsewhere);
  await elsewhere.goto('/billing');
  await expect(elsewhere).toHaveURL(`${baseURL}/`);

  await enterCode(page, mail.code);
  await expect(page).toHaveURL(`${baseURL}/billing`);
  await expect(title(page)).toHaveText(records(1));
});

for (const [what, write] of [
  ['a space', (code: string) => `${code.slice(0, 4)} ${code.slice(4)}`],
  ['a dash and spaces around it', (code: string) => ` ${code.slice(0, 4)}-${code.slice(4)} `],
] as const) {
  test(`a code written with ${what} is understood @chromium`, async ({ page, shop, baseURL }) => {
    await ask(page, shop.address);
    const { code } = await signInMail(shop.address);
    await enterCode(page, write(code));
    await expect(page).toHaveURL(`${baseURL}/billing`);
  });
}

test('a wrong code says so, in words, with the focus where it helps; the right one still works @chromium', async ({
  page,
  shop,
  baseURL,
  looksRight,
}) => {
  await ask(page, shop.address);
  const { code } = await signInMail(shop.address);
  await enterCode(page, wrongCode(code));
  await expect(page.getByText(texts.wrongCode)).toBeVisible();
  await expect(codeField(page)).toHaveAccessibleDescription(new RegExp(texts.wrongCode));
  await looksRight(page);
  await enterCode(page, code);
  await expect(page).toHaveURL(`${baseURL}/billing`);
});

test('checklist 9: five wrong codes end the attempt, for the right code and for the link @chromium', async ({
  page,
  shop,
  baseURL,
  looksRight,
}) => {
  await ask(page, shop.address);
  const mail = await signInMail(shop.address);
  for (const step of [1, 2, 3, 4]) {
    await enterCode(page, wrongCode(mail.code, step));
    await expect(page.getByText(texts.wrongCode)).toBeVisible();
  }
  await enterCode(page, wrongCode(mail.code, 5));
  await expect(page).toHaveURL(/\/sign-in\/check\?problem=/);
  await enterCode(page, mail.code);
  await expect(page.getByText(texts.spentCode)).toBeVisible();
  await looksRight(page);

  await page.goto(mail.link);
  await expect(title(page)).toHaveText(texts.dead);
  await page.goto('/billing');
  await expect(page).toHaveURL(`${baseURL}/`);
});

test('a code works once, and twice at once for the browser that used it', async ({ page, shop, baseURL, context }) => {
  await ask(page, shop.address);
  const { code } = await signInMail(shop.address);
  const asking = await context.storageState();
  await enterCode(page, code);
  await expect(page).toHaveURL(`${baseURL}/billing`);

  // The same browser as it was before the code was used: as if the answer had been lost.
  // The list is left first: it would see its session go.
  await page.goto('about:blank');
  await context.clearCookies();
  await context.addCookies(asking.cookies);
  await page.goto('/sign-in/check');
  await enterCode(page, code);
  await expect(page).toHaveURL(`${baseURL}/billing`);
  await page.goto('/devices');
  await expect(page.locator('.card')).toHaveCount(1);

  // Another browser.
  await context.clearCookies();
  await ask(page, shop.address);
  await enterCode(page, code);
  await expect(page.getByText(texts.wrongCode)).toBeVisible();
  await page.goto('/billing');
  await expect(page).toHaveURL(`${baseURL}/`);
});
