// A sister domain that sets cookies for all of example.com, in a real browser and through nginx: names that look like ours to
// whoever trims more than the browser does. The victim has to see their own customers, and nobody else's, whatever was planted.

import type { Browser } from '@playwright/test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { finds } from '../harness/chromium.ts';
import { newClient } from '../harness/http.ts';
import { card, records, signIn, texts, title } from '../harness/pages.ts';
import { expect, test } from './test.ts';

const sister = 'shop.example.com';
const names = ['access', 'refresh', 'browser', 'device', 'link'];

/** What may stand before a name and be taken for nothing, as bytes: white space and what is unseen, in UTF-8 and in Latin-1. */
const blanks = [
  ...['\u2000', '\u3000', '\u0085', '\u00a0', '\u1680', '\u2028', '\ufeff', '\u200b'].map((blank) =>
    Buffer.from(blank, 'utf8').toString('latin1'),
  ),
  ...['\x85', '\xa0'],
];

/** Names that would be ours, if the browser let them through. */
const refused: ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toLowerCase(),
  (name) => ` ${name}`,
  (name) => `\t${name}`,
  (name) => `${name} `,
  // A value without a name, which is sent as if it were a pair.
  (name) => `=${name}`,
];

/** The sister's own server: sets these lines at /plant, and tells at /sent what cookies the browser has for the whole domain. */
function sistersServer(lines: string[]): Server {
  return createServer((asked, answer) => {
    if (asked.url === '/plant') answer.setHeader('Set-Cookie', lines);
    answer.setHeader('Content-Type', 'text/plain; charset=utf-8');
    // As bytes: of a text node would make UTF-8, and of the header before it too.
    answer.end(Buffer.from(JSON.stringify((asked.headers.cookie ?? '').split('; '))));
  });
}

test('checklist 15: what a sister domain plants in Chromium, the victim who signs in sees their own customers alone', async ({
  playwright,
  behind,
  shop,
  street,
  watch,
}) => {
  watch.allow(new RegExp(`^request to http://${sister.replaceAll('.', '\\.')}$`));
  watch.allow(/favicon/);
  await shop.customer({ name: 'Victim' });
  const attacker = `mallory.${shop.mark}@example.com`;
  await shop.customer({ name: 'Attacker', email: attacker });
  const jar = new Map((await street.signIn(attacker)).split('; ').map((pair) => pair.split('=', 2) as [string, string]));
  const theirs = (name: string) => jar.get(`__Host-billhook_${name}`) ?? 'planted';

  const line = (planted: string, value: string) => `${planted}=${value}; Domain=example.com; Path=/`;
  const lines = [
    ...blanks.flatMap((blank) => names.map((name) => line(`${blank}__Host-billhook_${name}`, theirs(name)))),
    ...blanks.flatMap((blank) => names.map((name) => line(`__Host-billhook_${name}${blank}`, theirs(name)))),
    ...refused.flatMap((write) => names.map((name) => line(write(`__Host-billhook_${name}`), theirs(name)))),
  ];
  const server = sistersServer(lines);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { host, https, http, spki } = behind;
  const places = { [`${host}:443`]: https, [`${host}:80`]: http, [`${sister}:80`]: (server.address() as AddressInfo).port };
  let browser: Browser | undefined;
  try {
    browser = await playwright.chromium.launch(finds(places, spki));
    const context = await browser.newContext({ baseURL: behind.app, locale: 'en-GB', extraHTTPHeaders: { 'X-Forwarded-For': newClient() } });
    await watch.attach(context);
    const page = await context.newPage();
    await page.goto(`http://${sister}/plant`);
    await page.goto(`http://${sister}/sent`);
    const sent = JSON.parse(await page.evaluate(() => document.body.innerText)) as string[];
    // All names that begin otherwise get past the browser, byte for byte: without them the rest would prove nothing. Those that
    // are ours but for blanks of HTTP, for the case or for their end do not.
    const held = sent.map((pair) => pair.split('=')[0] ?? '');
    expect(held).toEqual(blanks.flatMap((blank) => names.map((name) => `${blank}__Host-billhook_${name}`)));

    // Planted before: nobody is signed in, least of all the attacker.
    await page.goto('/billing');
    await expect(title(page)).toHaveText(texts.start);
    await signIn(page, shop.address);
    await expect(title(page)).toHaveText(records(1));
    await expect(card(page, 'Victim')).toBeVisible();
    await expect(card(page, 'Attacker')).toHaveCount(0);

    // Planted again, now that the browser has cookies of ours.
    await page.goto(`http://${sister}/plant`);
    await page.goto('/billing');
    await expect(card(page, 'Victim')).toBeVisible();
    await expect(card(page, 'Attacker')).toHaveCount(0);
  } finally {
    await browser?.close();
    server.close();
    server.closeAllConnections();
  }
});
