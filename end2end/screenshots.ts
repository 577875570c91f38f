// One test per state of a screen: it brings the state about and takes its picture into target/screenshots/.

import type { Page, TestInfo } from '@playwright/test';
import { resolve } from 'node:path';
import { arrived, lateIn, renew, sell, subscribe, withCard } from './harness/billing.ts';
import { customerIds, expireSignIns, forgetAllowances } from './harness/database.ts';
import { signInMail, wrongCode } from './harness/mail.ts';
import {
  ask,
  card,
  emailField,
  enterCode,
  holdForms,
  longAddress,
  manage,
  onPortal,
  pay,
  signIn,
  signInAsNobody,
  signInButton,
  styled,
  subscription,
  texts,
  title,
} from './harness/pages.ts';
import { goBack } from './harness/portal.ts';
import { fault, stripe } from './harness/sandbox.ts';
import { home, stack } from './harness/stack.ts';
import { expect, test } from './harness/test.ts';
import { until } from './harness/until.ts';

test.beforeAll(() => until('the seed', () => customerIds().has('cus_SeedAgency0006')));

async function picture(page: Page, info: TestInfo, name: string): Promise<void> {
  const path = resolve(home, '../target/screenshots', `${name}-${info.project.name}.png`);
  await styled(page);
  await page.screenshot({ path, fullPage: true, animations: 'disabled', caret: 'initial' });
}

/** The live parts of the list run. */
async function awake(page: Page): Promise<void> {
  await expect(page.getByRole('button', { name: /^Copy customer ID/ }).first()).toBeVisible();
}

test('sign-in', async ({ page }, info) => {
  await page.goto('/');
  await picture(page, info, 'sign-in');
  await page.goto('/?email=ada%40example.com');
  await picture(page, info, 'sign-in-prefilled');
  await page.keyboard.press('Tab');
  await emailField(page).focus();
  await picture(page, info, 'sign-in-focus');
  await page.goto('/?problem=address&email=ada%40example');
  await picture(page, info, 'sign-in-bad-address');
});

test('check', async ({ page, shop }, info) => {
  await ask(page, shop.address);
  await picture(page, info, 'check');
  const { code } = await signInMail(shop.address);
  await enterCode(page, wrongCode(code));
  await expect(page.getByText(texts.wrongCode)).toBeVisible();
  await picture(page, info, 'check-wrong-code');
  expireSignIns(shop.address);
  await enterCode(page, code);
  await expect(page.getByText(texts.spentCode)).toBeVisible();
  await picture(page, info, 'check-spent');
});

test('mail', async ({ page, shop, watch }, info) => {
  watch.allow(new RegExp(`request to ${stack().mail}`));
  await ask(page, shop.address);
  const { id } = await signInMail(shop.address);
  await page.goto(`${stack().mail}/email/${id}/html`);
  await picture(page, info, 'mail');
});

test('confirm', async ({ page, shop, otherBrowser }, info) => {
  await ask(page, shop.address);
  const { link } = await signInMail(shop.address);
  await page.goto(link);
  await expect(signInButton(page)).toBeVisible();
  await picture(page, info, 'confirm');
  const elsewhere = await (await otherBrowser()).newPage();
  await elsewhere.goto(link);
  await expect(title(elsewhere)).toHaveText(texts.elsewhere);
  await picture(elsewhere, info, 'confirm-other-browser');
  expireSignIns(shop.address);
  await page.goto(link);
  await expect(title(page)).toHaveText(texts.dead);
  await picture(page, info, 'confirm-spent');
});

test('billing: none and one', async ({ page, shop }, info) => {
  await signInAsNobody(page, shop.address);
  await expect(title(page)).toHaveText(texts.none);
  await picture(page, info, 'billing-none');
  await shop.customer({ name: 'Ada Lovelace' });
  await page.reload();
  await awake(page);
  await picture(page, info, 'billing-one');
});

test('devices', async ({ page, shop, otherBrowser }, info) => {
  const second = await (await otherBrowser()).newPage();
  await signIn(second, shop.address);
  await signIn(page, shop.address);
  await page.goto('/devices');
  await picture(page, info, 'devices');
});

test('billing: three, focus, pending, failed, offline, print', async ({ page, context, shop, watch }, info) => {
  watch.allow(/status of 503/);
  await shop.customer({ name: 'Ada Lovelace' });
  const engines = await shop.customer({ name: 'Analytical Engines Ltd' });
  await shop.customer({ description: 'Till 4, summer market' });
  await signIn(page, shop.address);
  await awake(page);
  await picture(page, info, 'billing-three');

  await page.keyboard.press('Tab');
  await manage(page, 'Ada Lovelace').focus();
  await picture(page, info, 'billing-three-focus');

  await page.emulateMedia({ media: 'print' });
  await picture(page, info, 'billing-three-print');
  await page.emulateMedia({ media: 'screen' });

  await holdForms(page);
  await manage(page, 'Analytical Engines Ltd').click();
  await expect(page.getByRole('button', { name: texts.opening })).toBeVisible();
  await picture(page, info, 'billing-three-pending');

  await page.reload();
  await awake(page);
  await fault({ path: '/v1/billing_portal/sessions', match: engines.id, status: 500 });
  await manage(page, 'Analytical Engines Ltd').click();
  await expect(page.getByRole('alert')).toBeVisible();
  await awake(page);
  await picture(page, info, 'billing-three-failed');

  watch.allow(/ERR_INTERNET_DISCONNECTED/);
  await context.setOffline(true);
  await expect(page.getByText('You are offline.')).toBeVisible();
  await picture(page, info, 'billing-three-offline');
});

test('billing without JavaScript', async ({ otherBrowser, shop }, info) => {
  for (const name of ['Ada Lovelace', 'Analytical Engines Ltd', 'Till 4']) await shop.customer({ name });
  const page = await (await otherBrowser({ javaScriptEnabled: false })).newPage();
  await signIn(page, shop.address);
  await picture(page, info, 'billing-three-nojs');
});

test('billing: a subscription, focus, pending, failed, print', async ({ page, shop, watch }, info) => {
  watch.allow(/status of 503/);
  const price = await sell('Pro');
  const customer = await shop.customer({ name: 'Ada Lovelace', ...withCard });
  await subscribe(customer, price, { items: [{ price, quantity: 3 }] });
  await arrived();
  await signIn(page, shop.address);
  await awake(page);
  await picture(page, info, 'billing-active');
  const cancel = subscription(card(page, 'Ada Lovelace'), 'Pro').getByRole('button', { name: 'Cancel plan', exact: true });
  await page.keyboard.press('Tab');
  await cancel.focus();
  await picture(page, info, 'billing-active-focus');
  await page.emulateMedia({ media: 'print' });
  await picture(page, info, 'billing-active-print');
  await page.emulateMedia({ media: 'screen' });
  await holdForms(page);
  await cancel.click();
  await picture(page, info, 'billing-active-pending');
  await page.reload();
  await awake(page);
  await fault({ path: '/v1/billing_portal/sessions', match: customer.id, status: 500 });
  await cancel.click();
  await expect(page.getByRole('alert')).toBeVisible();
  await awake(page);
  await picture(page, info, 'billing-active-failed');
});

test('billing: every state of a subscription', async ({ page, shop }, info) => {
  const price = await sell('Pro');
  const customer = (name: string) => shop.customer({ name, ...withCard });
  await subscribe(await customer('On trial'), price, { trial_end: lateIn(40) });
  await subscribe(await customer('Ending'), price, { cancel_at_period_end: true });
  await subscribe(await customer('Ending with its trial'), price, { trial_end: lateIn(40), cancel_at_period_end: true });
  await renew(await subscribe(await customer('Failed'), price), 'failed');
  const paused = await subscribe(await shop.customer({ name: 'Paused' }), price, {
    trial_end: lateIn(40),
    trial_settings: { end_behavior: { missing_payment_method: 'pause' } },
  });
  await stripe().subscriptions.update(paused.id, { trial_end: 'now' });
  await stripe().subscriptions.cancel((await subscribe(await customer('Ended'), price)).id);
  await arrived();
  await signIn(page, shop.address);
  await page.getByLabel('Filter records').waitFor();
  await awake(page);
  await picture(page, info, 'billing-states');
});

test('billing: two subscriptions with long names, two items, other currencies', async ({ page, shop }, info) => {
  const long = 'Membership of the Worshipful Company of Instrument Makers, Clock Repairers and Cartographers';
  const unbroken = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft';
  const customer = await shop.customer({ name: 'Analytical Engines Ltd', ...withCard });
  const yearly = await sell(long, { recurring: { interval: 'year' }, unit_amount: 123_456_789_00 });
  await subscribe(customer, yearly, { items: [{ price: yearly, quantity: 100_000 }, { price: await sell(unbroken) }] });
  await subscribe(customer, await sell(unbroken), { trial_end: lateIn(40) });
  const printer = await shop.customer({ name: '株式会社さくら印刷', ...withCard });
  await subscribe(printer, await sell('プロ', { currency: 'jpy', unit_amount: 1_800 }));
  await arrived();
  await signIn(page, shop.address);
  await awake(page);
  await picture(page, info, 'billing-long-subscriptions');
});

test('billing: states as in the seed', async ({ page }, info) => {
  forgetAllowances();
  await signIn(page, 'ada@example.com');
  await awake(page);
  await picture(page, info, 'billing-seed');
});

test('billing: six records, what is due, text of twice the size, colours of one\'s own', async ({ page }, info) => {
  forgetAllowances();
  await signIn(page, 'maud@example.com');
  await awake(page);
  await picture(page, info, 'billing-six');
  await page.evaluate(() => {
    document.documentElement.style.fontSize = '200%';
  });
  await picture(page, info, 'billing-six-large');
  await page.evaluate(() => {
    document.documentElement.style.fontSize = '';
  });
  await page.emulateMedia({ forcedColors: 'active' });
  await page.keyboard.press('Tab');
  await manage(page, 'Port Lambton Painters').focus();
  await picture(page, info, 'billing-six-forced-colours');
  await page.emulateMedia({ forcedColors: 'none' });
  await holdForms(page);
  await pay(page, 'Maud Menten').click();
  await expect(page.getByRole('button', { name: texts.openingInvoice })).toBeVisible();
  await picture(page, info, 'billing-six-pending');
});

test('billing: back from the portal', async ({ page, shop }, info) => {
  await shop.customer({ name: 'Ada Lovelace', ...withCard });
  await arrived();
  await signIn(page, shop.address);
  await manage(page, 'Ada Lovelace').click();
  await onPortal(page);
  await goBack(page);
  await awake(page);
  await picture(page, info, 'billing-back');
});

test('billing: many, filtered, no match', async ({ page }, info) => {
  forgetAllowances();
  await signIn(page, 'agency@example.com');
  await awake(page);
  await picture(page, info, 'billing-many');
  await page.getByLabel('Filter records').fill('ba');
  await expect(card(page, 'Bakery Lindqvist')).toBeVisible();
  await picture(page, info, 'billing-many-filtered');
  await page.getByLabel('Filter records').fill('zebra');
  await expect(page.getByText('No record matches “zebra”.')).toBeVisible();
  await picture(page, info, 'billing-many-no-match');
});

test('billing: a very long address and name', async ({ page, shop }, info) => {
  const long = longAddress(shop.mark, 253);
  await shop.customer({ email: long, name: 'W'.repeat(180) });
  await signIn(page, long);
  await awake(page);
  await picture(page, info, 'billing-long');
});

test('not found', async ({ page, watch }, info) => {
  watch.allow(/status of 40\d/);
  await page.goto('/no/such/page');
  await picture(page, info, 'not-found');
});

test('portal of the stand-in', async ({ page, shop }, info) => {
  await shop.customer({ name: 'Ada Lovelace' });
  await signIn(page, shop.address);
  await manage(page, 'Ada Lovelace').click();
  await onPortal(page);
  await picture(page, info, 'portal');
});
