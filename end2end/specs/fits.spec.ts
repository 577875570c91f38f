// The list on a phone, with large text, and in colours of one's own.

import type { Page } from '@playwright/test';
import { arrived, lateIn, renew, sell, subscribe, withCard } from '../harness/billing.ts';
import { inEachLook } from '../harness/looks.ts';
import { card, manage, signIn, styled, subscription, tabTo } from '../harness/pages.ts';
import { expect, type Shop, test } from '../harness/test.ts';

// In one project: a sign-in ends those of others as the same person.
test('@js six records fit on three screens of a phone', async ({ page }) => {
  await page.setViewportSize({ width: 375, height: 812 });
  await signIn(page, 'maud@example.com');
  await expect(page.getByRole('article')).toHaveCount(6);
  // All that scripts add to the page is there.
  await expect(page.getByLabel('Filter records')).toBeVisible();
  await expect(page.getByRole('button', { name: /^Copy customer ID/ })).toHaveCount(6);
  await styled(page);
  expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeLessThanOrEqual(3 * 812);
});

/** One who has not paid, and one on trial. */
async function two(shop: Shop): Promise<void> {
  const price = await sell('Membership of the Society');
  await renew(await subscribe(await shop.customer({ name: 'Analytical Engines Ltd', ...withCard }), price), 'failed');
  await subscribe(await shop.customer({ name: 'Ada Lovelace', ...withCard }), price, { trial_end: lateIn(40) });
  await arrived();
}

/** What can be pressed and lies on something else that can be, or whose words stick out of it. */
function crowded(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const all = [...document.querySelectorAll('a[href], button, input')].filter((element) => element.checkVisibility());
    const name = (element: Element) => element.textContent || element.id;
    const boxes = all.map((element) => ({ element, box: element.getBoundingClientRect() }));
    const found = boxes.flatMap(({ element, box }, index) =>
      boxes
        .slice(index + 1)
        .filter(
          ({ box: other }) =>
            Math.min(box.right, other.right) - Math.max(box.left, other.left) > 0.5 &&
            Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top) > 0.5,
        )
        .map((other) => `${name(element)} lies on ${name(other.element)}`),
    );
    const cut = [...document.querySelectorAll('h1, h2, h3, .state, .button')].filter(
      (element) =>
        element.checkVisibility() &&
        (element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1) &&
        getComputedStyle(element).display !== 'inline',
    );
    return [...found, ...cut.map((element) => `${name(element)} is larger than its place`)];
  });
}

test('text of twice the size is whole, and nothing lies on anything else', async ({ page, shop, looksRight }) => {
  await two(shop);
  await page.setViewportSize({ width: 375, height: 812 });
  await signIn(page, shop.address);
  await styled(page);
  expect(await crowded(page), 'with text of the usual size').toEqual([]);
  await page.evaluate(() => {
    document.documentElement.style.fontSize = '200%';
  });
  expect(await crowded(page)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(375);
  await looksRight(page);
});

test('@js in colours of one\'s own every button has an edge, and states are words', async ({ page, shop, looksRight }) => {
  await two(shop);
  await page.emulateMedia({ forcedColors: 'active' });
  await signIn(page, shop.address);
  await expect(page.getByRole('button', { name: /^Copy customer ID/ })).toHaveCount(2);
  await styled(page);
  await inEachLook(page, async (look) => {
    const without = await page.locator('.button').evaluateAll((buttons) =>
      buttons.flatMap((button) => {
        const { borderTopStyle, borderTopWidth, borderTopColor, backgroundColor } = getComputedStyle(button);
        const seen = borderTopStyle !== 'none' && Number.parseFloat(borderTopWidth) >= 1;
        return seen && borderTopColor !== backgroundColor && !/^rgba\(.*, 0\)$/.test(borderTopColor) ? [] : [button.outerHTML];
      }),
    );
    expect(without, `buttons without an edge, ${look.width} ${look.colorScheme}`).toEqual([]);
  });
  await expect(card(page, 'Analytical Engines Ltd').locator('.name .state').first()).toHaveText('Payment failed');
  await expect(subscription(card(page, 'Ada Lovelace'), 'Membership of the Society').locator('.state')).toHaveText('Trial');
  await tabTo(page, manage(page, 'Ada Lovelace'));
  await looksRight(page);
});
