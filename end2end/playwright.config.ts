// The suite: every browser spec six times in Chromium (with JavaScript at two widths in two colour schemes, without it at two
// widths), what matters most in Firefox and WebKit as well, Stripe's own clients as oracles, and, when all of that is over, the
// questions about the run as a whole.

import { defineConfig, type Project } from '@playwright/test';
import { chromium } from './harness/chromium.ts';
import { firefox } from './harness/firefox.ts';

export const viewports = { '375': { width: 375, height: 740 }, '1280': { width: 1280, height: 800 } };

function browserProjects(): Project[] {
  const projects: Project[] = [];
  for (const [width, viewport] of Object.entries(viewports)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      projects.push({ name: `js-${width}-${colorScheme}`, grepInvert: /@nojs\b/, use: { viewport, colorScheme } });
    }
    projects.push({ name: `nojs-${width}`, grepInvert: /@js\b/, use: { viewport, javaScriptEnabled: false } });
  }
  return projects.map((project) => ({ ...project, testDir: 'specs', dependencies: ['start'] }));
}

export default defineConfig({
  globalSetup: './harness/global.ts',
  outputDir: 'test-results/playwright',
  reporter: [['list'], ['./harness/closing.ts']],
  workers: 2,
  fullyParallel: true,
  forbidOnly: true,
  // A busy machine may lose a page once. What needed a second try is named at the end, and is a bug to look for.
  retries: 1,
  timeout: 90_000,
  globalTimeout: 50 * 60_000,
  expect: { timeout: 15_000 },
  use: {
    actionTimeout: 15_000,
    navigationTimeout: 30_000,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    screenshot: 'only-on-failure',
    launchOptions: chromium(),
  },
  projects: [
    { name: 'start', testDir: 'harness', testMatch: 'start.setup.ts', teardown: 'after' },
    { name: 'oracles', testDir: 'oracles', dependencies: ['start'] },
    ...browserProjects(),
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
