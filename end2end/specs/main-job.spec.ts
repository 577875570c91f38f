// The job that Billhook exists for, from the address to the portal and back, as one person does it in one browser.

import { signInMail } from '../harness/mail.ts';
import {
  ask,
  card,
  list,
  manage,
  onPortal,
  records,
  signIn,
  signInButton,
  texts,
  title,
} from '../harness/pages.ts';
import { changeEmail, goBack } from '../harness/portal.ts';
import { callsAbout } from '../harness/sandbox.ts';
import { expect, test } from '../harness/test.ts';

test('sign in by mail, see all three customers, open the portal of one, change its address there', async ({
  page,
  shop,
  baseURL,
  looksRight,
}) => {
  for (const name of ['Home', 'Studio', 'Boat club']) await shop.customer({ name });

  await page.goto('/');
  await expect(title(page)).toHaveText(texts.start);
  await looksRight(page);
  await ask(page, shop.address);
  await expect(page).toHaveURL(`${baseURL}/sign-in/check`);
  await expect(page.getByText(`If ${shop.address} has an account with Northwind, a link and a code are on their way.`)).toBeVisible();
  await looksRight(page);

  const mail = await signInMail(shop.address);
  expect(mail.subject).toBe('Sign in to Northwind billing');
  expect(mail.from).toEqual([{ address: 'billing@example.com', name: 'Northwind' }]);
  expect(mail.link.startsWith(`${baseURL}/sign-in/link?token=`)).toBe(true);
  expect(mail.html).toContain(mail.token);

  await page.goto(mail.link);
  await expect(page).toHaveURL(`${baseURL}/sign-in/confirm`);
  await expect(title(page)).toHaveText(texts.confirm);
  await expect(page.getByText(/Sign in as a\S*…\S*@example\.com/)).toBeVisible();
  await looksRight(page);

  await signInButton(page).click();
  await expect(page).toHaveURL(`${baseURL}/billing`);
  await expect(title(page)).toHaveText(records(3));
  await expect(page.getByText(`Signed in as ${shop.address}`)).toBeVisible();
  await expect(page.getByRole('article')).toHaveCount(3);
  await looksRight(page);

  await manage(page, 'Studio').click();
  await onPortal(page);
  await changeEmail(page, `other.${shop.mark}@example.com`);
  await goBack(page);
  await expect(page).toHaveURL(list);
  // The news of the change may still be on its way when the browser is back.
  await expect(async () => {
    await page.reload();
    await expect(title(page)).toHaveText(records(2), { timeout: 500 });
  }).toPass();
  await expect(card(page, 'Studio')).toHaveCount(0);
  await expect(card(page, 'Boat club')).toBeVisible();
});

test('checklist 12, 37: our forms lead in and to a portal on another site, and who comes back is still signed in', async ({
  page,
  shop,
  baseURL,
}) => {
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  for (const back of [() => goBack(page), () => page.goBack()]) {
    await manage(page, 'Home').click();
    await onPortal(page);
    expect(new URL(page.url()).hostname).not.toBe(new URL(baseURL ?? '').hostname);
    await expect(title(page)).toHaveText('Billing portal');
    await back();
    await expect(page).toHaveURL(list);
    await expect(title(page)).toHaveText(records(1));
    await expect(page.getByText(`Signed in as ${shop.address}`)).toBeVisible();
  }
});

test('@js a change in the portal appears in the other tab by itself', async ({ page, context, shop }) => {
  for (const name of ['Home', 'Studio', 'Boat club']) await shop.customer({ name });
  await signIn(page, shop.address);
  const second = await context.newPage();
  await second.goto('/billing');
  await expect(title(second)).toHaveText(records(3));
  await second.evaluate(() => Object.assign(window, { notReloaded: true }));

  await manage(page, 'Home').click();
  await onPortal(page);
  await changeEmail(page, `other.${shop.mark}@example.com`);

  await expect(title(second)).toHaveText(records(2));
  await expect(card(second, 'Home')).toHaveCount(0);
  expect(await second.evaluate(() => 'notReloaded' in window)).toBe(true);
});

test('the person whose address it is now sees the customer', async ({ page, shop, otherBrowser, baseURL }) => {
  const newAddress = `bea.${shop.mark}@example.net`;
  const moved = await shop.customer({ name: 'Moved' });
  await signIn(page, shop.address);
  await manage(page, 'Moved').click();
  await onPortal(page);
  await changeEmail(page, newAddress);
  await goBack(page);
  // Nothing is left under the old address, so nobody is signed in with it any more.
  await expect(async () => {
    await page.reload();
    await expect(page).toHaveURL(`${baseURL}/`, { timeout: 500 });
  }).toPass();

  const theirs = await (await otherBrowser()).newPage();
  await signIn(theirs, newAddress);
  await expect(async () => {
    await theirs.reload();
    await expect(card(theirs, 'Moved')).toBeVisible({ timeout: 500 });
  }).toPass();
  const made = (await callsAbout(moved.id)).filter(({ path }) => path === '/v1/billing_portal/sessions');
  expect(made, 'one click, one portal session').toHaveLength(1);
});
