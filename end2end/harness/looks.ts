// The six looks of a page: two widths in two colour schemes where scripts run, two widths where they do not. A test reaches a
// state of a page once; its looks are then taken from there.

import type { Page } from '@playwright/test';

export const viewports = { '375': { width: 375, height: 740 }, '1280': { width: 1280, height: 800 } };

export interface Look {
  width: number;
  colorScheme: 'light' | 'dark';
}

/** Runs the check at each width, and leaves the page at the width that it had. */
export async function atEachWidth(page: Page, check: (width: number) => Promise<void>): Promise<void> {
  const before = page.viewportSize();
  for (const viewport of Object.values(viewports)) {
    await page.setViewportSize(viewport);
    await check(viewport.width);
  }
  if (before !== null) await page.setViewportSize(before);
}

/** The same in both colour schemes at each width. Every project begins in the light one. */
export async function inEachLook(page: Page, check: (look: Look) => Promise<void>): Promise<void> {
  // Debian's Firefox cannot be told to prefer dark colours.
  const isFirefox = page.context().browser()?.browserType().name() === 'firefox';
  await atEachWidth(page, async (width) => {
    if (!isFirefox) {
      await page.emulateMedia({ colorScheme: 'dark' });
      await check({ width, colorScheme: 'dark' });
      await page.emulateMedia({ colorScheme: 'light' });
    }
    await check({ width, colorScheme: 'light' });
  });
}

/** Ends what still fades from one look into the next: colours on the way are neither the one nor the other. */
export async function settled(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const animation of document.getAnimations()) {
      if (Number.isFinite(animation.effect?.getComputedTiming().endTime)) animation.finish();
    }
  });
}
