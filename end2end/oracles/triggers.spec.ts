// Every fixture of Stripe's official command line tool, run against the stand-in. What has to do with customers and what
// they buy must be served: the tool is content, and the event of that name is there. The rest is tried and listed.

import { expect, test } from '@playwright/test';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripe } from '../harness/sandbox.ts';
import { home, stack } from '../harness/stack.ts';

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
      const told = (await count()).some((id) => !before.has(id));
      const content = good && words.includes('Trigger succeeded');
      const wanted = ours.test(fixture) && !beyond.has(fixture);
      table.push(`${content && told ? 'served' : content ? 'no event' : 'refused'}\t${wanted ? 'wanted' : ''}\t${fixture}`);
      if (wanted && !(content && told)) missing.push(`${fixture}: ${words.trim().split('\n').at(-1) ?? ''}`);
    }
  } finally {
    rmSync(config, { recursive: true, force: true });
  }
  console.log(table.sort().join('\n'));
  expect(missing).toEqual([]);
});
