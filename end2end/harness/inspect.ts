// What holds for every page in every state and every look: axe finds nothing (asked in Chromium alone: it judges the markup and the
// colours), nothing sticks out sideways, and whatever can be pressed is large enough for a thumb.

import { AxeBuilder } from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';
import { inEachLook, type Look, settled } from './looks.ts';
import { styled } from './pages.ts';

/** What of axe depends on the colours. All else it finds in the light scheme: the markup is the same in both. */
const ofColours = ['color-contrast', 'link-in-text-block'];

async function violations(page: Page, { colorScheme }: Look): Promise<string[]> {
  // Half a megabyte, which axe would bring in twice for each look.
  const present = await Promise.all(page.frames().map((frame) => frame.evaluate(() => 'axe' in window)));
  const nothing = present.every(Boolean) ? { axeSource: ';' } : {};
  // Our pages have no frames. For those of other sites axe would open a blank page each time, which takes longer than the look.
  const axe = new AxeBuilder({ page, ...nothing }).setLegacyMode();
  const { violations: found } = await (colorScheme === 'dark' ? axe.withRules(ofColours) : axe).analyze();
  return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' | ')}`);
}

/** axe needs scripts; where they are off it is given the same markup in a page of its own, with the scripts taken out. */
async function withScripts(page: Page): Promise<Page> {
  const html = (await page.content()).replace(/<script[\s\S]*?<\/script>/g, '').replace(/<\/?noscript>/g, '');
  const browser = page.context().browser();
  if (browser === null) throw new Error('a page of a test belongs to a browser');
  const context = await browser.newContext({ javaScriptEnabled: true });
  const copy = await context.newPage();
  const url = page.url();
  await copy.route(url, (route) => route.fulfill({ contentType: 'text/html; charset=utf-8', body: html }));
  await copy.goto(url);
  return copy;
}

async function measure(page: Page, { width, colorScheme }: Look): Promise<void> {
  const sizes = await page.evaluate(() => ({
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    small: [...document.querySelectorAll('button, input:not([type=hidden])')]
      .filter((element) => element.checkVisibility())
      .map((element) => ({ name: element.textContent || element.id, height: element.getBoundingClientRect().height }))
      .filter(({ height }) => height < 44),
  }));
  const where = `on ${page.url()}, ${width} ${colorScheme}`;
  expect.soft(sizes.overflow, `sideways overflow ${where}`).toBeLessThanOrEqual(0);
  expect.soft(sizes.small, `targets under 44 px ${where}`).toEqual([]);
}

export async function inspect(page: Page, scripts: boolean): Promise<void> {
  await styled(page);
  await inEachLook(page, (look) => measure(page, look));
  if (page.context().browser()?.browserType().name() !== 'chromium') return;
  const judged = scripts ? page : await withScripts(page);
  try {
    await inEachLook(judged, async (look) => {
      await settled(judged);
      expect.soft(await violations(judged, look), `axe on ${page.url()}, ${look.width} ${look.colorScheme}`).toEqual([]);
    });
  } finally {
    if (judged !== page) await judged.context().close();
  }
}
