// The Content-Security-Policy in a real browser, and forms that other sites send. That nothing of ours breaks the policy is
// watched in every spec.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { card, records, signIn, title } from '../harness/pages.ts';
import { expect, test } from '../harness/test.ts';

test('checklist 62: a script that somebody slipped into the page does not run @js', async ({ page, shop, watch }) => {
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  // As Chromium and Firefox put it.
  watch.allow(/Content Security Policy|The page’s settings blocked an (inline script|event handler)/);
  watch.allow(/policy violation: script-src/);
  await page.route('**/billing', async (route) => {
    const response = await route.fetch();
    const body = await response.text();
    const evil = '<script>window.slipped = 1</script><img src="x" onerror="window.slipped = 2">';
    await route.fulfill({ response, body: body.replace('<main', `${evil}<main`) });
  });
  watch.allow(/status of 404/);
  await page.reload();
  await expect(card(page, 'Home').getByRole('button', { name: /^Copy customer ID/ })).toBeVisible();
  expect(await page.evaluate(() => 'slipped' in window)).toBe(false);
  expect(watch.violations).toBeGreaterThan(0);
});

test('checklist 63: of a hundred loads in each browser, the list comes to life at every one @js', async ({ page, shop }) => {
  test.setTimeout(180_000);
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const alive = card(page, 'Home').getByRole('button', { name: /^Copy customer ID/ });
  // To leave a page that still loads its program is an error to Firefox.
  await expect(alive).toBeVisible();
  for (let load = 0; load < 100; load += 1) {
    await page.goto('/billing');
    await expect(alive).toBeVisible();
  }
});

test('checklist 12: a form of another site signs nobody out', async ({ page, shop, scripts, watch }) => {
  await shop.customer({ name: 'Home' });
  await signIn(page, shop.address);
  const target = new URL('/api/sign_out', page.url()).href;
  const submit = scripts ? '<script>document.forms[0].submit()</script>' : '';
  const form = `<title>Elsewhere</title><form method="post" action="${target}"><button>Win</button></form>${submit}`;
  const elsewhere = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(form);
  });
  await new Promise<void>((listening) => elsewhere.listen(0, '127.0.0.1', listening));
  try {
    watch.allow(/^request to http:\/\/localhost/);
    watch.allow(/status of 40[34]/);
    // Of another site: a name where ours is an address.
    await page.goto(`http://localhost:${(elsewhere.address() as AddressInfo).port}/`);
    if (!scripts) await page.getByRole('button', { name: 'Win' }).click();
    await expect(title(page)).toHaveText('That did not work');
    await page.goto('/billing');
    await expect(title(page)).toHaveText(records(1));
  } finally {
    elsewhere.close();
  }
});
