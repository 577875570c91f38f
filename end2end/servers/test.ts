// The fixtures of what is tried behind nginx: the stack of this worker, a browser for each way in, and visitors without a browser.

import type { Browser, Page } from '@playwright/test';
import { Street } from '../afternoon/visitor.ts';
import { knows } from '../harness/chromium.ts';
import { newClient } from '../harness/http.ts';
import { type BehindNginx, startBehindNginx, type Way } from '../harness/nginx.ts';
import { expect, test as specs } from '../harness/test.ts';

export { expect };

interface Fixtures {
  street: Street;
  /** A page of a browser that comes by another way. */
  by: (way: Way) => Promise<Page>;
}

export const test = specs.extend<Fixtures, { behind: BehindNginx }>({
  behind: [
    async ({}, use, worker) => {
      const { behind, stop } = await startBehindNginx(worker.workerIndex);
      await use(behind);
      await stop();
    },
    { scope: 'worker', auto: true, timeout: 60_000 },
  ],

  browser: [
    async ({ playwright, behind }, use) => {
      const browser = await playwright.chromium.launch(knows(behind));
      await use(browser);
      await browser.close();
    },
    { scope: 'worker' },
  ],

  by: async ({ playwright, behind, watch }, use) => {
    const browsers: Browser[] = [];
    await use(async (way) => {
      const browser = await playwright.chromium.launch(knows({ ...behind, https: behind.ways[way] }));
      browsers.push(browser);
      const context = await browser.newContext({ baseURL: behind.app, locale: 'en-GB', extraHTTPHeaders: { 'X-Forwarded-For': newClient() } });
      await watch.attach(context);
      return context.newPage();
    });
    for (const browser of browsers) await browser.close();
  },

  street: async ({ behind }, use) => use(new Street(behind)),
});
