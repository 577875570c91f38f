// The fixtures of the afternoon: the proxied stack of this worker, a browser that finds it under its name and trusts its certificate,
// and visitors without a browser.

import { knows } from '../harness/chromium.ts';
import { type Proxied, startProxied } from '../harness/proxied.ts';
import { expect, test as specs } from '../harness/test.ts';
import { Street } from './visitor.ts';

export { expect };

export const test = specs.extend<{ street: Street }, { proxied: Proxied }>({
  proxied: [
    async ({}, use, worker) => {
      const { proxied, stop } = await startProxied(worker.workerIndex);
      await use(proxied);
      await stop();
    },
    { scope: 'worker', auto: true, timeout: 60_000 },
  ],

  browser: [
    async ({ playwright, proxied }, use) => {
      const browser = await playwright.chromium.launch(knows(proxied));
      await use(browser);
      await browser.close();
    },
    { scope: 'worker' },
  ],

  // Who the browser is, Caddy says.
  extraHTTPHeaders: async ({}, use) => use({}),

  street: async ({ proxied }, use) => use(new Street(proxied)),
});
