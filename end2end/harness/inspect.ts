// What holds for every page in every state: axe finds nothing (asked in Chromium alone: it judges the markup and the colours), nothing
// sticks out sideways, and whatever can be pressed is large enough for a thumb.

import { AxeBuilder } from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';
import { styled } from './pages.ts';

/** axe needs scripts; where they are off it is given the same markup in a page of its own, with the scripts taken out. */
async function violations(page: Page, scripts: boolean): Promise<string[]> {
  if (scripts) return run(page);
  const html = (await page.content()).replace(/<script[\s\S]*?<\/script>/g, '').replace(/<\/?noscript>/g, '');
  const browser = page.context().browser();
  if (browser === null) throw new Error('a page of a test belongs to a browser');
  const context = await browser.newContext({ javaScriptEnabled: true });
  try {
    const copy = await context.newPage();
    const url = page.url();
    await copy.route(url, (route) => route.fulfill({ contentType: 'text/html; charset=utf-8', body: html }));
    await copy.goto(url);
    return await run(copy);
  } finally {
    await context.close();
  }
}

async function run(page: Page): Promise<string[]> {
  // Our pages have no frames. For those of other sites axe would open a blank page each time, which takes longer than the look.
  const { violations: found } = await new AxeBuilder({ page }).setLegacyMode().analyze();
  return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' | ')}`);
}

export async function inspect(page: Page, scripts: boolean): Promise<void> {
  await styled(page);
  if (page.context().browser()?.browserType().name() === 'chromium') {
    expect.soft(await violations(page, scripts), `axe on ${page.url()}`).toEqual([]);
  }
  const sizes = await page.evaluate(() => ({
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    small: [...document.querySelectorAll('button, input:not([type=hidden])')]
      .filter((element) => element.checkVisibility())
      .map((element) => ({ name: element.textContent || element.id, height: element.getBoundingClientRect().height }))
      .filter(({ height }) => height < 44),
  }));
  expect.soft(sizes.overflow, `sideways overflow on ${page.url()}`).toBeLessThanOrEqual(0);
  expect.soft(sizes.small, `targets under 44 px on ${page.url()}`).toEqual([]);
}
