// `billhook dev` as a newcomer meets it: the mail in the browser, and the start page of the stand-in.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { answers, type Child, freePorts, startChild } from '../harness/children.ts';
import { card, emailField, pay, signInButton, texts, title } from '../harness/pages.ts';
import { billhook, stack } from '../harness/stack.ts';
import { expect, test } from '../harness/test.ts';

// One start of the program for all of them.
test.describe.configure({ mode: 'default' });

let app: string;
let folder: string;
let program: Child | undefined;

test.beforeAll(async () => {
  const [port] = (await freePorts(1)) as [number];
  app = `http://127.0.0.1:${port}`;
  folder = mkdtempSync(join(tmpdir(), 'billhook-dev-'));
  program = await startChild({
    name: `dev-${port}`,
    program: billhook,
    args: ['dev'],
    env: { BIND: `127.0.0.1:${port}` },
    cwd: folder,
    logs: stack().logs,
    ready: () => answers(`${app}/up`),
  });
  // The stand-in tells its customers after the start.
  await expect.poll(hasMail, { timeout: 30_000 }).toBe(true);
});

/** Whether a mail to an example customer has left, after asking for one. */
async function hasMail(): Promise<boolean> {
  const form = new URLSearchParams({ email: 'ada@example.com' });
  await fetch(`${app}/api/ask_link`, { method: 'POST', headers: { Origin: app }, body: form, redirect: 'manual' });
  const list = await (await fetch(`${app}/dev/mail`)).text();
  return list.includes('href="/dev/mail/1"');
}

test.afterAll(async () => {
  await program?.stop();
  rmSync(folder, { recursive: true, force: true });
});

// Other addresses than those of the run.
test.beforeEach(({ watch }) => watch.allow(/^request to http:\/\/127\.0\.0\.1:/));

/** Asks for a link, and opens the newest mail. */
async function mailTo(page: Page, address: string): Promise<void> {
  await page.goto(`${app}/`);
  await emailField(page).fill(address);
  await page.getByRole('button', { name: 'E-mail me a sign-in link' }).click();
  await expect(title(page)).toHaveText(texts.check);
  await page.getByRole('link', { name: 'Open the test mail' }).click();
  await expect(async () => {
    await page.reload();
    await expect(page.getByRole('listitem').first()).toContainText(address, { timeout: 500 });
  }).toPass();
}

/** The same for one of the example customers, of whom the stand-in may not have told yet. */
async function mailToCustomer(page: Page, address: string): Promise<void> {
  await expect(async () => {
    await mailTo(page, address);
    await expect(page.getByRole('listitem').first().getByRole('link')).toBeVisible({ timeout: 500 });
  }).toPass();
}

/** Signs in by the button in the mail. */
async function signIn(page: Page, address: string): Promise<void> {
  await mailToCustomer(page, address);
  await page.getByRole('listitem').first().getByRole('link').click();
  await page.frameLocator('iframe').getByRole('link', { name: 'Sign in', exact: true }).click();
  await signInButton(page).click();
  await expect(page).toHaveURL(`${app}/billing`);
}

test('the mail is shown as it is sent, and its button signs in', async ({ page, looksRight }) => {
  await mailToCustomer(page, 'grace@example.com');
  await looksRight(page);
  await page.getByRole('listitem').first().getByRole('link').click();
  const mail = page.frameLocator('iframe');
  await expect(mail.getByRole('heading', { level: 1 })).toHaveText('Sign in to Northwind billing');
  await looksRight(page);
  await mail.getByRole('link', { name: 'Sign in', exact: true }).click();
  await expect(title(page)).toHaveText(texts.confirm);
  await signInButton(page).click();
  await expect(page.getByRole('article')).toHaveCount(2);
});

test('a stranger gets no mail, and the list of mails says why', async ({ page, looksRight }) => {
  await mailTo(page, 'stranger@example.org');
  const first = page.getByRole('listitem').first();
  await expect(first).toContainText('Not sent: No billing record has this address');
  await looksRight(page);
});

test('the stand-in fails a payment and renews, and the list shows it', async ({ page, looksRight }) => {
  await signIn(page, 'mary@example.com');
  await page.getByRole('link', { name: 'Stand-in for Stripe' }).click();
  await expect(title(page)).toHaveText('Stand-in for Stripe');
  await looksRight(page);
  const mary = page.getByRole('article', { name: 'Mary Somerville', exact: true });
  await mary.getByRole('combobox').selectOption({ label: 'Pro, €12.00 per month' });
  await mary.getByRole('button', { name: 'Buy' }).click();
  await expect(mary.getByRole('status')).toContainText('Bought');
  await mary.getByRole('button', { name: 'Fail the next payment' }).click();
  await expect(mary.getByRole('status')).toContainText('its payment failed');
  await looksRight(page);
  await page.getByRole('link', { name: 'Northwind billing' }).click();
  await expect(async () => {
    await page.reload();
    await expect(pay(page, 'Mary Somerville')).toBeVisible({ timeout: 500 });
  }).toPass();
});

test('the list without records can be seen, and is filled by a purchase', async ({ page, looksRight }) => {
  await signIn(page, 'nobody@example.com');
  await expect(title(page)).toHaveText(texts.none);
  await looksRight(page);
  await page.getByRole('link', { name: 'Stand-in for Stripe' }).click();
  const fresh = page.getByRole('region', { name: 'Somebody new' });
  await expect(fresh.getByLabel('E-mail')).toHaveValue('nobody@example.com');
  await fresh.getByRole('button', { name: 'Buy' }).click();
  await page.getByRole('link', { name: 'Northwind billing' }).click();
  await expect(async () => {
    await page.reload();
    await expect(card(page, 'nobody@example.com')).toBeVisible({ timeout: 500 });
  }).toPass();
});
