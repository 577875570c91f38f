// An open list follows what happens to subscriptions, payment methods and invoices, and leaves in peace whoever reads it.

import type { Page } from '@playwright/test';
import { arrived, day, renew, sell, subscribe, withCard } from '../harness/billing.ts';
import { card, list, manage, onPortal, pay, signIn, subscription } from '../harness/pages.ts';
import { stripe } from '../harness/sandbox.ts';
import { expect, test } from '../harness/test.ts';

declare global {
  interface Window {
    /** What a screen reader was given to say, from when the watch began. */
    heard?: string[];
  }
}

/** From now on a reload, and whatever is announced, leaves a trace. */
async function watchPage(page: Page): Promise<void> {
  await expect(page.getByRole('button', { name: /^Copy customer ID/ }).first()).toBeVisible();
  await page.evaluate(() => {
    const heard: string[] = [];
    window.heard = heard;
    const regions = '[aria-live], [role=status], [role=alert], [role=log], output';
    new MutationObserver((changes) => {
      for (const { target, addedNodes } of changes) {
        const around = (target instanceof Element ? target : target.parentElement)?.closest(regions);
        if (around) heard.push(around.textContent);
        for (const node of addedNodes) if (node instanceof Element && node.matches(regions)) heard.push(node.textContent);
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
}

/** Nothing is announced: the change was not asked for here, and the page can be read at any time. */
async function inPeace(page: Page): Promise<void> {
  expect(await page.evaluate(() => window.heard), 'not reloaded, and nothing announced').toEqual([]);
}

test('@js cancelling in the portal shows in the other tab by itself', async ({ page, context, shop, looksRight }) => {
  const price = await sell('Pro');
  const home = await shop.customer({ name: 'Home', ...withCard });
  const made = await subscribe(home, price);
  const studio = await shop.customer({ name: 'Studio', ...withCard });
  await subscribe(studio, await sell('Team'));
  await arrived();
  await signIn(page, shop.address);
  await watchPage(page);
  const kept = await card(page, 'Studio').elementHandle();
  await manage(page, 'Studio').focus();

  const second = await context.newPage();
  await second.goto('/billing');
  const cancel = (of: Page) => subscription(card(of, 'Home'), 'Pro').getByRole('button', { name: 'Cancel plan', exact: true });
  await cancel(second).click();
  await onPortal(second);
  await second.getByRole('button', { name: 'Cancel subscription' }).click();
  await expect(second).toHaveURL(list);

  const pro = subscription(card(page, 'Home'), 'Pro');
  await expect(pro.locator('.state')).toHaveText('Ending');
  await expect(pro).toContainText(`Ends on ${day(made.items.data[0]?.current_period_end, true)}`);
  await expect(pro.getByRole('button')).toHaveCount(0);
  await expect(manage(page, 'Studio')).toBeFocused();
  expect(await kept?.evaluate((element) => element.isConnected), 'the other card is the one it was').toBe(true);
  await inPeace(page);
  await looksRight(page);
});

test('@js the focus stays on a button of the card that changes', async ({ page, shop }) => {
  const price = await sell('Pro');
  const home = await shop.customer({ name: 'Home', ...withCard });
  const { id } = await subscribe(home, price);
  await arrived();
  await signIn(page, shop.address);
  await watchPage(page);
  await manage(page, 'Home').focus();
  await stripe().subscriptions.update(id, { cancel_at_period_end: true });
  await expect(subscription(card(page, 'Home'), 'Pro').locator('.state')).toHaveText('Ending');
  await expect(manage(page, 'Home')).toBeFocused({ timeout: 1_000 });
  await inPeace(page);
});

test('@js a product that is renamed goes by its new name at once', async ({ page, shop }) => {
  const price = await sell('Pro');
  await subscribe(await shop.customer({ name: 'Home', ...withCard }), price);
  await arrived();
  await signIn(page, shop.address);
  await watchPage(page);
  const { product } = await stripe().prices.retrieve(price);
  await stripe().products.update(String(product), { name: 'Professional' });
  await expect(subscription(card(page, 'Home'), 'Professional')).toBeVisible();
  await expect(subscription(card(page, 'Home'), 'Pro')).toHaveCount(0);
  await inPeace(page);
});

test('@js another plan, chosen in the portal, shows by itself', async ({ page, context, shop }) => {
  const [pro, team] = [await sell('Pro'), await sell(`Team ${shop.mark}`, { unit_amount: 4_900 })];
  await subscribe(await shop.customer({ name: 'Home', ...withCard }), pro);
  await arrived();
  await signIn(page, shop.address);
  await watchPage(page);
  const second = await context.newPage();
  await second.goto('/billing');
  await card(second, 'Home').getByRole('button', { name: 'Change plan' }).click();
  await onPortal(second);
  await second.locator(`input[value="${team}"]`).check();
  await second.getByRole('button', { name: 'Change plan' }).click();
  await expect(second).toHaveURL(list);
  const chosen = subscription(card(page, 'Home'), `Team ${shop.mark}`);
  await expect(chosen.locator('.price')).toHaveText('€49.00 / month');
  await expect(subscription(card(page, 'Home'), 'Pro')).toHaveCount(0);
  await inPeace(page);
});

test('@js a subscription begins, fails to be paid, is paid and ends in sight', async ({ page, shop }) => {
  const price = await sell('Pro');
  const customer = await shop.customer({ name: 'Home', ...withCard });
  await arrived();
  await signIn(page, shop.address);
  await watchPage(page);
  const home = card(page, 'Home');
  const pro = subscription(home, 'Pro');

  const made = await subscribe(customer, price);
  await expect(pro.locator('.state')).toHaveText('Active');
  await expect(home).toContainText('Last invoice: €12.00, paid, ');

  await renew(made, 'failed');
  await expect(pro.locator('.state')).toHaveText('Payment failed');
  await expect(home.locator('.name').first()).toContainText('Payment failed');
  await expect(pay(page, 'Home')).toBeVisible();
  await expect(home).toContainText('Open invoice: €12.00 still to pay, ');

  const { latest_invoice } = await stripe().subscriptions.retrieve(made.id);
  await stripe().invoices.pay(String(latest_invoice));
  await expect(pro.locator('.state')).toHaveText('Active');
  await expect(home.locator('.name').first()).toContainText('Up to date');
  await expect(pay(page, 'Home')).toHaveCount(0);
  await expect(home).toContainText('Last invoice: €12.00, paid, ');

  await stripe().subscriptions.cancel(made.id);
  await expect(pro.locator('.state')).toHaveText('Ended');
  await expect(pro.getByRole('button')).toHaveCount(0);
  await inPeace(page);
});

test('@js a new payment method from the portal shows by itself', async ({ page, context, shop }) => {
  await shop.customer({ name: 'Home', ...withCard });
  await arrived();
  await signIn(page, shop.address);
  await watchPage(page);
  const home = card(page, 'Home');
  await expect(home).toContainText('Pays with Visa ending in 4242');
  const second = await context.newPage();
  await second.goto('/billing');
  await card(second, 'Home').getByRole('button', { name: 'Payment method', exact: true }).click();
  await onPortal(second);
  await second.getByLabel(/Mastercard/).check();
  await second.getByRole('button', { name: 'Save card' }).click();
  await expect(second).toHaveURL(list);
  await expect(home).toContainText('Pays with Mastercard ending in 4444, valid until 08/2030');
  await expect(home).not.toContainText('Visa');
  await inPeace(page);
});

test('@js a payment method that is taken away, or dated anew, shows by itself', async ({ page, shop }) => {
  const { id } = await shop.customer({ name: 'Home', ...withCard });
  const [own] = (await stripe().paymentMethods.list({ customer: id })).data;
  if (own === undefined) throw new Error('the customer has a card');
  await arrived();
  await signIn(page, shop.address);
  await watchPage(page);
  await stripe().paymentMethods.update(own.id, { card: { exp_month: 1, exp_year: 2033 } });
  await expect(card(page, 'Home')).toContainText('Pays with Visa ending in 4242, valid until 01/2033');
  await stripe().paymentMethods.detach(own.id);
  await expect(card(page, 'Home')).not.toContainText('Pays with');
  await inPeace(page);
});

test('@js a single invoice, and its payment, show by themselves', async ({ page, shop }) => {
  const { id } = await shop.customer({ name: 'Home', ...withCard });
  await arrived();
  await signIn(page, shop.address);
  await watchPage(page);
  await stripe().invoiceItems.create({ customer: id, amount: 1_950, currency: 'eur', description: 'Setting up' });
  const draft = await stripe().invoices.create({ customer: id, pending_invoice_items_behavior: 'include' });
  const open = await stripe().invoices.finalizeInvoice(String(draft.id));
  const home = card(page, 'Home');
  await expect(home).toContainText('Open invoice: €19.50 still to pay, ');
  await expect(home.getByRole('link', { name: 'PDF' })).toHaveAttribute('href', String(open.invoice_pdf));
  await stripe().invoices.pay(String(open.id));
  await expect(home).toContainText('Last invoice: €19.50, paid, ');
  await inPeace(page);
});
