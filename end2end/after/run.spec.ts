// After everything else, with nobody else about, questions about the run as a whole: does a page load really ask Stripe
// nothing, is every request that Billhook sent one that Stripe's own description allows, and did any secret get out?

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { customerInBillhook, everyText } from '../harness/database.ts';
import { complaints } from '../harness/openapi.ts';
import { manage, onPortal, records, signIn, title } from '../harness/pages.ts';
import { callsOfBillhook, headerOf, pairs, stripe } from '../harness/sandbox.ts';
import { everythingSeen } from '../harness/seen.ts';
import { stack } from '../harness/stack.ts';
import { expect, test } from '../harness/test.ts';

// In this order: the first makes the requests and secrets that the others look for, even when they run alone.
test.describe.configure({ mode: 'default' });

test('checklist 34: a page with fifty customers makes no call to Stripe', async ({ page, shop }) => {
  const made: string[] = [];
  for (let index = 0; index < 50; index += 1) {
    made.push((await stripe().customers.create({ email: shop.address, name: `Branch ${index}` })).id);
  }
  for (const id of made) await customerInBillhook(id);
  await signIn(page, shop.address);
  await expect(title(page)).toHaveText(records(50));

  const before = (await callsOfBillhook()).length;
  await page.reload();
  await expect(page.getByRole('article')).toHaveCount(50);
  await expect(page.getByRole('button', { name: /^Copy customer ID/ })).toHaveCount(50);
  await page.goto('/billing');
  await expect(page.getByRole('article')).toHaveCount(50);
  expect((await callsOfBillhook()).length - before).toBe(0);

  await manage(page, 'Branch 49').click();
  await onPortal(page);
  // The click looks at the customer, and makes the session.
  const calls = (await callsOfBillhook()).slice(before).map(({ method }) => method);
  expect(calls.sort()).toEqual(['GET', 'POST']);
});

test('the judge of requests has teeth', () => {
  const session = { method: 'POST', path: '/v1/billing_portal/sessions', query: [] as [string, string][] };
  const right: [string, string][] = [
    ['customer', 'cus_1'],
    ['flow_data[type]', 'payment_method_update'],
    ['expand[]', 'configuration'],
  ];
  expect(complaints({ ...session, form: right })).toEqual([]);
  expect(complaints({ ...session, form: [] })).toHaveLength(1);
  expect(complaints({ ...session, form: [...right, ['colour', 'red']] })).toHaveLength(1);
  expect(complaints({ ...session, form: [...right, ['flow_data[colour]', 'red']] })).toHaveLength(1);
  expect(complaints({ ...session, form: [['customer', 'cus_1'], ['flow_data[type]', 'invoices']] })).toHaveLength(1);
  expect(complaints({ ...session, method: 'PUT', form: right })).toHaveLength(1);
  expect(complaints({ ...session, path: '/v1/portal', form: right })).toHaveLength(1);
  const list = { method: 'GET', path: '/v1/customers', form: [] as [string, string][] };
  expect(complaints({ ...list, query: [['limit', '10'], ['email', 'ada@example.com']] })).toEqual([]);
  expect(complaints({ ...list, query: [['limit', 'many']] })).toHaveLength(1);
  expect(complaints({ ...list, query: [['name', 'Ada']] })).toHaveLength(1);
});

test("every request of Billhook to Stripe fits Stripe's description", async () => {
  const calls = await callsOfBillhook();
  const sessions = calls.filter(({ path }) => path === '/v1/billing_portal/sessions');
  expect(sessions.length, 'there were requests to judge').toBeGreaterThan(0);
  const found = calls.flatMap(({ method, path, query, form, headers }) => {
    const about = complaints({ method, path, query: [...new URLSearchParams(query)], form: pairs(form) });
    if (method === 'POST' && headerOf(headers, 'content-type') !== 'application/x-www-form-urlencoded') {
      about.push('the body is not marked as a form');
    }
    // Without one, the account decides which version the answers are in.
    if (headerOf(headers, 'stripe-version') === undefined) about.push('no version is asked for');
    return about.map((complaint) => `${method} ${path}: ${complaint}`);
  });
  expect([...new Set(found)]).toEqual([]);
});

/** Where the secret stands in the text by itself; a code of eight digits inside a longer number is chance. */
function holds(text: string, secret: string): boolean {
  if (!/^\d+$/.test(secret)) return text.includes(secret);
  return new RegExp(`(?<![0-9A-Za-z.])${secret}(?![0-9A-Za-z])`).test(text);
}

test('checklist 35: no log holds a secret', () => {
  const { logs, apiKey, webhookSecrets, sessionSecret } = stack();
  const seen = everythingSeen();
  expect(seen.length, 'a token, a code and a portal address at least').toBeGreaterThanOrEqual(3);
  const secrets = [apiKey, ...webhookSecrets, sessionSecret, '/p/session/test_', ...seen];
  const found = readdirSync(logs).flatMap((file) => {
    const text = readFileSync(join(logs, file), 'utf8');
    // The stand-in is no part of Billhook, and tells whoever starts it the secret that it signs with.
    const told: string[] = file.endsWith('sandbox.log') ? webhookSecrets : [];
    return secrets.filter((secret) => !told.includes(secret) && holds(text, secret)).map((secret) => `${file}: ${secret}`);
  });
  expect(found).toEqual([]);
});

test('checklist 2, 35: nothing in the database signs anybody in or opens a portal', () => {
  const texts = everyText();
  expect(texts.length).toBeGreaterThan(20);
  const dump = texts.join('\n');
  const found = ['/p/session/', ...everythingSeen()].filter((secret) => holds(dump, secret));
  expect(found).toEqual([]);
});
