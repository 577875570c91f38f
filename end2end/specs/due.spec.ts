// What should be paid now: it stands first, and one button leads to its page at Stripe.

import type { Page } from '@playwright/test';
import type Stripe from 'stripe';
import { arrived, renew, sell, subscribe, withCard } from '../harness/billing.ts';
import { atEachWidth } from '../harness/looks.ts';
import { card, holdForms, list, manage, onPortal, pay, signIn, styled, subscription, texts, title } from '../harness/pages.ts';
import { goBack, openInvoice } from '../harness/portal.ts';
import { sessionsOf, stripe } from '../harness/sandbox.ts';
import { stack } from '../harness/stack.ts';
import { expect, type Shop, test } from '../harness/test.ts';
import { until } from '../harness/until.ts';

/** A customer whose last payment failed, and the invoice that is still open. */
async function late(shop: Shop, name: string, email = shop.address): Promise<[Stripe.Customer, string]> {
  const customer = await shop.customer({ name, email, ...withCard });
  const made = await subscribe(customer, await sell('Pro'));
  await renew(made, 'failed');
  const { latest_invoice } = await stripe().subscriptions.retrieve(made.id);
  return [customer, String(latest_invoice)];
}

const isInvoice = (url: URL): boolean => url.origin === stack().sandbox && url.pathname.startsWith('/i/');

test('a failed payment stands first, and its button leads to the invoice at Stripe', async ({ page, shop, looksRight }) => {
  // Whichever way the others are sorted, it is not the first of them by itself.
  await subscribe(await shop.customer({ name: 'Before', ...withCard }), await sell('Pro'));
  const [customer] = await late(shop, 'Late');
  await subscribe(await shop.customer({ name: 'After', ...withCard }), await sell('Pro'));
  await arrived();
  await signIn(page, shop.address);

  const first = page.getByRole('article').first();
  await expect(first).toHaveAccessibleName('Late');
  const due = first.getByRole('group', { name: 'A payment of €12.00 failed.', exact: true });
  await expect(due.getByRole('button')).toHaveCount(1);
  await expect(pay(page, 'Late').locator('.label')).toHaveText('Pay €12.00');
  await expect(page.getByRole('button', { name: /^Pay / })).toHaveCount(1);
  await styled(page);
  const text = await first.innerText();
  const order = [
    ...['Late', 'A payment of €12.00 failed.', 'Pay €12.00', '€12.00 / month', 'Cancel plan'],
    ...['Pays with', 'Open invoice: €12.00 still to pay', 'Last invoice: €12.00, paid', 'Manage billing', 'Invoices'],
    ...[shop.address, 'Customer since', customer.id],
  ].map((words) => text.indexOf(words));
  expect(order, `each in ${text}`).not.toContain(-1);
  expect(order).toEqual([...order].sort((one, other) => one - other));
  for (const article of await page.getByRole('article').all()) {
    expect(await article.locator('.primary').count(), 'a card has one button that most people want').toBe(1);
  }
  await looksRight(page);

  await pay(page, 'Late').click();
  await page.waitForURL(isInvoice);
  await expect(title(page)).toHaveText(/^Invoice /);
  await expect(page.getByText('Amount due: €12.00')).toBeVisible();
  expect(await sessionsOf(customer.id), 'no portal was opened for it').toEqual([]);
});

test('an invoice that was paid meanwhile is not asked for again', async ({ page, shop, looksRight }) => {
  const [customer, invoice] = await late(shop, 'Home');
  await arrived();
  await signIn(page, shop.address);
  await expect(pay(page, 'Home')).toBeVisible();
  await stripe().invoices.pay(invoice);
  // Else the list would change once more, and say that instead.
  await arrived();
  const answer = await openInvoice(page, customer.id, invoice);
  expect(answer.status()).toBe(303);
  await page.goto(answer.headers()['location'] ?? '');
  await expect(page.getByRole('status').filter({ hasText: texts.settled })).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(pay(page, 'Home')).toHaveCount(0);
  await expect(card(page, 'Home')).toContainText('Last invoice: €12.00, paid, ');
  await looksRight(page);
});

/** What the list says to somebody who comes back from Stripe. The news of it may still be on its way then. */
async function told(page: Page, words: string): Promise<void> {
  await expect(page).toHaveURL(list);
  await expect(async () => {
    await page.reload();
    await expect(page.getByRole('status').filter({ hasText: words })).toBeVisible({ timeout: 500 });
  }).toPass();
}

/** What changes in one second with what was there is not told from it. */
async function nextSecond(): Promise<void> {
  const second = Math.floor(Date.now() / 1_000);
  await until('the next second', () => Math.floor(Date.now() / 1_000) > second);
}

test('after the portal the list says that the invoice is still open, and then that it is paid', async ({ page, shop, looksRight }) => {
  const [, invoice] = await late(shop, 'Home');
  await arrived();
  await signIn(page, shop.address);
  await manage(page, 'Home').click();
  await onPortal(page);
  await goBack(page);
  await told(page, '€12.00 is still to be paid.');
  await expect(pay(page, 'Home')).toBeVisible();
  await looksRight(page);

  await nextSecond();
  await stripe().invoices.pay(invoice);
  // Else the subscription may still be overdue when the payment is told.
  await arrived();
  await told(page, 'Your payment has arrived.');
  await expect(page.getByText('is still to be paid')).toHaveCount(0);
  await expect(pay(page, 'Home')).toHaveCount(0);
});

test('after the portal the list says what changed there', async ({ page, shop }) => {
  const home = await shop.customer({ name: 'Home', ...withCard });
  await subscribe(home, await sell('Pro'));
  await arrived();
  await nextSecond();
  await signIn(page, shop.address);
  const pro = subscription(card(page, 'Home'), 'Pro');
  await pro.getByRole('button', { name: 'Cancel plan', exact: true }).click();
  await onPortal(page);
  await page.getByRole('button', { name: 'Cancel subscription' }).click();
  await told(page, 'Pro: Ending. Ends on ');
  await expect(pro.locator('.state')).toHaveText('Ending');

  await manage(page, 'Home').click();
  await onPortal(page);
  await goBack(page);
  await told(page, 'Nothing has changed so far.');
});

test('@js the pressed button says that the invoice is opened, and no other can be pressed meanwhile', async ({ page, shop }) => {
  await late(shop, 'Home');
  await arrived();
  await signIn(page, shop.address);
  await expect(page.getByRole('button', { name: /^Copy customer ID/ })).toBeVisible();
  await holdForms(page);
  await styled(page);
  const widths = async (name: string) => {
    const found: (number | undefined)[] = [];
    const button = card(page, 'Home').getByRole('button', { name });
    await atEachWidth(page, async () => void found.push((await button.boundingBox())?.width));
    return found;
  };
  const before = await widths('Pay €12.00');
  await pay(page, 'Home').click();
  await expect(card(page, 'Home').getByRole('button', { name: texts.openingInvoice })).toBeVisible();
  expect(await widths(texts.openingInvoice)).toEqual(before);
  await expect(card(page, 'Home').getByRole('button', { name: 'Manage billing' })).toHaveAttribute('aria-disabled', 'true');
});

// In one project: a sign-in ends those of others as the same person.
test('@js the failed payment of the example data can be paid', async ({ page }) => {
  await signIn(page, 'ada@example.com');
  await expect(page.getByRole('article').first()).toHaveAccessibleName('Analytical Engines Ltd');
  await pay(page, 'Analytical Engines Ltd').click();
  await page.waitForURL(isInvoice);
  await expect(page.getByText('Amount due: €49.00')).toBeVisible();
});
