// The list of customers: who is on it, who is not, and what stands on a card.

import { arrived, sell, subscribe, withCard } from '../harness/billing.ts';
import { customerInBillhook } from '../harness/database.ts';
import { card, records, signIn, signInAsNobody, signOut, texts, title } from '../harness/pages.ts';
import { callsAbout, stripe } from '../harness/sandbox.ts';
import { expect, test } from '../harness/test.ts';

test('an address without customers is told so kindly', async ({ page, shop, looksRight }) => {
  await signInAsNobody(page, shop.address);
  await expect(title(page)).toHaveText(texts.none);
  await expect(page.getByRole('main')).toContainText(shop.address);
  await expect(page.getByRole('article')).toHaveCount(0);
  await looksRight(page);
  await signOut(page);
});

test('a card says which customer it is', async ({ page, shop }) => {
  const customer = await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  await expect(title(page)).toHaveText(records(1));
  await expect(page.getByRole('main')).not.toContainText('Each has its own');
  const home = card(page, 'Home');
  await expect(home).toContainText(shop.address);
  await expect(home).toContainText(customer.id);
  await expect(home).toContainText(/Customer since \d{1,2} [A-Z][a-z]+ \d{4}/);
  await expect(home.locator('time')).toHaveAttribute('datetime', /^\d{4}-\d{2}-\d{2}/);
  await expect(home.locator('.state')).toHaveText('No plan');
  for (const name of ['Manage billing', 'Payment method', 'Invoices']) {
    await expect(home.getByRole('button', { name, exact: true })).toBeVisible();
  }
});

test('with one record the page is called by shop and plan, with several they are counted', async ({ page, shop }) => {
  await subscribe(await shop.customer({ name: 'Home', ...withCard }), await sell('Pro'));
  await arrived();
  await signIn(page, shop.address);
  await expect(title(page)).toHaveText('Northwind: Pro');
  await shop.customer({ name: 'Studio' });
  await page.reload();
  await expect(title(page)).toHaveText(records(2));
  await expect(page.getByRole('main')).toContainText('Each has its own plan, payment method and invoices.');
  await expect(page.getByRole('main')).not.toContainText(/entry|entries/i);
});

test('a customer without a name goes by description, then address', async ({ page, shop }) => {
  await shop.customer({ description: 'Till 4' });
  await shop.customer();
  await signIn(page, shop.address);
  await expect(card(page, 'Till 4')).toBeVisible();
  await expect(card(page, shop.address)).toBeVisible();
  // An address that is the name of the card is not said a second time.
  await expect(card(page, shop.address).getByText(shop.address)).toHaveCount(1);
  await expect(card(page, 'Till 4').getByText(shop.address)).toHaveCount(1);
});

test('names are text, whatever is in them', async ({ page, shop, looksRight }) => {
  const name = '</script><script>console.log(1)</script><b onmouseover=alert(1)>Bold & "Söhne" \u202e';
  await shop.customer({ name });
  await signIn(page, shop.address);
  const heading = page.getByRole('heading', { level: 2 });
  await expect(heading).toHaveText(name);
  await expect(page.locator('article b')).toHaveCount(0);
  // Nothing in a name turns round what stands beside it.
  await expect(heading.locator('bdi')).toHaveText(name);
  await looksRight(page);
});

test('checklist 26: addresses that differ only in case are one person, a plus sign makes another', async ({ page, shop }) => {
  await shop.customer({ email: `Grace.${shop.mark}@Example.com`, name: 'Written large' });
  await shop.customer({ email: `grace.${shop.mark}@example.com`, name: 'Written small' });
  await shop.customer({ email: `grace.${shop.mark}+shop@example.com`, name: 'Tagged' });
  await signIn(page, `grace.${shop.mark}@example.com`);
  await expect(title(page)).toHaveText(records(2));
  await expect(card(page, 'Written large')).toBeVisible();
  await expect(card(page, 'Written small')).toBeVisible();
});

test('checklist 26: a deleted customer is not shown', async ({ page, shop }) => {
  await shop.customer({ name: 'Kept' });
  const gone = await shop.customer({ name: 'Gone' });
  await stripe().customers.del(gone.id);
  await customerInBillhook(gone.id, ({ deleted_at }) => deleted_at !== null);
  await signIn(page, shop.address);
  await expect(title(page)).toHaveText(records(1));
  await expect(card(page, 'Kept')).toBeVisible();
  await expect(page.getByText(gone.id)).toHaveCount(0);
});

test('checklist 34: a page full of customers asks Stripe nothing', async ({ page, shop, looksRight }) => {
  const ids: string[] = [];
  for (let index = 0; index < 12; index += 1) ids.push((await shop.customer({ name: `Branch ${index}` })).id);
  await signIn(page, shop.address);
  await expect(title(page)).toHaveText(records(12));
  await page.reload();
  await expect(page.getByRole('article')).toHaveCount(12);
  await looksRight(page);
  for (const text of [...ids, shop.address]) expect(await callsAbout(text)).toEqual([]);
  expect(await page.content()).not.toContain('/p/session/');
});

test('@nojs nothing is shown that needs scripts', async ({ page, shop }) => {
  for (let index = 0; index < 7; index += 1) await shop.customer({ name: `Branch ${index}` });
  await signIn(page, shop.address);
  await expect(page.getByRole('article')).toHaveCount(7);
  await expect(page.getByLabel('Filter records').filter({ visible: true })).toHaveCount(0);
  await expect(page.getByRole('button', { name: /^Copy/ }).filter({ visible: true })).toHaveCount(0);
});
