// Every fixture of Stripe's official command line tool, run against the stand-in. What has to do with customers and what
// they buy must be served: the tool is content, the event of that name is there, and Billhook is done with it. The rest is
// tried and listed.

import { expect, test } from '@playwright/test';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventRow } from '../harness/database.ts';
import { stripe } from '../harness/sandbox.ts';
import { home, stack } from '../harness/stack.ts';
import { until } from '../harness/until.ts';

test.setTimeout(10 * 60_000);

/** All that begins so is served. */
const ours =
  /^(checkout\.session|coupon|customer|invoice|invoiceitem|payment_intent|payment_method|plan|price|product|setup_intent|subscription)\./;
/** Except these, which need parts of Stripe that nobody here asks for. */
const beyond = new Set([
  'checkout.session.async_payment_failed',
  'checkout.session.async_payment_succeeded',
  'payment_intent.partially_funded',
]);
/** Names of the tool's own, with the event that they are about. */
const about: Record<string, string> = {
  'subscription.payment_failed': 'invoice.payment_failed',
  'subscription.payment_succeeded': 'invoice.payment_succeeded',
};

function tool(config: string, ...args: string[]): Promise<{ good: boolean; said: string }> {
  const env = { PATH: process.env.PATH ?? '', HOME: config, XDG_CONFIG_HOME: config, STRIPE_CLI_TELEMETRY_OPTOUT: '1' };
  return new Promise((resolve) => {
    execFile(join(home, 'node_modules/.bin/stripe'), args, { timeout: 60_000, env }, (error, stdout, stderr) => {
      resolve({ good: error === null, said: `${stdout}${stderr}` });
    });
  });
}

/** What became of an event in Billhook, once it is done with it; else how far it has come. */
async function stateOf(id: string): Promise<string> {
  const isDone = () => ['applied', 'stale', 'ignored', 'dead'].includes(eventRow(id)?.state ?? '');
  await until(`the event ${id} in Billhook`, isDone).catch(() => undefined);
  return eventRow(id)?.state ?? 'absent';
}

test('stripe trigger is served for every fixture about customers and what they buy', async () => {
  const config = mkdtempSync(join(tmpdir(), 'stripe-cli-'));
  const table: string[] = [];
  const missing: string[] = [];
  try {
    const { said } = await tool(config, 'trigger', '--help');
    const fixtures = [...said.matchAll(/^ {2}([a-z0-9_]+(?:\.[a-z0-9_]+)+)$/gm)].map(([, name]) => name ?? '');
    expect(fixtures.length).toBeGreaterThan(80);
    for (const fixture of fixtures) {
      const type = about[fixture] ?? fixture;
      const count = async () => (await stripe().events.list({ type, limit: 100 })).data.map(({ id }) => id);
      const before = new Set(await count());
      const api = ['--api-base', stack().sandbox, '--api-key', stack().apiKey];
      const { good, said: words } = await tool(config, 'trigger', fixture, ...api);
      const told = (await count()).filter((id) => !before.has(id));
      const content = good && words.includes('Trigger succeeded');
      const wanted = ours.test(fixture) && !beyond.has(fixture);
      const served = content && told.length > 0;
      const states = [...new Set(await Promise.all(served ? told.map(stateOf) : []))].sort().join(' and ');
      const outcome = served ? 'served' : content ? 'no event' : 'refused';
      table.push(`${outcome}\t${states || '-'}\t${wanted ? 'wanted' : '-'}\t${fixture}`);
      if (wanted && !served) missing.push(`${fixture}: ${words.trim().split('\n').at(-1) ?? ''}`);
      if (served && !['applied', 'ignored'].includes(states)) missing.push(`${fixture}: ${states} in Billhook`);
    }
  } finally {
    rmSync(config, { recursive: true, force: true });
  }
  console.log(table.sort().join('\n'));
  expect(missing).toEqual([]);
});
