// The suite: every browser spec twice in Chromium, with JavaScript on a desktop and without it on a phone; each state that a test
// has inspected is looked at in both widths and both colour schemes (harness/looks.ts). What only Firefox and WebKit can show runs
// there as well, Stripe's own clients are oracles, and, when all of that is over, come the questions about the run as a whole.

import { defineConfig, type Project } from '@playwright/test';
import { chromium } from './harness/chromium.ts';
import { firefox } from './harness/firefox.ts';
import { viewports } from './harness/looks.ts';

const browserProjects: Project[] = [
  { name: 'js-1280-light', grepInvert: /@nojs\b/, use: { viewport: viewports['1280'] } },
  { name: 'nojs-375', grepInvert: /@js\b/, use: { viewport: viewports['375'], javaScriptEnabled: false } },
].map((project) => ({ ...project, testDir: 'specs', dependencies: ['start'] }));

export default defineConfig({
  globalSetup: './harness/global.ts',
  outputDir: 'test-results/playwright',
  reporter: [['list'], ['./harness/closing.ts']],
  workers: 2,
  fullyParallel: true,
  forbidOnly: true,
  // A test that needs a second try has a bug, or shows one.
  retries: 0,
  timeout: 90_000,
  globalTimeout: 50 * 60_000,
  expect: { timeout: 15_000 },
  use: {
    actionTimeout: 15_000,
    navigationTimeout: 30_000,
    colorScheme: 'light',
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    screenshot: 'only-on-failure',
    launchOptions: chromium(),
  },
  projects: [
    { name: 'start', testDir: 'harness', testMatch: 'start.setup.ts', teardown: 'after' },
    { name: 'oracles', testDir: 'oracles', dependencies: ['start'] },
    ...browserProjects,
    { name: 'afternoon', testDir: 'afternoon', dependencies: ['start'] },
    { name: 'servers', testDir: 'servers', dependencies: ['start'] },
    {
      name: 'firefox',
      testDir: 'specs',
      testMatch: /(access|devices|island|main-job|policy|session|sign-in-\w+)\.spec\.ts/,
      dependencies: ['start'],
      grepInvert: /@nojs\b|@chromium\b/,
      // For its screenshots Playwright brings a style of its own into the page, which the page's policy forbids.
      use: {
        ...{ browserName: 'firefox', channel: 'moz-firefox', launchOptions: firefox() },
        ...{ viewport: viewports['1280'], screenshot: 'off' },
      },
    },
    { name: 'webkit', testDir: 'webkit', dependencies: ['start'] },
    { name: 'after', testDir: 'after', use: { viewport: viewports['1280'] } },
  ],
});
