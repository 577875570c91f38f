// The way in, to the portal and back in WebKit, the engine of Safari.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newClient } from '../harness/http.ts';
import { signInMail } from '../harness/mail.ts';
import { known, records, texts } from '../harness/pages.ts';
import { seen } from '../harness/seen.ts';
import { stack } from '../harness/stack.ts';
import { expect, type Shop, test as base } from '../harness/test.ts';
import { WebKit } from '../harness/webkit.ts';

const test = base.extend<{ silent: undefined }, { webkit: WebKit }>({
  webkit: [
    async ({}, use) => {
      const webkit = await WebKit.start();
      await use(webkit);
      await webkit.stop();
    },
    { scope: 'worker' },
  ],

  /** Nothing of ours breaks the policy, and nobody else is asked for anything. */
  silent: [
    async ({ webkit }, use) => {
      const { violations, origins } = webkit.between;
      violations.length = 0;
      // Each test has the mails of a place of its own; together they would ask too often.
      webkit.between.client = newClient();
      origins.clear();
      await use(undefined);
      expect(violations, 'the policy is kept').toEqual([]);
      const strangers = [...origins].filter((origin) => ![stack().app, stack().sandbox].includes(origin));
      expect(strangers.filter((origin) => !origin.startsWith('http://localhost:'))).toEqual([]);
    },
    { auto: true },
  ],
});

// One browser for all, so that its own allowance of mails counts.
test.describe.configure({ mode: 'default' });

const lively = 'button[aria-label^="Copy customer ID"]';

async function on(webkit: WebKit, path: string, heading: string): Promise<void> {
  // From Stripe a person comes back to an address that says since when they were away.
  await expect.poll(async () => (await webkit.url()).split('?')[0]).toBe(`${stack().app}${path}`);
  await expect.poll(() => webkit.title()).toBe(heading);
}

async function ask(webkit: WebKit, address: string): Promise<void> {
  await known(address);
  await webkit.open('/');
  await webkit.type('input[type=email]', address);
  await webkit.press('E-mail me a sign-in link');
  await on(webkit, '/sign-in/check', texts.check);
}

/** In by the link, with a customer of one's own. */
async function signIn(webkit: WebKit, shop: Shop): Promise<void> {
  await shop.customer({ name: 'Home' });
  await ask(webkit, shop.address);
  await webkit.open((await signInMail(shop.address)).link);
  await webkit.press('Sign in');
  await on(webkit, '/billing', records(1));
}

async function signOut(webkit: WebKit): Promise<void> {
  await webkit.press('Sign out');
  await on(webkit, '/', texts.start);
}

async function comesAlive(webkit: WebKit): Promise<void> {
  await expect.poll(() => webkit.evaluate(`return document.querySelector('${lively}')?.checkVisibility() ?? false`)).toBe(true);
}

test('checklist 12: forms that WebKit sends sign in by link and by code, and those of another site change nothing', async ({
  webkit,
  shop,
}) => {
  await signIn(webkit, shop);
  await signOut(webkit);
  await ask(webkit, shop.address);
  await webkit.type('input[autocomplete=one-time-code]', (await signInMail(shop.address, 2)).code);
  await webkit.press('Sign in');
  await on(webkit, '/billing', records(1));

  const submit = '<script>document.forms[0].submit()</script>';
  const form = `<title>Elsewhere</title><form method="post" action="${stack().app}/api/sign_out"></form>${submit}`;
  const elsewhere = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(form);
  });
  await new Promise<void>((listening) => elsewhere.listen(0, '127.0.0.1', listening));
  try {
    // Of another site: a name where ours is an address.
    await webkit.open(`http://localhost:${(elsewhere.address() as AddressInfo).port}/`);
    await expect.poll(() => webkit.title()).toBe('That did not work');
    await webkit.open('/billing');
    await on(webkit, '/billing', records(1));
  } finally {
    elsewhere.close();
  }
  await signOut(webkit);
});

test('checklist 37: WebKit opens the portal, and is still signed in on its return', async ({ webkit, shop }) => {
  await signIn(webkit, shop);
  for (const goBack of [() => webkit.press('Return to Northwind'), () => webkit.back()]) {
    await webkit.press('Manage billing');
    await expect.poll(async () => new URL(await webkit.url()).origin).toBe(stack().sandbox);
    await expect.poll(() => webkit.title()).toBe('Billing portal');
    seen(new URL(await webkit.url()).pathname);
    await goBack();
    await on(webkit, '/billing', records(1));
  }
  await signOut(webkit);
});

test('checklist 62: a script that somebody slipped into the page does not run in WebKit', async ({ webkit, shop }) => {
  await signIn(webkit, shop);
  const evil = '<script>window.slipped = 1</script><img src="x" onerror="window.slipped = 2">';
  webkit.between.slip = (html) => html.replace('<main', `${evil}<main`);
  try {
    await webkit.open('/billing');
    await comesAlive(webkit);
    expect(await webkit.evaluate('return document.querySelector("img[onerror]") !== null')).toBe(true);
    expect(await webkit.evaluate('return "slipped" in window')).toBe(false);
    await expect.poll(() => webkit.between.violations.filter((name) => name.startsWith('script-src')).length).toBe(2);
  } finally {
    webkit.between.slip = undefined;
    webkit.between.violations.length = 0;
  }
  await signOut(webkit);
});

test('checklist 63: the list comes to life each of 100 times in WebKit', async ({ webkit, shop }) => {
  test.setTimeout(180_000);
  await signIn(webkit, shop);
  for (let load = 0; load < 100; load += 1) {
    await webkit.open('/billing');
    await comesAlive(webkit);
  }
  await signOut(webkit);
});

test('checklist 22: after sign-out the back button of WebKit shows nothing', async ({ webkit, shop }) => {
  await signIn(webkit, shop);
  await signOut(webkit);
  await webkit.back();
  await on(webkit, '/', texts.start);
  expect(await webkit.evaluate<string>('return document.documentElement.outerHTML')).not.toContain(shop.address);
});
