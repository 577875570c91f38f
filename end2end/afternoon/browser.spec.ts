// A browser on https, behind the proxy: what the plain address of the other specs cannot show.

import { signInMail } from '../harness/mail.ts';
import { ask, card, list, manage, onPortal, records, signInButton, title } from '../harness/pages.ts';
import { goBack } from '../harness/portal.ts';
import { stripe } from '../harness/sandbox.ts';
import { expect, test } from './test.ts';

/** Together: a browser of this machine may ask for one mail a minute, as strangers do that nobody can tell apart. */
test('checklist 15, 37, 64: by https through the proxy, from the address to the portal and back, with __Host- cookies and live changes', async ({
  page,
  context,
  shop,
  baseURL,
  watch,
}) => {
  watch.allow(/^request to http:\/\/billing\.example\.com$/);
  const home = await shop.customer({ name: 'Home' });
  await shop.customer({ name: 'Studio' });

  // The first step is taken by http; from then on the browser does not take it any more.
  const led: number[] = [];
  page.on('response', (response) => {
    if (response.url() === 'http://billing.example.com/') led.push(response.status());
  });
  await page.goto('http://billing.example.com/');
  await expect(page).toHaveURL(`${baseURL}/`);
  await page.goto('http://billing.example.com/');
  await expect(page).toHaveURL(`${baseURL}/`);
  expect(led).toEqual([308, 307]);

  await ask(page, shop.address);
  const mail = await signInMail(shop.address);
  expect(mail.link.startsWith('https://billing.example.com/sign-in/link?token=')).toBe(true);
  await page.goto(mail.link);
  await signInButton(page).click();
  await expect(page).toHaveURL(`${baseURL}/billing`);
  await expect(title(page)).toHaveText(records(2));

  const cookies = await context.cookies();
  expect(cookies.length).toBeGreaterThanOrEqual(2);
  for (const cookie of cookies) {
    expect(cookie.name).toMatch(/^__Host-billhook_/);
    expect(cookie).toMatchObject({ secure: true, httpOnly: true, sameSite: 'Lax', path: '/', domain: 'billing.example.com' });
  }
  expect(await page.evaluate(() => document.cookie)).toBe('');

  // A proxy that kept the stream until its end would show nothing for five minutes.
  await expect(page.getByRole('button', { name: `Copy customer ID ${home.id}` })).toBeVisible();
  await page.evaluate(() => Object.assign(window, { notReloaded: true }));
  await stripe().customers.update(home.id, { name: 'Renamed' });
  await expect(card(page, 'Renamed')).toBeVisible();
  expect(await page.evaluate(() => 'notReloaded' in window)).toBe(true);

  await manage(page, 'Studio').click();
  await onPortal(page);
  await goBack(page);
  await expect(page).toHaveURL(list);
  await expect(title(page)).toHaveText(records(2));
});
