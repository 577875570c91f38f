// For everybody: the keyboard alone, less motion, and a page that is not there.

import { signInMail } from '../harness/mail.ts';
import { codeField, emailField, manage, onPortal, records, signIn, styled, tabTo, texts, title } from '../harness/pages.ts';
import { expect, test } from '../harness/test.ts';

test('the keyboard is enough for the whole way', async ({ page, shop, baseURL }) => {
  await shop.customer({ name: 'Home' });
  await page.goto('/');
  await tabTo(page, emailField(page));
  await page.keyboard.type(shop.address);
  await page.keyboard.press('Enter');
  await expect(title(page)).toHaveText(texts.check);
  const { code } = await signInMail(shop.address);
  await tabTo(page, codeField(page));
  await page.keyboard.type(code);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(`${baseURL}/billing`);
  await tabTo(page, manage(page, 'Home'));
  await page.keyboard.press('Enter');
  await onPortal(page);
});

test('sign-out is reached by keyboard too', async ({ page, shop, baseURL }) => {
  await signIn(page, shop.address);
  await tabTo(page, page.getByRole('button', { name: 'Sign out', exact: true }));
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(`${baseURL}/`);
});

// Debian's Firefox cannot be told to ask for that.
test('nothing moves for whoever asked for that @chromium', async ({ page, shop }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const moving = async () => {
    await styled(page);
    return page.evaluate(() =>
      [...document.querySelectorAll('*')].flatMap((element) => {
        const style = getComputedStyle(element);
        const times = `${style.transitionDuration},${style.animationDuration}`.split(',').map(Number.parseFloat);
        return times.some((time) => time > 0.001) ? [element.outerHTML.slice(0, 120)] : [];
      }),
    );
  };
  await page.goto('/');
  expect(await moving()).toEqual([]);
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await expect(title(page)).toHaveText(records(1));
  expect(await moving()).toEqual([]);
});

test('a page that is not there says so and leads on', async ({ page, watch, looksRight, baseURL }) => {
  watch.allow(/status of 404/);
  const answer = await page.goto('/no/such/page');
  expect(answer?.status()).toBe(404);
  await expect(title(page)).toHaveText(texts.missing);
  await looksRight(page);
  await page.getByRole('main').getByRole('link').first().click();
  await expect(page).toHaveURL(`${baseURL}/`);
});

test('every page has a title of its own and one main heading', async ({ page, shop }) => {
  await shop.customer({ name: 'Home' });
  const titles = new Set<string>();
  const visit = async () => {
    await expect(title(page)).toHaveCount(1);
    titles.add(await page.title());
  };
  await page.goto('/');
  await visit();
  await page.goto('/sign-in/check');
  await visit();
  await signIn(page, shop.address);
  await visit();
  expect(titles.size).toBe(3);
  expect([...titles].every((text) => text.includes('Northwind'))).toBe(true);
});
