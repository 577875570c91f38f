// The fixtures of the browser specs: an address and customers of the test's own, further browsers of the same kind, the
// watch over console and network, and the inspection of a page.

import { type BrowserContext, type BrowserContextOptions, expect, type Page, test as base } from '@playwright/test';
import { randomBytes } from 'node:crypto';
import type Stripe from 'stripe';
import { customerInBillhook } from './database.ts';
import { leaveColoursAlone } from './firefox.ts';
import { newClient } from './http.ts';
import { inspect } from './inspect.ts';
import { stripe } from './sandbox.ts';
import { stack } from './stack.ts';
import { Watch } from './watch.ts';

export { expect };

export interface Shop {
  /** An address that no other test uses. */
  address: string;
  /** A part of it that makes other names unique too. */
  mark: string;
  /** Makes a customer at Stripe, by default under that address, and waits until Billhook has heard of it. */
  customer(wanted?: Stripe.CustomerCreateParams): Promise<Stripe.Customer>;
}

interface Fixtures {
  watch: Watch;
  shop: Shop;
  /** Another browser: no cookies of the first one. */
  otherBrowser: (options?: BrowserContextOptions) => Promise<BrowserContext>;
  /** Checks the page as it is now. */
  looksRight: (page: Page) => Promise<void>;
  scripts: boolean;
}

export const test = base.extend<Fixtures>({
  browser: [
    async ({ browser, browserName }, use) => {
      if (browserName === 'firefox') leaveColoursAlone(browser);
      await use(browser);
    },
    { scope: 'worker' },
  ],

  // Each browser is a client of its own, as the proxy in front would say it.
  extraHTTPHeaders: async ({}, use) => use({ 'X-Forwarded-For': newClient() }),

  baseURL: async ({}, use) => use(stack().app),

  scripts: async ({ javaScriptEnabled }, use) => use(javaScriptEnabled ?? true),

  watch: async ({}, use) => {
    const watch = new Watch();
    await use(watch);
    expect(watch.problems, 'console, scripts and network are silent').toEqual([]);
  },

  context: async ({ context, watch }, use) => {
    await watch.attach(context);
    await use(context);
  },

  otherBrowser: async ({ browser, watch, baseURL }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (options = {}) => {
      const context = await browser.newContext({
        ...(baseURL === undefined ? {} : { baseURL }),
        extraHTTPHeaders: { 'X-Forwarded-For': newClient() },
        ...options,
      });
      contexts.push(context);
      await watch.attach(context);
      return context;
    });
    for (const context of contexts) await context.close();
  },

  shop: async ({}, use) => {
    const mark = randomBytes(5).toString('hex');
    const address = `ada.${mark}@example.com`;
    await use({
      mark,
      address,
      customer: async (wanted = {}) => {
        const made = await stripe().customers.create({ email: address, ...wanted });
        await customerInBillhook(made.id);
        return made;
      },
    });
  },

  looksRight: async ({ scripts }, use) => use((page) => inspect(page, scripts)),
});
