// Pictures of every state of every screen, at two widths in two colour schemes, for a person to look at.

import { defineConfig } from '@playwright/test';
import { viewports } from './harness/looks.ts';
import base from './playwright.config.ts';

export default defineConfig({
  ...base,
  testDir: '.',
  testMatch: 'screenshots.ts',
  // One at a time: some pictures are of people of the seed, and a sign-in ends that person's others.
  workers: 1,
  projects: Object.entries(viewports).flatMap(([width, viewport]) =>
    (['light', 'dark'] as const).map((colorScheme) => ({
      name: `${width}-${colorScheme}`,
      use: { viewport, colorScheme, screenshot: 'off' as const },
    })),
  ),
});
