// Mail through a real Postfix: what it takes, what it refuses for good or for now, and what the operator is told about that.

import { test as base, expect } from '@playwright/test';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { certify } from '../harness/certificates.ts';
import type { Child } from '../harness/children.ts';
import { form, send } from '../harness/http.ts';
import { known } from '../harness/pages.ts';
import { type Postfix, startPostfix, unknownTo } from '../harness/postfix.ts';
import { seen } from '../harness/seen.ts';
import { command, doctor, type Finding, newStack, type Place, results, type Stack, startBillhook, startSandbox, useStack } from '../harness/stack.ts';
import { until } from '../harness/until.ts';

/** As somebody chose it, and as it stands in SMTP_URL. */
const password = 'pa$s/w#o?r@d:%41';
const written = encodeURIComponent(password);

class Shop {
  constructor(
    readonly made: Stack,
    readonly postfix: Postfix,
    readonly settings: Record<string, string>,
    readonly log: () => string,
  ) {}

  /** SMTP_URL with the right user and password. */
  url(scheme: 'smtp' | 'smtps', query = '', secret = written): string {
    return `${scheme}://ada:${secret}@localhost:${scheme === 'smtp' ? this.postfix.submission : this.postfix.smtps}${query}`;
  }

  /** A customer's address, that no other test has. */
  async customer(begin = 'ada.'): Promise<string> {
    const address = `${begin}${randomBytes(5).toString('hex')}@example.com`;
    await known(address);
    return address;
  }

  /** Asks for a mail, and returns the browser's cookie. */
  async ask(address: string): Promise<string> {
    const asked = await send(`${this.made.app}/api/ask_link`, form({ email: address }, this.made.app));
    if (asked.headers.location !== '/sign-in/check') throw new Error(`asking was answered ${asked.status}`);
    return (asked.cookies[0] ?? '').split(';')[0] ?? '';
  }

  /** The one letter to an address, once it is there, and the code in it. */
  async letter(address: string, deadline = 20_000): Promise<{ text: string; code: string }> {
    const text = await until(`the letter to ${address}`, () => this.postfix.letters(address)[0], deadline);
    const code = /(?<!\d)(\d{4})[ \u00a0]?(\d{4})(?!\d)/.exec(text.slice(text.indexOf('text/plain')));
    if (code === null) throw new Error(`no code in:\n${text}`);
    seen(`${code[1]}${code[2]}`);
    return { text, code: `${code[1]}${code[2]}` };
  }

  /** `billhook account show`. */
  async shown(address: string): Promise<{ mails: { state: string; tries: number; answer: string }[]; reasons: string[] }> {
    return JSON.parse((await command(this.made, this.settings, 'account', 'show', '--json', address)).said);
  }

  /** What the doctor says about mail. */
  async doctor(settings: Record<string, string> = {}): Promise<Finding[]> {
    return (await doctor(this.made, { ...this.settings, ...settings })).filter(({ check }) => check === 'mail');
  }

  test(address: string, settings: Record<string, string> = {}): Promise<{ status: number; said: string }> {
    return command(this.made, { ...this.settings, ...settings }, 'mail', 'test', address);
  }
}

const test = base.extend<object, { shop: Shop }>({
  shop: [
    async ({}, use, { workerIndex }) => {
      const folder = mkdtempSync(join(tmpdir(), 'billhook-postfix-'));
      const place: Place = { folder, logs: join(results, 'logs'), prefix: `postfix-${workerIndex}-` };
      const children: Pick<Child, 'stop'>[] = [];
      try {
        const made = await newStack(place);
        const certificate = certify(folder, 'localhost', '127.0.0.1');
        const postfix = await startPostfix(place, certificate);
        children.push(postfix);
        postfix.passwords.set('ada', password);
        const settings = {
          SMTP_URL: `smtp://ada:${written}@localhost:${postfix.submission}?tls=required`,
          SSL_CERT_FILE: certificate.authority,
          EHLO_NAME: 'billing.example.com',
        };
        children.push(await startBillhook(place, made, { ...settings, MAILS_PER_HOUR: '100000' }));
        children.push(await startSandbox(place, made));
        useStack(made);
        await use(new Shop(made, postfix, settings, () => readFileSync(join(place.logs, `${place.prefix}billhook.log`), 'utf8')));
      } finally {
        for (const child of children.reverse()) await child.stop();
        rmSync(folder, { recursive: true, force: true });
      }
    },
    { scope: 'worker', auto: true, timeout: 60_000 },
  ],
});

// One Postfix, whose mind the tests change: one after the other.
test.describe.configure({ mode: 'default' });

test.afterEach(({ shop: { postfix } }) => {
  postfix.passwords.set('ada', password);
  postfix.ofSender = () => 'DUNNO';
  postfix.ofRecipient = () => 'DUNNO';
});

const alarm = 'ERROR the mail server takes no mail of ours';

test('a sign-in mail is delivered by STARTTLS with user and password, and signs in', async ({ shop }) => {
  const { made } = shop;
  const address = await shop.customer();
  const browser = await shop.ask(address);
  const { text, code } = await shop.letter(address);
  expect(text).toMatch(/^Received: from billing\.example\.com \(/m);
  expect(text).toMatch(/\(using TLSv1\.[23] with cipher /);
  expect(text).toMatch(/\(Authenticated sender: ada\)\s+by mail\.example\.net \(Postfix\) with ESMTPSA id /);
  expect(text).toMatch(/^Return-Path: <billing@example\.com>$/m);
  expect(text).toMatch(/^Auto-Submitted: auto-generated\r?$/m);
  const entered = await send(`${made.app}/api/enter_code`, form({ code }, made.app, { Cookie: browser }));
  expect(entered.headers.location).toBe('/billing');
  const { mails, reasons } = await shop.shown(address);
  expect(mails).toMatchObject([{ state: 'sent', tries: 1, answer: expect.stringMatching(/^250 2\.0\.0 Ok: queued as /) }]);
  expect(reasons.join()).toContain('The mail server took the last mail');
});

test('`mail test` delivers by each kind of address, and says what Postfix answered', async ({ shop }) => {
  const { relay, submission } = shop.postfix;
  const ways: [string, string][] = [
    [shop.url('smtp', '?tls=required'), 'ESMTPSA'],
    [shop.url('smtp', '?tls=opportunistic'), 'ESMTPSA'],
    [shop.url('smtps'), 'ESMTPSA'],
    [shop.url('smtps', '', password.replace('%', '%25')), 'ESMTPSA'],
    [`smtp://127.0.0.1:${relay}`, 'ESMTP'],
  ];
  for (const [url, protocol] of ways) {
    const address = `ada.${randomBytes(5).toString('hex')}@example.com`;
    const { status, said } = await shop.test(address, { SMTP_URL: url });
    expect(said, url).toMatch(/^The mail server took it: 250 2\.0\.0 Ok: queued as /);
    expect(status).toBe(0);
    const text = await until(`the letter by ${url}`, () => shop.postfix.letters(address)[0]);
    expect(text).toContain(` with ${protocol} id `);
  }
  // Of an authority that nobody knows, nothing is sent, and no password.
  const before = shop.postfix.log().length;
  const { status, said } = await shop.test('ada@example.com', { SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt' });
  expect(said).toContain('TLS with the mail server failed');
  expect(status).toBe(1);
  expect(shop.postfix.log().slice(before)).not.toContain('sasl_');
  const port = await shop.test('ada@example.com', { SMTP_URL: `smtps://ada:${written}@localhost:${submission}` });
  expect(port.said).toContain('TLS with the mail server failed');
});

test('the doctor goes as far as RCPT, says what Postfix answered, and sends nothing', async ({ shop }) => {
  const before = shop.postfix.log().length;
  const [first, ...more] = await shop.doctor();
  expect(first?.says).toBe('the server answers, STARTTLS holds, user and password are taken, and it takes sender and recipient: 250 2.1.5 Ok');
  expect(more).toEqual([]);
  const since = () => shop.postfix.log().slice(before);
  await until('its goodbye', () => / disconnect from .* rcpt=1 rset=1 quit=1 /.test(since()));
  expect(since()).not.toContain('postfix/cleanup');

  const refusals: [Record<string, string>, string, string][] = [
    [{ SMTP_URL: shop.url('smtp', '?tls=required', 'wrong') }, '535 5.7.8 Error: authentication failed', 'User or password in SMTP_URL are wrong'],
    [{ SMTP_URL: `smtp://localhost:${shop.postfix.submission}` }, '530 5.7.0 Must issue a STARTTLS command first', 'wants a user and password, or TLS'],
    [{ SMTP_URL: `smtp://localhost:${shop.postfix.submission}?tls=required` }, '554 5.7.1', 'give it a user and password'],
    [{ MAIL_FROM: 'shop@example.com' }, '553 5.7.1 <…>: Sender address rejected: not owned by user', 'Set MAIL_FROM to an address that this user may send from'],
  ];
  for (const [settings, words, advice] of refusals) {
    const [found] = await shop.doctor(settings);
    expect(found, words).toMatchObject({ state: 'failure', says: expect.stringContaining(words), do: expect.stringContaining(advice) });
  }
  // A sender without a mailbox sends, and gets no replies.
  const [nobody] = await shop.doctor({ SMTP_URL: `smtp://127.0.0.1:${shop.postfix.relay}`, MAIL_FROM: `${unknownTo}shop@example.com` });
  expect(nobody).toMatchObject({ state: 'warning', says: expect.stringContaining('550 5.1.1') });
});

test('an unknown recipient is final, and is no alarm', async ({ shop }) => {
  const address = await shop.customer(unknownTo);
  await shop.ask(address);
  const { mails, reasons } = await until('the refusal', async () => {
    const shown = await shop.shown(address);
    return shown.mails[0]?.state === 'refused' ? shown : undefined;
  });
  expect(mails).toMatchObject([{ state: 'refused', tries: 1, answer: expect.stringMatching(/^550 5\.1\.1 .*User unknown in virtual mailbox table/) }]);
  expect(reasons.join()).toContain('refused this address for good');
  expect((await shop.doctor()).map(({ state }) => state)).toEqual(['ok']);
  const tested = await shop.test(address);
  expect(tested.status).toBe(1);
  expect(tested.said).toMatch(/550 5\.1\.1 .*\n.*No server can deliver to that address/);
  expect(shop.log()).not.toContain(alarm);
});

test('a greylisted mail is sent again, and is no alarm', async ({ shop }) => {
  const address = await shop.customer();
  const met = new Set<string>();
  shop.postfix.ofRecipient = ({ recipient = '' }) => {
    if (met.has(recipient)) return 'DUNNO';
    met.add(recipient);
    return 'DEFER_IF_PERMIT Greylisted, try again';
  };
  await shop.ask(address);
  await shop.letter(address);
  expect(shop.postfix.log()).toMatch(new RegExp(`450 4\\.[0-9.]+ <${address.replaceAll('.', '\\.')}>: Recipient address rejected: Greylisted`));
  await until('the second try', async () => (await shop.shown(address)).mails[0]?.tries === 2);
  expect((await shop.shown(address)).mails).toMatchObject([{ state: 'sent', tries: 2 }]);
  expect(shop.postfix.letters(address)).toHaveLength(1);
  expect(shop.log()).not.toContain(alarm);
});

/** While `refuse` is in force the mail waits, and everybody is told; then it leaves. */
async function waitsAndTells(shop: Shop, words: RegExp, refuse: () => void, relent: () => void): Promise<void> {
  const address = await shop.customer();
  refuse();
  await shop.ask(address);
  const { mails, reasons } = await until('a second try', async () => {
    const shown = await shop.shown(address);
    return (shown.mails[0]?.tries ?? 0) >= 2 ? shown : undefined;
  });
  expect(mails).toMatchObject([{ state: 'waiting', answer: expect.stringMatching(words) }]);
  expect(reasons.join()).toContain('No mail has left to anybody since');
  const found = await shop.doctor();
  expect(found.map(({ state }) => state)).toContain('failure');
  expect(found.some(({ says }) => /^No mail has left since .* tries were in vain/.test(says) && words.test(says.slice(says.search(/5\d\d /))))).toBe(true);
  expect(shop.postfix.letters(address)).toEqual([]);
  relent();
  await shop.letter(address);
  expect((await shop.shown(address)).mails).toMatchObject([{ state: 'sent' }]);
  expect((await shop.doctor()).map(({ state }) => state)).toEqual(['ok']);
}

test('a password that is wrong is an alarm, and mails wait until it is right', async ({ shop }) => {
  const { passwords } = shop.postfix;
  const refuse = () => void passwords.set('ada', 'another');
  await waitsAndTells(shop, /^535 5\.7\.8 /, refuse, () => void passwords.set('ada', password));
  expect(shop.log()).toContain(alarm);
});

test('a sender who is refused at RCPT is an alarm, and mails wait until that is put right', async ({ shop }) => {
  const { postfix } = shop;
  const refuse = () => void (postfix.ofSender = () => 'REJECT we do not know your shop');
  await waitsAndTells(shop, /^554 5\.7\.1 .*Sender address rejected: we do not know your shop/, refuse, () => {
    postfix.ofSender = () => 'DUNNO';
  });
});

test('answers that take longer than anybody waits hold up nobody, and no mail is taken for another', async ({ shop }) => {
  const slow = await Promise.all(Array.from({ length: 6 }, () => shop.customer('slow.')));
  const quick = await Promise.all(Array.from({ length: 3 }, () => shop.customer()));
  const met = new Set<string>();
  shop.postfix.ofRecipient = async ({ recipient = '' }) => {
    if (!slow.includes(recipient) || met.has(recipient)) return 'DUNNO';
    met.add(recipient);
    await pause(23_000);
    // By then another mail would be next on the connection, if it were kept.
    return 'REJECT too late for anybody';
  };
  const browsers = new Map<string, string>();
  for (const address of slow) browsers.set(address, await shop.ask(address));
  await until('six mails under way', () => met.size === slow.length);
  for (const address of quick) {
    browsers.set(address, await shop.ask(address));
    await shop.letter(address, 5_000);
  }
  for (const address of slow) await shop.letter(address, 40_000);

  for (const address of [...slow, ...quick]) {
    const { text, code } = await shop.letter(address);
    expect(shop.postfix.letters(address)).toHaveLength(1);
    expect(text).toMatch(new RegExp(`^To: ${address.replaceAll('.', '\\.')}\\r?$`, 'm'));
    expect((await shop.shown(address)).mails).toMatchObject([{ state: 'sent', tries: slow.includes(address) ? 2 : 1 }]);
    const entered = await send(`${shop.made.app}/api/enter_code`, form({ code }, shop.made.app, { Cookie: browsers.get(address) ?? '' }));
    expect(entered.headers.location, address).toBe('/billing');
  }
});
