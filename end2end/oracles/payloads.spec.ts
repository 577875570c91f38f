// The official SDK's types judge the payloads of today: every file becomes a constant of its event's type, and the compiler
// finds a field too many, one missing and one of the wrong kind. No stand-in and no Billhook takes part.

import { expect, test } from '@playwright/test';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { compile } from '../harness/compile.ts';
import { home } from '../harness/stack.ts';

const folder = join(home, '../tests/payloads/today');

/** Payloads that Stripe posts and the SDK's type of their event does not describe. */
const otherwise: Record<string, string> = {
  'customer.deleted.short': "Snapshot<'customer.deleted', Stripe.DeletedCustomer>",
  'invoice.upcoming': "Snapshot<'invoice.upcoming', Omit<Stripe.Invoice, 'id'>>",
  'harbour.berth.assigned.unknown-type': 'Snapshot<string, Record<string, unknown>>',
  'v1.billing.meter.error_report_triggered.thin': "Thin<'v1.billing.meter.error_report_triggered'>",
  'v1.customer.subscription.active.thin': "Thin<'v1.customer.subscription.active'>",
};

// The SDK reads decimals out of text, and its lists do not tell their length; a change names the former values only.
const preamble = `
import type Stripe from 'stripe';

type Plain = string | number | boolean | null | undefined | void;
type Posted<T> = unknown extends T ? T
  : T extends Plain ? T
  : T extends Stripe.Decimal ? string
  : T extends (infer U)[] ? Posted<U>[]
  : T extends { object: 'list' } ? { [K in keyof T]: Posted<T[K]> } & { total_count?: number }
  : { [K in keyof T]: Posted<T[K]> };
type Former<T> = T extends Plain ? T | null
  : T extends Stripe.Decimal ? string | null
  : T extends unknown[] ? Posted<T> | null
  : T extends { object: 'list' } ? Partial<Posted<T>>
  : { [K in keyof T]?: Former<T[K]> | null };

type About<Type> = Extract<Stripe.Event, { type: Type }>['data']['object'];
type Snapshot<Type, Object = About<Type>> = Omit<Stripe.CustomerUpdatedEvent, 'type' | 'data'> & {
  type: Type;
  data: { object: Posted<Object>; previous_attributes?: Former<Object> };
};
type Notification<Type> = Extract<Stripe.V2.Core.EventNotification, { type: Type }>;
type Thin<Type> = Omit<Notification<Type>, 'context' | 'fetchRelatedObject' | 'fetchEvent'> & { context?: string };
`;

interface Payload {
  type: string;
  data: { object: Record<string, unknown>; previous_attributes?: Record<string, unknown> };
}

function read(name: string): Payload {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Payload;
}

function constants(payloads: [name: string, payload: Payload][]): string {
  const typed = payloads.map(([name, payload], index) => {
    const type = otherwise[name] ?? `Snapshot<'${payload.type}'>`;
    return `/* ${name} */\nexport const payload${index}: ${type} = ${JSON.stringify(payload, null, 2)};`;
  });
  return [preamble, ...typed].join('\n');
}

test('the payloads of today have the shape of the types', async () => {
  const names = readdirSync(folder).map((file) => basename(file, '.json'));
  expect(names).toEqual(expect.arrayContaining(Object.keys(otherwise)));
  const payloads = names.map((name): [string, Payload] => [name, read(name)]);
  for (const [name, { type }] of payloads) expect(`${name}.`.startsWith(`${type}.`), `${name} is a ${type}`).toBe(true);
  expect(await compile('payloads', constants(payloads))).toBe('');

  // The check has teeth, at the top of an object and deep inside it.
  const spoilt = (name: string, spoil: (data: Payload['data']) => void): [string, Payload] => {
    const payload = read(name);
    spoil(payload.data);
    return [name, payload];
  };
  const list = (...data: unknown[]) => ({ object: 'list', data, has_more: false, url: '' });
  for (const [wrong, complaint] of [
    [spoilt('customer.created', ({ object }) => delete object.id), "'id'"],
    [spoilt('customer.subscription.created', ({ object }) => (object.current_period_end = 1)), 'current_period_end'],
    [spoilt('customer.subscription.created', ({ object }) => (object.items = list({ nonsense: 1 }))), 'nonsense'],
    [spoilt('price.created.metered-fraction', ({ object }) => (object.unit_amount_decimal = 0.5)), "'number'"],
    [spoilt('invoice.paid', ({ object }) => (object.lines = list({}))), "'{}'"],
    [spoilt('customer.updated', (data) => (data.previous_attributes = { emial: null })), 'emial'],
  ] as const) {
    expect(await compile('wrong-payload', constants([wrong]))).toContain(complaint);
  }
});
