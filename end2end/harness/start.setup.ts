// First of all: everything that the run needs is up, and Billhook has heard of every customer of the seed.

import { expect, test } from '@playwright/test';
import { customerIds } from './database.ts';
import { stripe } from './sandbox.ts';
import { stack } from './stack.ts';
import { until } from './until.ts';

test('the stack is up and the seed has arrived', async () => {
  const up = await fetch(`${stack().app}/up`);
  expect(up.status).toBe(200);
  const seeded = await stripe().customers.list({ limit: 100 }).autoPagingToArray({ limit: 1_000 });
  expect(seeded.length).toBeGreaterThanOrEqual(10);
  await until('every seeded customer in Billhook', () => {
    const known = customerIds();
    return seeded.every(({ id }) => known.has(id));
  });
});
