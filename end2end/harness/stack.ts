// The whole set-up of a run: Billhook on an SQLite file of its own, the stand-in for Stripe that tells it about changes,
// and a real SMTP server. Started once, described in a JSON file that every worker reads.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answers, type Child, freePorts, startChild } from './children.ts';

export interface Stack {
  /** The public address. */
  app: string;
  /** The program's own address, past any proxy. */
  direct: string;
  sandbox: string;
  mail: string;
  smtp: string;
  database: string;
  apiKey: string;
  /** Both are accepted, as while an endpoint's secret is being rolled; the stand-in signs with the first. */
  webhookSecrets: [string, string];
  sessionSecret: string;
  logs: string;
}

export const home = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const results = join(home, 'test-results');
export const billhook = resolve(home, process.env.BILLHOOK_BIN ?? '../target/quick/billhook');
const description = join(results, 'stack.json');

let known: Stack | undefined;
/** For workers that have a stack of their own. */
export function useStack(own: Stack): void {
  known = own;
}

/** The addresses of this run. */
export function stack(): Stack {
  known ??= JSON.parse(readFileSync(description, 'utf8')) as Stack;
  return known;
}

/** Where the children of a stack work and write their logs; the prefix tells those of several stacks apart. */
export interface Place {
  folder: string;
  logs: string;
  prefix: string;
}

/** Starts everything and returns what ends it again. */
export async function startStack(): Promise<() => Promise<void>> {
  const children: Child[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'billhook-end2end-'));
  const logs = join(results, 'logs');
  for (const kept of ['logs', 'seen', 'generated']) rmSync(join(results, kept), { recursive: true, force: true });
  mkdirSync(logs, { recursive: true });
  mkdirSync(join(results, 'seen'), { recursive: true });

  const stop = async () => {
    for (const child of children.reverse()) await child.stop();
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    const place = { folder, logs, prefix: '' };
    const made = await newStack(place);
    children.push(await startMail(place, made));
    children.push(await startBillhook(place, made, { MAILS_PER_HOUR: '100000' }));
    // After the app, so that the events of the seed find somebody who listens.
    children.push(await startSandbox(place, made));
    writeFileSync(description, JSON.stringify(made, null, 2));
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Addresses and secrets of a stack that is not started yet. `app` is its public address, if it has another than its own. */
export async function newStack({ folder, logs }: Place, app?: string): Promise<Stack> {
  const [appPort, sandboxPort, smtpPort, mailPort] = (await freePorts(4)) as [number, number, number, number];
  const direct = `http://127.0.0.1:${appPort}`;
  return {
    app: app ?? direct,
    direct,
    // Another site than Billhook, as Stripe's is: else the way back would prove nothing about cookies.
    sandbox: `http://127.0.0.2:${sandboxPort}`,
    mail: `http://127.0.0.1:${mailPort}`,
    smtp: `smtp://127.0.0.1:${smtpPort}`,
    database: join(folder, 'billhook.db'),
    apiKey: 'sk_test_billhook',
    webhookSecrets: ['whsec_test_end2end_first_0123456789', 'whsec_test_end2end_second_0123456789'],
    sessionSecret: 'fake-session-secret-of-the-tests-0123456789-abcdefghijklmnopqrstuv',
    logs,
  };
}

export function startMail({ folder, logs, prefix }: Place, made: Stack): Promise<Child> {
  const maildev = createRequire(import.meta.url).resolve('maildev/package.json');
  return startChild({
    name: `${prefix}maildev`,
    program: process.execPath,
    args: [
      join(dirname(maildev), 'bin/maildev'),
      ...['--ip', '127.0.0.1', '--smtp', new URL(made.smtp).port, '--web', new URL(made.mail).port],
      ...['--mail-directory', join(folder, 'mails')],
    ],
    cwd: folder,
    logs,
    ready: () => answers(`${made.mail}/email`),
  });
}

/** What Billhook is told in a stack. */
export function settingsOf(made: Stack): Record<string, string> {
  return {
    BIND: new URL(made.direct).host,
    FRONTEND_URL: made.app,
    DATABASE_URL: `sqlite://${made.database}`,
    STRIPE_API_KEY: made.apiKey,
    STRIPE_API_BASE: made.sandbox,
    STRIPE_WEBHOOK_SECRET: made.webhookSecrets.join(','),
    SESSION_SECRET: made.sessionSecret,
    SMTP_URL: made.smtp,
    MAIL_FROM: 'Northwind <billing@example.com>',
    APP_NAME: 'Northwind',
  };
}

/** With `settings` besides those that every stack has. */
export function startBillhook({ folder, logs, prefix }: Place, made: Stack, settings: Record<string, string>): Promise<Child> {
  return startChild({
    name: `${prefix}billhook`,
    program: billhook,
    args: ['serve'],
    env: { ...settingsOf(made), ...settings },
    cwd: folder,
    logs,
    ready: () => answers(`${made.direct}/up`),
  });
}

/** One of Billhook's commands, beside the server, and how it ended. */
export function command(made: Stack, settings: Record<string, string>, ...args: string[]): Promise<{ status: number; said: string }> {
  const env = { PATH: process.env.PATH, ...settingsOf(made), ...settings };
  return new Promise((resolve) => {
    execFile(billhook, args, { cwd: dirname(made.database), env, timeout: 60_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ status, said: `${stdout}${stderr}` });
    });
  });
}

export interface Finding {
  check: string;
  state: 'ok' | 'warning' | 'failure' | 'skipped';
  says: string;
  do: string | null;
}

/** All that the doctor says. */
export async function doctor(made: Stack, settings: Record<string, string>): Promise<Finding[]> {
  return JSON.parse((await command(made, settings, 'doctor', '--json')).said) as Finding[];
}

export function startSandbox({ folder, logs, prefix }: Place, made: Stack): Promise<Child> {
  return startChild({
    name: `${prefix}sandbox`,
    program: `${billhook}-sandbox`,
    args: [
      ...['--listen', new URL(made.sandbox).host, '--seed'],
      ...['--webhook', `${made.direct}/webhooks/stripe`, '--secret', made.webhookSecrets[0]],
    ],
    cwd: folder,
    logs,
    ready: () => answers(`${made.sandbox}/_sandbox/requests`),
  });
}
