// Stripe's official SDK as a client of the stand-in: what it asks for it gets, and what it gets wrong is refused the way that
// Stripe refuses it.

import { expect, test } from '@playwright/test';
import { randomBytes } from 'node:crypto';
import Stripe from 'stripe';
import { stripe } from '../harness/sandbox.ts';
import { stack } from '../harness/stack.ts';

const mark = () => randomBytes(5).toString('hex');

async function refusal(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Stripe.errors.StripeError)) throw new Error(`no refusal by Stripe, but ${String(error)}`);
  return error;
}

test('a customer is made, read, changed and deleted', async () => {
  const { customers } = stripe();
  const email = `sdk.${mark()}@example.com`;
  const made = await customers.create({ email, name: 'Ada', description: 'first', metadata: { plan: 'a', seat: '3' } });
  expect(made).toMatchObject({ object: 'customer', email, name: 'Ada', livemode: false, metadata: { plan: 'a', seat: '3' } });
  expect(made.id).toMatch(/^cus_/);
  expect(Math.abs(made.created - Date.now() / 1000)).toBeLessThan(60);
  expect(made.lastResponse.requestId).toMatch(/^req_/);

  const changed = await customers.update(made.id, { name: 'Bea', description: '', metadata: { plan: '', colour: 'red' } });
  expect(changed).toMatchObject({ name: 'Bea', description: null, metadata: { seat: '3', colour: 'red' } });
  expect(changed.metadata).not.toHaveProperty('plan');
  expect(await customers.retrieve(made.id)).toMatchObject({ name: 'Bea', email });

  expect(await customers.del(made.id)).toMatchObject({ id: made.id, object: 'customer', deleted: true });
  // A deleted customer is answered with 200 and a mark, not with 404.
  expect(await customers.retrieve(made.id)).toMatchObject({ id: made.id, deleted: true });
  expect((await customers.list({ email })).data).toEqual([]);
  expect((await refusal(customers.update(made.id, { name: 'Late' }))).type).toBe('StripeInvalidRequestError');
});

test('lists come in pages, newest first, and the address filter minds case', async () => {
  const { customers } = stripe();
  const address = `Pages.${mark()}@example.com`;
  const made: string[] = [];
  for (let index = 0; index < 25; index += 1) made.unshift((await customers.create({ email: address })).id);

  const page = await customers.list({ email: address });
  expect(page).toMatchObject({ object: 'list', has_more: true, url: '/v1/customers' });
  expect(page.data.map(({ id }) => id)).toEqual(made.slice(0, 10));
  const all = await customers.list({ email: address, limit: 7 }).autoPagingToArray({ limit: 1_000 });
  expect(all.map(({ id }) => id)).toEqual(made);
  const before = await customers.list({ email: address, limit: 5, ending_before: made[20] ?? '' });
  expect(before.data.map(({ id }) => id)).toEqual(made.slice(15, 20));
  expect((await customers.list({ email: address.toLowerCase() })).data).toEqual([]);
});

test('mistakes are refused as Stripe refuses them', async () => {
  const { customers, billingPortal, events } = stripe();
  const missing = await refusal(customers.retrieve('cus_nobody'));
  expect(missing).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
  expect(missing).toMatchObject({ statusCode: 404, code: 'resource_missing', param: 'id' });
  expect(missing.message).toContain("No such customer: 'cus_nobody'");

  const unknown = await refusal(customers.create({ nmae: 'Ada' } as Stripe.CustomerCreateParams));
  expect(unknown).toMatchObject({ statusCode: 400, code: 'parameter_unknown', param: 'nmae' });

  expect(await refusal(customers.create({ email: 'no address' }))).toMatchObject({ statusCode: 400, param: 'email' });
  expect(await refusal(customers.list({ limit: 101 }))).toMatchObject({ statusCode: 400, param: 'limit' });
  expect(await refusal(customers.list({ starting_after: 'cus_nobody' }))).toMatchObject({ code: 'resource_missing' });
  expect(await refusal(events.retrieve('evt_nothing'))).toMatchObject({ statusCode: 404, code: 'resource_missing' });
  expect(await refusal(billingPortal.sessions.create({ customer: 'cus_nobody' }))).toMatchObject({
    code: 'resource_missing',
    param: 'customer',
  });
  expect(await refusal(billingPortal.sessions.create({} as Stripe.BillingPortal.SessionCreateParams))).toMatchObject({
    statusCode: 400,
    type: 'StripeInvalidRequestError',
  });
  expect(await refusal(stripe().rawRequest('GET', '/v1/no_such_thing'))).toMatchObject({ statusCode: 404 });
});

test('a key is needed, and a live one is never taken', async () => {
  const bare = await fetch(`${stack().sandbox}/v1/customers`);
  expect(bare.status).toBe(401);
  for (const key of ['nonsense', 'sk_live_billhook_fake', 'rk_live_billhook_fake']) {
    const error = await refusal(stripe({ key }).customers.list());
    expect(error, key).toBeInstanceOf(Stripe.errors.StripeAuthenticationError);
  }
});

test('a portal session is made for a customer, with and without a flow', async () => {
  const { customers, billingPortal } = stripe();
  const { id: customer } = await customers.create({ email: `portal.${mark()}@example.com` });
  const return_url = `${stack().app}/billing`;
  const plain = await billingPortal.sessions.create({ customer, return_url });
  expect(plain).toMatchObject({ object: 'billing_portal.session', customer, return_url, livemode: false, flow: null });
  expect(plain.id).toMatch(/^bps_/);
  expect(plain.url.startsWith(`${stack().sandbox}/p/session/test_`)).toBe(true);
  const opened = await fetch(plain.url);
  expect(opened.status).toBe(200);
  expect(opened.headers.get('content-type')).toContain('text/html');

  const flow = await billingPortal.sessions.create({
    customer,
    return_url,
    flow_data: { type: 'payment_method_update', after_completion: { type: 'redirect', redirect: { return_url } } },
  });
  expect(flow.flow).toMatchObject({ type: 'payment_method_update' });
  const wrong = { customer, flow_data: { type: 'pay_out' } } as unknown as Stripe.BillingPortal.SessionCreateParams;
  expect(await refusal(billingPortal.sessions.create(wrong))).toMatchObject({ statusCode: 400, param: 'flow_data[type]' });
});

test('what happens is told by events', async () => {
  const { customers, events } = stripe();
  const { id } = await customers.create({ email: `events.${mark()}@example.com`, name: 'Before' });
  await customers.update(id, { name: 'After' });
  await customers.del(id);
  const all = await events.list({ types: ['customer.created', 'customer.updated', 'customer.deleted'], limit: 100 });
  const mine = all.data.filter(({ data }) => (data.object as { id?: string }).id === id);
  expect(mine.map(({ type }) => type)).toEqual(['customer.deleted', 'customer.updated', 'customer.created']);

  const [deleted, updated] = mine as [Stripe.Event, Stripe.Event];
  expect(updated.data).toMatchObject({ object: { name: 'After' }, previous_attributes: { name: 'Before' } });
  // The object as it was, without a mark that it is gone.
  expect(deleted.data.object).toMatchObject({ id, object: 'customer', name: 'After' });
  expect(deleted.data.object).not.toHaveProperty('deleted');
  expect(await events.retrieve(updated.id)).toMatchObject({ id: updated.id, type: 'customer.updated' });
});

test('an endpoint for webhooks is made, listed and deleted, and tells its secret once', async () => {
  const { webhookEndpoints } = stripe();
  const url = 'http://127.0.0.1:9/webhooks/stripe';
  const made = await webhookEndpoints.create({ url, enabled_events: ['customer.updated'], description: 'end to end' });
  try {
    expect(made).toMatchObject({ object: 'webhook_endpoint', url, status: 'enabled', enabled_events: ['customer.updated'] });
    expect(made.secret).toMatch(/^whsec_/);
    expect(await webhookEndpoints.retrieve(made.id)).not.toHaveProperty('secret');
    expect((await webhookEndpoints.list({ limit: 100 })).data.map(({ id }) => id)).toContain(made.id);
  } finally {
    expect(await webhookEndpoints.del(made.id)).toMatchObject({ id: made.id, deleted: true });
  }
});

test('the seed is the shop that the manual describes', async () => {
  const customers = await stripe().customers.list({ limit: 100 }).autoPagingToArray({ limit: 2_000 });
  // Customers of the seed are those whose address does not carry the mark of a test.
  const seeded = customers.filter(({ email }) => email !== null && !/[0-9a-f]{10}/.test(email));
  const groups = new Map<string, string[]>();
  for (const { email } of seeded) {
    const address = email ?? '';
    groups.set(address.toLowerCase(), [...(groups.get(address.toLowerCase()) ?? []), address]);
  }
  const people = [...groups.values()];
  expect(people.some((group) => group.length >= 3), 'an address with three customers').toBe(true);
  expect(people.some((group) => new Set(group).size > 1), 'addresses that differ only in case').toBe(true);
  expect(seeded.some(({ delinquent }) => delinquent === true), 'a payment that is overdue').toBe(true);
});
