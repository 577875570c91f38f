// The official SDK's types judge what the stand-in answers: real answers are written into a TypeScript file as literals, and
// the compiler says whether they have today's shape, no field missing and none too many.

import { expect, test } from '@playwright/test';
import { compile } from '../harness/compile.ts';
import { stripe } from '../harness/sandbox.ts';
import { stack } from '../harness/stack.ts';

/** Types say `Decimal` where the wire has a text: the official SDK makes one of it. */
const decimals = /^(.*_decimal)$/;

/** The value as a literal of TypeScript. */
function literal(value: unknown): string {
  const text = JSON.stringify(value, (key, inner: unknown) => {
    return decimals.test(key) && typeof inner === 'string' ? { '@decimal': inner } : inner;
  }, 2);
  return text.replaceAll(/\{\s*"@decimal": ("[^"]*")\s*\}/g, 'decimal($1)');
}

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
    return `export const answer${index}: ${type} = ${literal(value)};`;
  });
  return ["import type Stripe from 'stripe';", 'declare function decimal(text: string): Stripe.Decimal;', ...constants].join(
    '\n\n',
  );
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

test('what is sold and billed has the shape of the types', async () => {
  const made = async (path: string, form: Record<string, string> = {}) => (await answer(path, form)) as { id: string };
  const product = await made('/v1/products', { name: 'Types', 'metadata[a]': 'b', 'marketing_features[0][name]': 'Fast' });
  const feature = await made('/v1/entitlements/features', { lookup_key: `types-${Date.now()}`, name: 'Types' });
  const attached = await made(`/v1/products/${product.id}/features`, { entitlement_feature: feature.id });
  const recurring = { 'recurring[interval]': 'month', product: product.id };
  const price = await made('/v1/prices', { ...recurring, currency: 'eur', unit_amount: '1200' });
  const once = await made('/v1/prices', { product: product.id, currency: 'jpy', unit_amount: '1800' });
  const tiered = await made('/v1/prices', {
    ...{ ...recurring, currency: 'eur', billing_scheme: 'tiered', tiers_mode: 'volume' },
    ...{ 'tiers[0][up_to]': '5', 'tiers[0][unit_amount]': '100', 'tiers[1][up_to]': 'inf', 'tiers[1][flat_amount]': '900' },
  });
  const plan = await made('/v1/plans', { currency: 'eur', amount: '100', interval: 'year', product: product.id });
  const method = await made('/v1/payment_methods', { type: 'card', 'card[token]': 'tok_visa' });
  const debit = await made('/v1/payment_methods', { type: 'sepa_debit', 'sepa_debit[iban]': 'AT611904300234573201' });
  const customer = await made('/v1/customers', {
    payment_method: 'pm_card_visa',
    'invoice_settings[default_payment_method]': 'pm_card_visa',
  });
  await made(`/v1/payment_methods/${method.id}/attach`, { customer: customer.id });
  const subscription = (await answer('/v1/subscriptions', {
    customer: customer.id,
    'items[0][price]': price.id,
    'items[1][price]': tiered.id,
  })) as { id: string; latest_invoice: string };
  const invoice = await answer(`/v1/invoices/${subscription.latest_invoice}`);
  const invoices = await answer(`/v1/invoices?customer=${customer.id}`);
  const lines = await answer(`/v1/invoices/${subscription.latest_invoice}/lines`);
  const items = await answer(`/v1/subscription_items?subscription=${subscription.id}`);
  const payments = await answer(`/v1/invoice_payments?invoice=${subscription.latest_invoice}`);
  const intents = await answer(`/v1/payment_intents?customer=${customer.id}`);
  const entitlements = await answer(`/v1/entitlements/active_entitlements?customer=${customer.id}`);
  const item = await made('/v1/invoiceitems', { customer: customer.id, currency: 'eur', amount: '700' });
  const single = await made('/v1/invoices', { customer: customer.id, pending_invoice_items_behavior: 'include' });
  const intent = await made('/v1/payment_intents', { amount: '100', currency: 'usd', payment_method: method.id, confirm: 'true' });
  const setup = await made('/v1/setup_intents', { customer: customer.id, payment_method: method.id, confirm: 'true' });
  const form = { mode: 'subscription', 'line_items[0][price]': price.id, success_url: 'https://example.com/' };
  const session = await made('/v1/checkout/sessions', form);
  const order = { method: 'POST', headers: { 'Content-Type': 'application/json' } };
  const completed = await fetch(`${stack().sandbox}/_sandbox/checkout/complete`, {
    ...order,
    body: JSON.stringify({ session: session.id }),
  });
  const done: unknown = await completed.json();
  const renewed = await fetch(`${stack().sandbox}/_sandbox/renew`, {
    ...order,
    body: JSON.stringify({ subscription: subscription.id, outcome: 'failed' }),
  });
  const behind: unknown = await renewed.json();
  await made(`/v1/payment_methods/${method.id}`, { 'metadata[a]': 'b' });
  const detached = await made(`/v1/payment_methods/${method.id}/detach`);
  await made(`/v1/products/${product.id}`, { name: 'Types again' });
  await made(`/v1/prices/${price.id}`, { nickname: 'P' });

  // Who else makes events of these kinds meanwhile, makes them of the same shape.
  const event = async (type: string) => {
    const { data } = await stripe().events.list({ type, limit: 1 });
    if (data[0] === undefined) throw new Error(`no ${type}`);
    const found = (await answer(`/v1/events/${data[0].id}`)) as { data: { object: unknown } };
    // Of what was before, Stripe tells only what changed, at every depth; the types know that of the first depth only.
    return { ...found, data: { object: found.data.object } };
  };
  const events: [string, string][] = [
    ['ProductCreated', 'product.created'],
    ['ProductUpdated', 'product.updated'],
    ['PriceCreated', 'price.created'],
    ['PriceUpdated', 'price.updated'],
    ['PlanCreated', 'plan.created'],
    ['CustomerSubscriptionCreated', 'customer.subscription.created'],
    ['CustomerSubscriptionUpdated', 'customer.subscription.updated'],
    ['InvoiceCreated', 'invoice.created'],
    ['InvoiceFinalized', 'invoice.finalized'],
    ['InvoicePaid', 'invoice.paid'],
    ['InvoicePaymentSucceeded', 'invoice.payment_succeeded'],
    ['InvoicePaymentFailed', 'invoice.payment_failed'],
    ['InvoicePaymentPaid', 'invoice_payment.paid'],
    ['PaymentIntentCreated', 'payment_intent.created'],
    ['PaymentIntentSucceeded', 'payment_intent.succeeded'],
    ['PaymentIntentPaymentFailed', 'payment_intent.payment_failed'],
    ['PaymentMethodAttached', 'payment_method.attached'],
    ['PaymentMethodUpdated', 'payment_method.updated'],
    ['PaymentMethodDetached', 'payment_method.detached'],
    ['EntitlementsActiveEntitlementSummaryUpdated', 'entitlements.active_entitlement_summary.updated'],
    ['CheckoutSessionCompleted', 'checkout.session.completed'],
    ['SetupIntentSucceeded', 'setup_intent.succeeded'],
    ['InvoiceItemCreated', 'invoiceitem.created'],
  ];
  const typed: [string, unknown][] = [
    ['Stripe.Product', product],
    ['Stripe.Entitlements.Feature', feature],
    ['Stripe.ProductFeature', attached],
    ['Stripe.Price', price],
    ['Stripe.Price', once],
    ['Stripe.Price', tiered],
    ['Stripe.Plan', plan],
    ['Stripe.PaymentMethod', method],
    ['Stripe.PaymentMethod', debit],
    ['Stripe.PaymentMethod', detached],
    ['Stripe.Subscription', subscription],
    ['Stripe.Subscription', behind],
    ['Stripe.Invoice', invoice],
    ['Stripe.Invoice', single],
    ['Stripe.InvoiceItem', item],
    ['Stripe.ApiList<Stripe.Invoice>', invoices],
    ['Stripe.ApiList<Stripe.InvoiceLineItem>', lines],
    ['Stripe.ApiList<Stripe.SubscriptionItem>', items],
    ['Stripe.ApiList<Stripe.InvoicePayment>', payments],
    ['Stripe.ApiList<Stripe.PaymentIntent>', intents],
    ['Stripe.ApiList<Stripe.Entitlements.ActiveEntitlement>', entitlements],
    ['Stripe.PaymentIntent', intent],
    ['Stripe.SetupIntent', setup],
    ['Stripe.Checkout.Session', session],
    ['Stripe.Checkout.Session', done],
    ...(await Promise.all(
      events.map(async ([name, type]): Promise<[string, unknown]> => [`Stripe.${name}Event`, await event(type)]),
    )),
  ];
  expect(await compile('billing', source(typed))).toBe('');
});
