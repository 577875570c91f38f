// Stripe's official command line tool drives the stand-in, and Billhook's rows follow.

import { expect, test } from '@playwright/test';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { customerInBillhook, eventRow } from '../harness/database.ts';
import { stripe } from '../harness/sandbox.ts';
import { home, stack } from '../harness/stack.ts';
import { until } from '../harness/until.ts';

// One after the other: each tells its own event from those that were there before.
test.describe.configure({ mode: 'default' });

const mark = '(created by Stripe CLI)';

/** The events of that type about customers that the tool has made, newest first. */
async function eventsOfTool(type: string): Promise<{ id: string; customer: string }[]> {
  const events = await stripe().events.list({ type, limit: 100 }).autoPagingToArray({ limit: 2_000 });
  return events.flatMap(({ id, data }) => {
    const object = data.object as { id: string; description?: string | null };
    return object.description === mark ? [{ id, customer: object.id }] : [];
  });
}

/** Runs the tool and answers with the customer that it was about, once Billhook is through with the event. */
async function trigger(type: string, ...more: string[]): Promise<string> {
  const before = new Set((await eventsOfTool(type)).map(({ id }) => id));
  const config = mkdtempSync(join(tmpdir(), 'stripe-cli-'));
  try {
    const { stdout } = await promisify(execFile)(
      join(home, 'node_modules/.bin/stripe'),
      ['trigger', type, '--api-base', stack().sandbox, '--api-key', stack().apiKey, ...more],
      {
        timeout: 60_000,
        env: { PATH: process.env.PATH ?? '', HOME: config, XDG_CONFIG_HOME: config, STRIPE_CLI_TELEMETRY_OPTOUT: '1' },
      },
    );
    expect(stdout).toContain('Trigger succeeded');
  } finally {
    rmSync(config, { recursive: true, force: true });
  }
  const made = (await eventsOfTool(type)).filter(({ id }) => !before.has(id));
  expect(made, `one new ${type}`).toHaveLength(1);
  const [{ id, customer }] = made as [{ id: string; customer: string }];
  const settled = await until(`the event ${id} in Billhook`, () => {
    const row = eventRow(id);
    return row !== undefined && row.state !== 'pending' ? row : undefined;
  });
  expect(settled).toMatchObject({ type, error: null });
  return customer;
}

test('stripe trigger customer.created makes a row', async () => {
  const id = await trigger('customer.created');
  expect(await customerInBillhook(id)).toMatchObject({ description: mark, deleted_at: null });
});

test('stripe trigger customer.created with an address makes a row that has it', async () => {
  const email = 'cli@example.com';
  const id = await trigger('customer.created', '--override', `customer:email=${email}`);
  expect(await customerInBillhook(id)).toMatchObject({ email });
});

test('stripe trigger customer.updated changes the row', async () => {
  const id = await trigger('customer.updated', '--add', 'customer_updated:name=Changed by the tool');
  await customerInBillhook(id, ({ name }) => name === 'Changed by the tool');
});

test('stripe trigger customer.deleted leaves a tombstone', async () => {
  const id = await trigger('customer.deleted');
  await customerInBillhook(id, ({ deleted_at }) => deleted_at !== null);
});
