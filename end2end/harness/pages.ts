// The screens as a person uses them: found by what is written on them, never by how they are built.

import { expect, type Locator, type Page } from '@playwright/test';
import { customerInBillhook, customersOf } from './database.ts';
import { mailsTo, type SignInMail, signInMail } from './mail.ts';
import { stripe } from './sandbox.ts';
import { seen } from './seen.ts';
import { stack } from './stack.ts';

export const texts = {
  start: 'See and manage your billing',
  check: 'Check your inbox',
  confirm: 'One more step',
  elsewhere: 'Use the code instead',
  dead: 'This link no longer works',
  none: 'Nothing found for this address',
  missing: 'There is no such page',
  badAddress: 'That does not look like an e-mail address. Check it and try again.',
  wrongCode: 'That code is not right. Check the newest mail and try again.',
  spentCode: 'That code has been used, has expired or was tried too often. Ask for a new one.',
  failed: 'Stripe did not answer, so its page could not be opened. Nothing was changed. Try again in a moment.',
  notSetUp:
    'This shop’s billing is not fully set up, so Stripe’s page could not be opened. We are sorry. The shop can see why; trying again does not help until they have mended it.',
  opening: 'Opening the portal…',
  openingInvoice: 'Opening the invoice…',
  settled: 'That invoice is settled already: nothing is left to pay on it.',
};

export function title(page: Page): Locator {
  return page.getByRole('heading', { level: 1 });
}

/** What stands over so many billing records, of which a single one is without a plan. */
export function records(count: number): string {
  return count === 1 ? 'Northwind billing' : `You have ${count} billing records`;
}

/** The address of the list; from Stripe a person comes back to one that says since when they were away. */
export const list = /\/billing(\?back=[^&#]+)?$/;

/** The card of one customer, by the name that stands on it. */
export function card(page: Page, name: string): Locator {
  return page.getByRole('article', { name, exact: true });
}

/** A subscription on a card, by what it is for. */
export function subscription(card: Locator, product: string): Locator {
  const heading = card.page().getByRole('heading', { level: 3, name: product, exact: true });
  return card.locator('section').filter({ has: heading });
}

export function manage(page: Page, name: string): Locator {
  return card(page, name).getByRole('button', { name: 'Manage billing', exact: true });
}

/** The button of what is due. */
export function pay(page: Page, name: string): Locator {
  return card(page, name).getByRole('button', { name: /^Pay / });
}

export function emailField(page: Page): Locator {
  return page.getByLabel('E-mail address');
}

export function codeField(page: Page): Locator {
  return page.getByLabel('8-digit code');
}

export function signInButton(page: Page): Locator {
  return page.getByRole('button', { name: 'Sign in', exact: true });
}

/** Makes sure that somebody is under the address: to others no mail goes. */
export async function known(address: string): Promise<void> {
  if (customersOf(address).length > 0) return;
  const made = await stripe().customers.create({ email: address, name: 'Somebody' });
  await customerInBillhook(made.id);
}

/** Types the address, as somebody known, and asks for the mail. */
export async function ask(page: Page, address: string): Promise<void> {
  await known(address);
  await page.goto('/');
  await emailField(page).fill(address);
  await page.getByRole('button', { name: 'E-mail me a sign-in link' }).click();
  await expect(title(page)).toHaveText(texts.check);
}

export async function enterCode(page: Page, code: string): Promise<void> {
  await codeField(page).fill(code);
  await signInButton(page).click();
}

/** The whole way in by the link, ending on the list. */
export async function signIn(page: Page, address: string): Promise<SignInMail> {
  const before = await mailsTo(address);
  await ask(page, address);
  const mail = await signInMail(address, before.length + 1);
  await page.goto(mail.link);
  await signInButton(page).click();
  await expect(page).toHaveURL(`${stack().app}/billing`);
  return mail;
}

/** The way in of somebody whose last customer is deleted while the mail is on its way. */
export async function signInAsNobody(page: Page, address: string): Promise<void> {
  await ask(page, address);
  const mail = await signInMail(address);
  for (const id of customersOf(address)) {
    await stripe().customers.del(id);
    await customerInBillhook(id, ({ deleted_at }) => deleted_at !== null);
  }
  await page.goto(mail.link);
  await signInButton(page).click();
  await expect(page).toHaveURL(`${stack().app}/billing`);
}

export async function signOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await expect(page).toHaveURL(`${stack().app}/`);
}

/** The browser stands on the stand-in's portal; the address is kept as a secret that must not have leaked. */
export async function onPortal(page: Page): Promise<void> {
  await page.waitForURL((url) => url.origin === stack().sandbox);
  seen(new URL(page.url()).pathname);
}

/** Waits for the stylesheet: the words of a page can be read before it, and nothing has its place yet. */
export async function styled(page: Page): Promise<void> {
  await page.waitForLoadState('load');
}

/** Presses Tab until the wanted thing has the focus. */
export async function tabTo(page: Page, wanted: Locator, presses = 60): Promise<void> {
  const focused = () => wanted.evaluate((element) => element === document.activeElement);
  await styled(page);
  for (let pressed = 0; !(await focused()); pressed += 1) {
    if (pressed === presses) throw new Error(`${wanted} was not reached by ${presses} presses of Tab`);
    await page.keyboard.press('Tab');
  }
  const ring = await wanted.evaluate((element) => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
    return (outlineStyle !== 'none' && Number.parseFloat(outlineWidth) > 0) || boxShadow !== 'none';
  });
  expect(ring, `the focus shows on ${wanted}`).toBe(true);
}

/** An address of as many characters as wanted, 254 being the most that there are. */
export function longAddress(mark: string, length: number): string {
  const local = `ada.${mark}`.padEnd(64, 'x');
  const labels = ['b', 'c'].map((letter) => letter.repeat(63)).join('.');
  const rest = 'd'.repeat(length - local.length - labels.length - '@..example.com'.length);
  return `${local}@${labels}.${rest}.example.com`;
}

/** From now on the page stays when a form is sent, so that what it shows meanwhile can be looked at. */
export async function holdForms(page: Page): Promise<void> {
  await page.evaluate(() => addEventListener('submit', (event) => event.preventDefault()));
}
