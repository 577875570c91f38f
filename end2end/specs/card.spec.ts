// What a card says about subscriptions, payment method and last invoice, and which ways into the portal it offers for them.

import type { APIResponse, Locator } from '@playwright/test';
import type Stripe from 'stripe';
import { arrived, day, lateIn, renew, sell, subscribe, withCard } from '../harness/billing.ts';
import { atEachWidth } from '../harness/looks.ts';
import { card, list, onPortal, signIn, styled, subscription, texts } from '../harness/pages.ts';
import { openPortal } from '../harness/portal.ts';
import { callsAbout, fault, pairs, type Recorded, stripe } from '../harness/sandbox.ts';
import { expect, test } from '../harness/test.ts';

/** Billhook's requests for a portal of this customer; it may have looked at other things of the customer too. */
async function portalsOf(customer: Stripe.Customer): Promise<Recorded[]> {
  return (await callsAbout(customer.id)).filter(({ path }) => path === '/v1/billing_portal/sessions');
}

function periodEnd(of: Stripe.Subscription): number {
  return of.items.data[0]?.current_period_end ?? Number.NaN;
}

/** Its buttons, in their order. */
function offered(of: Locator): Promise<string[]> {
  return of.getByRole('button').locator('.label').allTextContents();
}

test('a card says what is paid for, how much, how and until when', async ({ page, shop, scripts, looksRight }) => {
  const price = await sell('Pro');
  const customer = await shop.customer({ name: 'Home', ...withCard });
  const made = await subscribe(customer, price, { items: [{ price, quantity: 3 }] });
  await arrived();
  await signIn(page, shop.address);

  const home = card(page, 'Home');
  const pro = subscription(home, 'Pro');
  await expect(pro.getByRole('heading', { level: 3 })).toHaveText('Pro');
  await expect(pro.locator('.price')).toHaveText('€12.00 / month × 3');
  await expect(pro.locator('.state')).toHaveText('Active');
  await expect(pro).toContainText(`Renews on ${day(periodEnd(made), scripts)}`);
  await expect(home).toContainText('Pays with Visa ending in 4242, valid until 08/2030');

  const invoice = await stripe().invoices.retrieve(String(made.latest_invoice));
  await expect(home).toContainText(`Last invoice: €36.00, paid, ${day(invoice.created, scripts)} (PDF)`);
  const pdf = home.getByRole('link', { name: 'PDF' });
  await expect(pdf).toHaveAttribute('href', String(invoice.invoice_pdf));
  const file = await page.request.get(String(await pdf.getAttribute('href')));
  expect(file.headers()['content-type']).toBe('application/pdf');
  await styled(page);
  await atEachWidth(page, async () => {
    await pdf.scrollIntoViewIfNeeded();
    const reached = await pdf.evaluate((link) => {
      const { left, top, width, height } = link.getBoundingClientRect();
      return [-21, 21].map((by) => document.elementFromPoint(left + width / 2, top + height / 2 + by) === link);
    });
    expect(reached, 'the link is large enough for a thumb').toEqual([true, true]);
  });
  await looksRight(page);
});

test('the files of invoices have names that tell them apart', async ({ page, shop, looksRight }) => {
  const price = await sell('Pro');
  const late = await shop.customer({ name: 'Home', ...withCard });
  await renew(await subscribe(late, price), 'failed');
  for (const name of ['Studio', 'Boat club']) await subscribe(await shop.customer({ name, ...withCard }), price);
  await arrived();
  await signIn(page, shop.address);
  // What is open, and what was paid last.
  await expect(card(page, 'Home').getByRole('link')).toHaveCount(2);
  const links = page.getByRole('article').getByRole('link');
  await expect(links).toHaveText(['PDF', 'PDF', 'PDF', 'PDF']);
  const names = await links.evaluateAll((all) => all.map((link) => link.getAttribute('aria-label')));
  expect(new Set(names).size).toBe(4);
  for (const name of names) expect(name).toMatch(/^PDF of invoice \S+/);
  for (const link of await links.all()) await expect(link).toHaveAttribute('rel', 'noreferrer');
  await styled(page);
  await atEachWidth(page, async () => {
    const reached = await links.evaluateAll((all) =>
      all.map((link) => {
        link.scrollIntoView({ block: 'center' });
        const { left, top, width, height } = link.getBoundingClientRect();
        return [-21, 21].every((by) => document.elementFromPoint(left + width / 2, top + height / 2 + by) === link);
      }),
    );
    expect(reached, 'each is large enough for a thumb, and none lies on another').toEqual([true, true, true, true]);
  });
  await looksRight(page);
});

test('a customer without a subscription has a card that is whole', async ({ page, shop, looksRight }) => {
  await shop.customer({ name: 'Home' });
  await arrived();
  await signIn(page, shop.address);
  const home = card(page, 'Home');
  await expect(home.locator('.state')).toHaveText('No plan');
  await expect(home.getByRole('heading', { level: 3 })).toHaveCount(0);
  await expect(home.getByRole('link')).toHaveCount(0);
  await expect(home).not.toContainText(/Pays|invoice:|undefined|null/);
  expect((await offered(home)).slice(0, 3)).toEqual(['Manage billing', 'Payment method', 'Invoices']);
  await looksRight(page);
});

interface Case {
  /** What has become of it. */
  what: string;
  make: (customer: Stripe.Customer, price: string) => Promise<Stripe.Subscription>;
  state: string;
  dates: (made: Stripe.Subscription, scripts: boolean) => string[];
  offers: string[];
  /** What the card as a whole says. */
  overall?: string;
  invoice?: string;
}

const both = ['Change plan', 'Cancel plan'];

const cases: Case[] = [
  {
    what: 'on trial',
    make: (customer, price) => subscribe(customer, price, { trial_end: lateIn(40) }),
    state: 'Trial',
    dates: ({ trial_end }, scripts) => [`Trial until ${day(trial_end, scripts)}`],
    offers: both,
    invoice: 'Last invoice: €0.00, paid',
  },
  {
    what: 'set to end with its period',
    make: async (customer, price) => {
      const { id } = await subscribe(customer, price);
      return stripe().subscriptions.update(id, { cancel_at_period_end: true });
    },
    state: 'Ending',
    dates: (made, scripts) => [`Ends on ${day(periodEnd(made), scripts)}`],
    offers: [],
  },
  {
    what: 'set to end on a day',
    make: async (customer, price) => {
      const { id } = await subscribe(customer, price);
      return stripe().subscriptions.update(id, { cancel_at: lateIn(90) });
    },
    state: 'Active',
    dates: (made, scripts) => [`Renews on ${day(periodEnd(made), scripts)}`, `Ends on ${day(made.cancel_at, scripts)}`],
    offers: [],
  },
  {
    what: 'to end with its trial',
    make: (customer, price) => subscribe(customer, price, { trial_end: lateIn(40), cancel_at_period_end: true }),
    state: 'Ending',
    dates: ({ trial_end }, scripts) => [
      `Trial until ${day(trial_end, scripts)}`,
      `Ends on ${day(trial_end, scripts)}`,
    ],
    offers: [],
    invoice: 'Last invoice: €0.00, paid',
  },
  {
    what: 'not paid',
    make: async (customer, price) => {
      const made = await subscribe(customer, price);
      await renew(made, 'failed');
      return made;
    },
    state: 'Payment failed',
    dates: () => [],
    offers: both,
    overall: 'Payment failed',
    invoice: 'Open invoice: €12.00 still to pay',
  },
  {
    what: 'paused',
    make: async ({ id }, price) => {
      await stripe().customers.update(id, { invoice_settings: { default_payment_method: '' } });
      const made = await stripe().subscriptions.create({
        customer: id,
        items: [{ price }],
        trial_end: lateIn(40),
        trial_settings: { end_behavior: { missing_payment_method: 'pause' } },
      });
      return stripe().subscriptions.update(made.id, { trial_end: 'now' });
    },
    state: 'Paused',
    dates: () => [],
    offers: both,
    invoice: 'Last invoice: €0.00, paid',
  },
  {
    what: 'at its end',
    make: async (customer, price) => stripe().subscriptions.cancel((await subscribe(customer, price)).id),
    state: 'Ended',
    dates: ({ ended_at }, scripts) => [`Ended on ${day(ended_at, scripts)}`],
    offers: [],
    overall: 'No plan',
  },
];

for (const { what, make, state, dates, offers, overall = 'Up to date', invoice = 'Last invoice: €12.00, paid' } of cases) {
  test(`a subscription ${what} says so in words`, async ({ page, shop, scripts, looksRight }) => {
    const price = await sell('Pro');
    const customer = await shop.customer({ name: 'Home', ...withCard });
    const made = await make(customer, price);
    await arrived();
    await signIn(page, shop.address);
    const home = card(page, 'Home');
    const pro = subscription(home, 'Pro');
    await expect(home.locator('.name').first().locator('.state')).toHaveText(overall);
    await expect(pro.locator('.state')).toHaveText(state);
    await expect(pro.locator('.facts p').filter({ has: page.locator('time') })).toHaveText(dates(made, scripts));
    await expect(home).toContainText(`${invoice}, `);
    expect(await offered(pro)).toEqual(offers);
    await looksRight(page);
  });
}

test('a subscription of two items can be cancelled only', async ({ page, shop }) => {
  const [seats, storage] = [await sell('Seats'), await sell('Storage', { unit_amount: 50 })];
  const customer = await shop.customer({ name: 'Home', ...withCard });
  const { id } = await subscribe(customer, seats, { items: [{ price: seats, quantity: 2 }, { price: storage }] });
  await arrived();
  await signIn(page, shop.address);
  const both = subscription(card(page, 'Home'), 'Seats + Storage');
  await expect(both.locator('.price')).toHaveText('€12.00 / month × 2 + €0.50 / month');
  expect(await offered(both)).toEqual(['Cancel plan']);
  await refused(await openPortal(page, customer.id, 'change_plan', id));
  expect(await portalsOf(customer)).toEqual([]);
});

for (const [button, flow, heading] of [
  ['Change plan', 'subscription_update', 'Change the plan'],
  ['Cancel plan', 'subscription_cancel', 'Cancel Pro?'],
] as const) {
  test(`${button} leads to that place in the portal`, async ({ page, shop }) => {
    const price = await sell('Pro');
    const customer = await shop.customer({ name: 'Home', ...withCard });
    const { id } = await subscribe(customer, price);
    await arrived();
    await signIn(page, shop.address);
    await subscription(card(page, 'Home'), 'Pro').getByRole('button', { name: button, exact: true }).click();
    await onPortal(page);
    await expect(page.getByRole('heading', { name: heading })).toBeVisible();
    const calls = await portalsOf(customer);
    expect(calls).toHaveLength(1);
    expect(calls.flatMap(({ form }) => pairs(form))).toEqual(
      expect.arrayContaining([
        ['customer', customer.id],
        ['flow_data[type]', flow],
        [`flow_data[${flow}][subscription]`, id],
        ['flow_data[after_completion][redirect][return_url]', expect.stringMatching(list)],
      ]),
    );
  });
}

/** The same as for what does not exist. */
async function refused(answer: APIResponse): Promise<void> {
  expect(answer.status()).toBe(404);
  expect(await answer.text()).toContain(texts.missing);
  expect(answer.headers()['location']).toBeUndefined();
}

test('prices of every kind, and names of any length, stay on the card', async ({ page, shop, looksRight }) => {
  const long = 'Membership of the Worshipful Company of Instrument Makers, Clock Repairers and Cartographers';
  const unbroken = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'.repeat(2);
  const tiers: Partial<Stripe.PriceCreateParams> = {
    billing_scheme: 'tiered',
    tiers_mode: 'volume',
    tiers: [
      { up_to: 10, unit_amount: 500 },
      { up_to: 'inf', unit_amount: 300 },
    ],
  };
  const customer = await shop.customer({ name: 'Home', ...withCard });
  const wanted = { recurring: { interval: 'year' as const }, unit_amount: 123_456_789_00 };
  const [longPrice, unbrokenPrice] = [await sell(long, wanted), await sell(unbroken, wanted)];
  await subscribe(customer, longPrice, { items: [{ price: longPrice, quantity: 100_000 }, { price: unbrokenPrice }] });
  const quarterly = { interval: 'month' as const, interval_count: 3 };
  for (const [product, price] of [
    ['Tiered', tiers],
    ['Free', { unit_amount: 0 }],
    ['Quarterly', { recurring: quarterly, currency: 'gbp' }],
  ] as const) {
    await subscribe(customer, await sell(product, price));
  }
  const japan = await shop.customer({ name: '株式会社さくら印刷', ...withCard });
  const yen = await sell('プロ', { currency: 'jpy', unit_amount: 1_800 });
  await subscribe(japan, yen, { items: [{ price: yen, quantity: 3 }] });
  await arrived();
  await signIn(page, shop.address);

  const home = card(page, 'Home');
  const priceOf = (product: string) => subscription(home, product).locator('.price');
  await expect(priceOf(`${long} + ${unbroken}`)).toHaveText(
    '€123,456,789.00 / year × 100,000 + €123,456,789.00 / year',
  );
  await expect(priceOf('Tiered')).toHaveText('Price by quantity / month');
  await expect(priceOf('Free')).toHaveText('€0.00 / month');
  await expect(priceOf('Quarterly')).toHaveText('£12.00 / 3 months');
  const printer = card(page, '株式会社さくら印刷');
  await expect(subscription(printer, 'プロ').locator('.price')).toHaveText('¥1,800 / month × 3');
  await expect(printer).toContainText('Last invoice: ¥5,400, paid, ');

  await styled(page);
  await atEachWidth(page, async () => {
    const beyond = await page.getByRole('article').locator('h2, h3, p, span, button').evaluateAll((elements) =>
      elements.flatMap((element) => {
        const card = element.closest('article')?.getBoundingClientRect();
        const text = document.createRange();
        text.selectNodeContents(element);
        const lines = [...element.getClientRects(), ...text.getClientRects()];
        const out = lines.filter(({ left, right }) => !card || left < card.left || right > card.right);
        const where = out.map(({ left, right }) => `${left} to ${right}`).join(', ');
        return out.length === 0 ? [] : [`${element.outerHTML} at ${where}, card ${card?.left} to ${card?.right}`];
      }),
    );
    expect(beyond, 'what sticks out of its card').toEqual([]);
  });
  await looksRight(page);
});

test('a product that is renamed goes by its new name', async ({ page, shop }) => {
  const price = await sell('Pro');
  await subscribe(await shop.customer({ name: 'Home', ...withCard }), price);
  await arrived();
  await signIn(page, shop.address);
  await expect(subscription(card(page, 'Home'), 'Pro')).toBeVisible();
  const { product } = await stripe().prices.retrieve(price);
  await stripe().products.update(String(product), { name: 'Professional' });
  await arrived();
  await page.reload();
  await expect(subscription(card(page, 'Home'), 'Professional')).toBeVisible();
  await expect(subscription(card(page, 'Home'), 'Pro')).toHaveCount(0);
});

test('two subscriptions of one product are told apart', async ({ page, shop, looksRight }) => {
  const price = await sell('Pro');
  const first = await shop.customer({ name: 'First', ...withCard });
  for (const trial_period_days of [10, 20]) await subscribe(first, price, { trial_period_days });
  await subscribe(await shop.customer({ name: 'Second', ...withCard }), price);
  await arrived();
  await signIn(page, shop.address);
  await expect(subscription(card(page, 'First'), 'Pro')).toHaveCount(2);
  await expect(subscription(card(page, 'Second'), 'Pro')).toHaveCount(1);
  await looksRight(page);
});

test('markup in the names of products is text', async ({ page, shop, looksRight }) => {
  const name = '</script><script>console.log(1)</script><b onmouseover=alert(1)>Pro & "Söhne"';
  const customer = await shop.customer({ name: 'Home', ...withCard });
  await subscribe(customer, await sell(name));
  await arrived();
  await signIn(page, shop.address);
  await expect(page.getByRole('heading', { level: 3 })).toHaveText(name);
  await expect(page.locator('article b')).toHaveCount(0);
  await looksRight(page);
});

test('when the portal of a subscription cannot be opened, its card says so', async ({ page, shop, watch, looksRight }) => {
  watch.allow(/status of 503/);
  const price = await sell('Pro');
  const broken = await shop.customer({ name: 'Broken', ...withCard });
  const working = await shop.customer({ name: 'Working', ...withCard });
  for (const customer of [broken, working]) await subscribe(customer, price);
  await arrived();
  await signIn(page, shop.address);
  await fault({ path: '/v1/billing_portal/sessions', match: broken.id, status: 500 });
  await subscription(card(page, 'Broken'), 'Pro').getByRole('button', { name: 'Cancel plan', exact: true }).click();
  await expect(card(page, 'Broken').getByRole('alert')).toHaveText(texts.failed);
  await expect(page.getByRole('alert')).toHaveCount(1);
  await looksRight(page);
  await subscription(card(page, 'Working'), 'Pro').getByRole('button', { name: 'Cancel plan', exact: true }).click();
  await onPortal(page);
});
