// What a page costs that was seen before: nothing of the program and its style.

import type { Page } from '@playwright/test';
import { signIn, styled } from '../harness/pages.ts';
import { expect, test } from '../harness/test.ts';

/** The bytes that came over the network for each file of this page whose name holds a hash; 0 for one that the browser had kept. */
function downloaded(page: Page): Promise<Record<string, number>> {
  return page.evaluate(() => {
    const bytes: Record<string, number> = {};
    for (const entry of performance.getEntriesByType('resource')) {
      const { pathname } = new URL(entry.name);
      if (!/\.[0-9a-f]{16}\.(css|js|wasm)$/.test(pathname)) continue;
      // A file that is loaded before it is needed has two entries.
      bytes[pathname] = (bytes[pathname] ?? 0) + (entry as PerformanceResourceTiming).transferSize;
    }
    return bytes;
  });
}

test('@js @chromium a page that is seen again downloads nothing of program and style', async ({ page, shop }) => {
  const home = await shop.customer({ name: 'Home' });
  await page.goto('/');
  await styled(page);
  const first = await downloaded(page);
  expect(Math.max(0, ...Object.values(first)), 'a download is seen').toBeGreaterThan(0);

  await signIn(page, shop.address);
  const look = async () => {
    // The buttons that need scripts show that the program is there.
    await expect(page.getByRole('button', { name: `Copy customer ID ${home.id}` })).toBeVisible();
    return downloaded(page);
  };
  await look();
  for (const again of ['the second view', 'the third view']) {
    await page.goto('/billing');
    const files = await look();
    const kinds = new Set(Object.keys(files).map((name) => name.split('.').at(-1)));
    expect([...kinds].sort(), again).toEqual(['css', 'js', 'wasm']);
    for (const [name, bytes] of Object.entries(files)) expect(bytes, `${again}: ${name}`).toBe(0);
  }
});
