// One test per state of a screen: it brings the state about and takes its picture into target/screenshots/.

import type { Page, TestInfo } from '@playwright/test';
import { resolve } from 'node:path';
import { customerIds, expireSignIns } from './harness/database.ts';
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
  signIn,
  signInButton,
  texts,
  title,
} from './harness/pages.ts';
import { fault } from './harness/sandbox.ts';
import { home, stack } from './harness/stack.ts';
import { expect, test } from './harness/test.ts';
import { until } from './harness/until.ts';

test.beforeAll(() => until('the seed', () => customerIds().has('cus_SeedAgency0006')));

async function picture(page: Page, info: TestInfo, name: string): Promise<void> {
  const path = resolve(home, '../target/screenshots', `${name}-${info.project.name}.png`);
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
  await signIn(page, shop.address);
  await expect(title(page)).toHaveText(texts.none);
  await picture(page, info, 'billing-none');
  await shop.customer({ name: 'Ada Lovelace' });
  await page.reload();
  await awake(page);
  await picture(page, info, 'billing-one');
});

test('billing: three, focus, pending, failed, offline, print', async ({ page, context, shop, watch }, info) => {
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

test('billing: states as in the seed', async ({ page }, info) => {
  await signIn(page, 'ada@example.com');
  await awake(page);
  await picture(page, info, 'billing-seed');
});

test('billing: many, filtered, no match', async ({ page }, info) => {
  await signIn(page, 'agency@example.com');
  await awake(page);
  await picture(page, info, 'billing-many');
  await page.getByLabel('Filter entries').fill('ba');
  await expect(card(page, 'Bakery Lindqvist')).toBeVisible();
  await picture(page, info, 'billing-many-filtered');
  await page.getByLabel('Filter entries').fill('zebra');
  await expect(page.getByText('No entry matches “zebra”.')).toBeVisible();
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
