// The official SDK's types judge what the stand-in answers: real answers are written into a TypeScript file as literals, and
// the compiler says whether they have today's shape, no field missing and none too many.

import { expect, test } from '@playwright/test';
import { compile } from '../harness/compile.ts';
import { stripe } from '../harness/sandbox.ts';
import { stack } from '../harness/stack.ts';

/** An answer exactly as it came over the wire. */
async function answer(path: string, form?: Record<string, string>, method = form ? 'POST' : 'GET'): Promise<unknown> {
  const response = await fetch(`${stack().sandbox}${path}`, {
    method,
    headers: { Authorization: `Bearer ${stack().apiKey}`, 'Content-Type': 'application/x-www-form-urlencoded' },
    ...(form ? { body: new URLSearchParams(form).toString() } : {}),
  });
  const body: unknown = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(body)}`);
  return body;
}

function source(typed: [type: string, value: unknown][]): string {
  const constants = typed.map(([type, value], index) => {
    return `export const answer${index}: ${type} = ${JSON.stringify(value, null, 2)};`;
  });
  return ["import type Stripe from 'stripe';", ...constants].join('\n\n');
}

test('customers, events, portal sessions and endpoints have the shape of the types', async () => {
  const customer = (await answer('/v1/customers', {
    email: 'types@example.com',
    name: 'Types',
    'metadata[plan]': 'a',
  })) as { id: string };
  const updated = await answer(`/v1/customers/${customer.id}`, { name: 'Other', 'metadata[plan]': 'b' });
  const session = await answer('/v1/billing_portal/sessions', {
    customer: customer.id,
    return_url: `${stack().app}/billing`,
  });
  const flow = await answer('/v1/billing_portal/sessions', {
    customer: customer.id,
    'flow_data[type]': 'payment_method_update',
  });
  const deleted = await answer(`/v1/customers/${customer.id}`, undefined, 'DELETE');
  const endpoint = (await answer('/v1/webhook_endpoints', {
    url: 'http://127.0.0.1:9/webhooks/stripe',
    'enabled_events[]': 'customer.updated',
  })) as { id: string };
  await answer(`/v1/webhook_endpoints/${endpoint.id}`, undefined, 'DELETE');
  const list = await answer('/v1/customers?limit=3');

  const event = async (type: string) => {
    const events = await stripe().events.list({ type, limit: 100 }).autoPagingToArray({ limit: 2_000 });
    const found = events.find(({ data }) => (data.object as { id?: string }).id === customer.id);
    if (found === undefined) throw new Error(`no ${type} of ${customer.id}`);
    return answer(`/v1/events/${found.id}`);
  };
  const typed: [string, unknown][] = [
    ['Stripe.Customer', customer],
    ['Stripe.Customer', updated],
    ['Stripe.DeletedCustomer', deleted],
    ['Stripe.ApiList<Stripe.Customer>', list],
    ['Stripe.BillingPortal.Session', session],
    ['Stripe.BillingPortal.Session', flow],
    ['Stripe.WebhookEndpoint', endpoint],
    ['Stripe.CustomerCreatedEvent', await event('customer.created')],
    ['Stripe.CustomerUpdatedEvent', await event('customer.updated')],
    ['Stripe.CustomerDeletedEvent', await event('customer.deleted')],
  ];
  expect(await compile('answers', source(typed))).toBe('');

  // The check has teeth: one field too many, one too few and one of the wrong kind are each found.
  const { id: _, ...withoutId } = customer;
  for (const [wrong, complaint] of [
    [{ ...customer, nonsense: 1 }, 'nonsense'],
    [withoutId, "'id'"],
    [{ ...customer, created: 'today' }, "'string' is not assignable to type 'number'"],
  ] as const) {
    expect(await compile('wrong', source([['Stripe.Customer', wrong]]))).toContain(complaint);
  }
});
