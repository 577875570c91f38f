// The first page: the address field, what it refuses, and what it remembers.

import { mailsTo, signInMail } from '../harness/mail.ts';
import { ask, emailField, known, longAddress, records, signIn, signInButton, texts, title } from '../harness/pages.ts';
import { expect, test } from '../harness/test.ts';

const button = 'E-mail me a sign-in link';

test('a bad address is explained beside the field, and what was typed is kept', async ({ page, looksRight, baseURL }) => {
  for (const typed of ['ada@', 'ada lovelace@example.com', `${'a'.repeat(65)}@example.com`]) {
    await page.goto('/');
    // What a browser itself would refuse has to be refused by the server as well.
    await emailField(page).evaluate((field: HTMLInputElement) => {
      if (field.form !== null) field.form.noValidate = true;
    });
    await emailField(page).fill(typed);
    await page.getByRole('button', { name: button }).click();
    await expect(page.getByText(texts.badAddress)).toBeVisible();
    await expect(page, 'an address with a slip in it is not for histories').toHaveURL(`${baseURL}/?problem=address`);
    await expect(emailField(page)).toHaveValue(typed);
    await expect(emailField(page)).toHaveAccessibleDescription(new RegExp(texts.badAddress));
    await expect(emailField(page)).toHaveAttribute('aria-invalid', 'true');
  }
  await looksRight(page);
});

test('the mistake can be mended at once', async ({ page, shop }) => {
  await known(shop.address);
  await page.goto('/?problem=address&email=ada%40');
  await expect(emailField(page)).toHaveValue('ada@');
  await emailField(page).fill(shop.address);
  await page.getByRole('button', { name: button }).click();
  await expect(title(page)).toHaveText(texts.check);
  await signInMail(shop.address);
});

test('a seller can link to the page with the address filled in', async ({ page, shop }) => {
  await page.goto(`/?email=${encodeURIComponent(shop.address)}`);
  await expect(emailField(page)).toHaveValue(shop.address);
  await expect(page.getByText(texts.badAddress)).toHaveCount(0);
  await page.getByRole('button', { name: button }).click();
  await expect(title(page)).toHaveText(texts.check);
  await expect(page.getByText(shop.address)).toBeVisible();
});

test('checklist 8: a double click on the button leaves a link that works', async ({ page, shop, baseURL }) => {
  await known(shop.address);
  await page.goto('/');
  await emailField(page).fill(shop.address);
  await page.getByRole('button', { name: button }).dblclick();
  await expect(title(page)).toHaveText(texts.check);
  const { link } = await signInMail(shop.address);
  await page.goto(link);
  await signInButton(page).click();
  await expect(page).toHaveURL(`${baseURL}/billing`);
  expect(await mailsTo(shop.address)).toHaveLength(1);
});

test('markup in the prefilled address stays text', async ({ page }) => {
  const markup = '"><script>console.log(1)</script><b>x@example.com';
  await page.goto(`/?problem=address&email=${encodeURIComponent(markup)}`);
  await expect(emailField(page)).toHaveValue(markup);
  await expect(page.locator('b')).toHaveCount(0);
});

test('the field helps a phone to fill it in', async ({ page }) => {
  await page.goto('/');
  await expect(emailField(page)).toHaveAttribute('autocomplete', 'email');
  await expect(emailField(page)).toHaveAttribute('inputmode', 'email');
  await expect(emailField(page)).toHaveAttribute('enterkeyhint', /.+/);
});

test('the check page leads back to another address', async ({ page, shop, baseURL }) => {
  await ask(page, shop.address);
  await expect(page.getByLabel('8-digit code')).toHaveAttribute('autocomplete', 'one-time-code');
  await page.getByRole('link', { name: 'Use another address' }).click();
  await expect(page).toHaveURL(`${baseURL}/`);
});

test('the check page says what to do when no mail comes, and sends again to the same address', async ({ page, shop, looksRight }) => {
  await known(shop.address);
  await ask(page, shop.address);
  await signInMail(shop.address);
  await expect(page.getByRole('heading', { name: 'No mail after a minute?' })).toBeVisible();
  await expect(page.getByText('Look in the spam folder')).toBeVisible();
  await page.getByRole('button', { name: 'Send again' }).click();
  await expect(title(page)).toHaveText(texts.check);
  await expect(page.getByText(shop.address)).toBeVisible();
  await expect(page.getByText(/You can ask for the next in \d+ seconds?\./)).toBeVisible();
  expect(await mailsTo(shop.address), 'one mail a minute').toHaveLength(1);
  await looksRight(page);
});

test('the longest address there is can be asked with, and fits', async ({ page, shop, looksRight }) => {
  const longest = longAddress(shop.mark, 254);
  await ask(page, longest);
  await expect(page.getByText(longest)).toBeVisible();
  await looksRight(page);
});

// One character less: the mail server of the tests takes no more.
test('a very long address and name work and fit', async ({ page, shop, looksRight }) => {
  const long = longAddress(shop.mark, 253);
  await shop.customer({ email: long, name: 'W'.repeat(180) });
  await signIn(page, long);
  await expect(title(page)).toHaveText(records(1));
  await expect(page.getByRole('article')).toContainText(long);
  await looksRight(page);
});
