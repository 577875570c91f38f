// What a seller sells and customers subscribe to, made at the stand-in as a seller would make it at Stripe.

import type Stripe from 'stripe';
import { eventRow } from './database.ts';
import { stripe } from './sandbox.ts';
import { stack } from './stack.ts';
import { until } from './until.ts';

/** Whoever pays with the test card ending in 4242. */
export const withCard = {
  payment_method: 'pm_card_visa',
  invoice_settings: { default_payment_method: 'pm_card_visa' },
} satisfies Stripe.CustomerCreateParams;

/** The price of a new product: €12.00 a month, unless said otherwise. */
export async function sell(product: string, wanted: Partial<Stripe.PriceCreateParams> = {}): Promise<string> {
  const { id } = await stripe().products.create({ name: product });
  const usual = { currency: 'eur', recurring: { interval: 'month' as const } };
  const amount = wanted.billing_scheme === 'tiered' ? {} : { unit_amount: 1_200 };
  return (await stripe().prices.create({ product: id, ...usual, ...amount, ...wanted })).id;
}

/** A subscription of one of it. */
export function subscribe(
  customer: Stripe.Customer,
  price: string,
  wanted: Partial<Stripe.SubscriptionCreateParams> = {},
): Promise<Stripe.Subscription> {
  return stripe().subscriptions.create({ customer: customer.id, items: [{ price }], ...wanted });
}

/** Brings the next period about, whose payment goes as said. Of two invoices of one second either could be the last. */
export async function renew({ id, created }: Stripe.Subscription, outcome: 'paid' | 'failed'): Promise<void> {
  await until('the next second', () => Math.floor(Date.now() / 1_000) > created);
  const response = await fetch(`${stack().sandbox}/_sandbox/renew`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ subscription: id, outcome }),
  });
  if (!response.ok) throw new Error(`the renewal was answered ${response.status}: ${await response.text()}`);
}

/** Waits until Billhook has worked off all that the stand-in has told so far. */
export async function arrived(): Promise<void> {
  const { data } = await stripe().events.list({ limit: 100 });
  await until('the events in Billhook', () =>
    data.every(({ id }) => !['pending', undefined].includes(eventRow(id)?.state)),
  );
}

/** A day as the browser of these tests writes it; without scripts days are in UTC. */
export function day(unix: number | null | undefined, scripts: boolean): string {
  if (typeof unix !== 'number') throw new Error('there is no such day');
  const timeZone = scripts ? 'Europe/Berlin' : 'UTC';
  return new Date(unix * 1_000).toLocaleDateString('en-GB', { dateStyle: 'long', timeZone });
}

/** Half an hour before midnight in UTC, so many days from now: in the browser's time zone already the day after. */
export function lateIn(days: number): number {
  const length = 24 * 60 * 60;
  return (Math.floor(Date.now() / 1_000 / length) + days + 1) * length - 30 * 60;
}
