// Webhook signatures: the official SDK signs, the official SDK judges, and Billhook's answer is compared with its verdict.
// Where the two differ on purpose the vector says so. (checklist 41, 43, 44)

import { expect, test } from '@playwright/test';
import { createHmac, randomBytes } from 'node:crypto';
import { eventRow } from '../harness/database.ts';
import { send } from '../harness/http.ts';
import { stripe } from '../harness/sandbox.ts';
import { stack } from '../harness/stack.ts';

type Verdict = 'accept' | 'refuse';

interface Vector {
  name: string;
  /** The header for this body; a list is sent as several header lines. */
  header: (body: Buffer) => string | string[] | undefined;
  body?: (id: string) => Buffer;
  sdk: Verdict;
  ours: Verdict;
}

const now = () => Math.floor(Date.now() / 1000);
const [first, second] = ['first', 'second'].map((which) => `whsec_test_end2end_${which}_0123456789`) as [string, string];

function event(id: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      id,
      object: 'event',
      type: 'billhook.unheard_of',
      api_version: '2026-09-30.endive',
      created: now(),
      livemode: false,
      pending_webhooks: 1,
      request: null,
      data: { object: { id: 'thing_1', object: 'thing' } },
    }),
  );
}

function digest(body: Buffer, time: number | string, secret = first): string {
  return createHmac('sha256', secret).update(`${time}.`).update(body).digest('hex');
}

/** The header as the SDK writes it, so many seconds from now. */
function signed(body: Buffer, { at = 0, secret = first } = {}): string {
  return stripe().webhooks.generateTestHeaderString({ payload: body.toString('utf8'), secret, timestamp: now() + at });
}

const junk = '0123456789abcdef'.repeat(4);
const rewritten = (write: (t: number, v1: string) => string) => (body: Buffer) => {
  const t = now();
  return write(t, digest(body, t));
};
/** Signed by hand: the SDK takes text only. */
const plainly = rewritten((t, v1) => `t=${t},v1=${v1}`);
/** Rightly signed, with a time that is no plain number of seconds. */
const strange = (t: string) => (body: Buffer) => `t=${t},v1=${digest(body, t)}`;

const agreed: Vector[] = [
  { name: 'as the SDK writes it', header: (body) => signed(body), sdk: 'accept', ours: 'accept' },
  { name: 'junk v1 first', header: rewritten((t, v1) => `t=${t},v1=${junk},v1=${v1}`), sdk: 'accept', ours: 'accept' },
  { name: 'junk v1 last', header: rewritten((t, v1) => `t=${t},v1=${v1},v1=${junk}`), sdk: 'accept', ours: 'accept' },
  { name: 'v0 beside v1', header: rewritten((t, v1) => `t=${t},v0=${junk},v1=${v1}`), sdk: 'accept', ours: 'accept' },
  { name: 'unknown keys', header: rewritten((t, v1) => `t=${t},v2=abc,x=1,v1=${v1}`), sdk: 'accept', ours: 'accept' },
  { name: 'empty items', header: rewritten((t, v1) => `t=${t},,v1=${v1},`), sdk: 'accept', ours: 'accept' },
  { name: 'v1 before t', header: rewritten((t, v1) => `v1=${v1},t=${t}`), sdk: 'accept', ours: 'accept' },
  { name: '299 s old', header: (body) => signed(body, { at: -299 }), sdk: 'accept', ours: 'accept' },
  { name: '301 s old', header: (body) => signed(body, { at: -301 }), sdk: 'refuse', ours: 'refuse' },
  { name: '299 s ahead', header: (body) => signed(body, { at: 299 }), sdk: 'accept', ours: 'accept' },
  { name: 'no header', header: () => undefined, sdk: 'refuse', ours: 'refuse' },
  { name: 'an empty header', header: () => '', sdk: 'refuse', ours: 'refuse' },
  { name: 'only v0', header: rewritten((t, v1) => `t=${t},v0=${v1}`), sdk: 'refuse', ours: 'refuse' },
  { name: 'no v1', header: rewritten((t) => `t=${t}`), sdk: 'refuse', ours: 'refuse' },
  { name: 'no t', header: rewritten((_, v1) => `v1=${v1}`), sdk: 'refuse', ours: 'refuse' },
  { name: 'empty t', header: strange(''), sdk: 'refuse', ours: 'refuse' },
  { name: 't is a word', header: strange('abc'), sdk: 'refuse', ours: 'refuse' },
  { name: 't is -1', header: strange('-1'), sdk: 'refuse', ours: 'refuse' },
  { name: 't is +1', header: strange('+1'), sdk: 'refuse', ours: 'refuse' },
  { name: 't is 1.5', header: strange('1.5'), sdk: 'refuse', ours: 'refuse' },
  { name: 'leading zeros in t', header: (body) => strange(`000${now()}`)(body), sdk: 'refuse', ours: 'refuse' },
  { name: 't beyond 64 bits', header: strange('99999999999999999999'), sdk: 'refuse', ours: 'refuse' },
  { name: 'v1 is empty', header: rewritten((t) => `t=${t},v1=`), sdk: 'refuse', ours: 'refuse' },
  { name: 'v1 of 63', header: rewritten((t, v1) => `t=${t},v1=${v1.slice(1)}`), sdk: 'refuse', ours: 'refuse' },
  { name: 'v1 of 65', header: rewritten((t, v1) => `t=${t},v1=${v1}0`), sdk: 'refuse', ours: 'refuse' },
  { name: 'v1 of 128', header: rewritten((t, v1) => `t=${t},v1=${v1}${v1}`), sdk: 'refuse', ours: 'refuse' },
  { name: 'v1 is no hex', header: rewritten((t) => `t=${t},v1=${'z'.repeat(64)}`), sdk: 'refuse', ours: 'refuse' },
  {
    name: 'digest of the body alone',
    header: (body) => `t=${now()},v1=${createHmac('sha256', first).update(body).digest('hex')}`,
    sdk: 'refuse',
    ours: 'refuse',
  },
  {
    name: 'secret without whsec_',
    header: (body) => `t=${now()},v1=${digest(body, now(), first.replace('whsec_', ''))}`,
    sdk: 'refuse',
    ours: 'refuse',
  },
  {
    name: 'the secret of another endpoint',
    header: (body) => signed(body, { secret: 'whsec_test_somebody_else' }),
    sdk: 'refuse',
    ours: 'refuse',
  },
  { name: 'another body', header: () => signed(event('evt_other')), sdk: 'refuse', ours: 'refuse' },
];

const different: Vector[] = [
  { name: 'the second secret', header: (body) => signed(body, { secret: second }), sdk: 'refuse', ours: 'accept' },
  { name: 'a space after the comma', header: rewritten((t, v1) => `t=${t}, v1=${v1}`), sdk: 'refuse', ours: 'accept' },
  {
    name: 'upper-case hex',
    header: rewritten((t, v1) => `t=${t},v1=${v1.toUpperCase()}`),
    sdk: 'refuse',
    ours: 'accept',
  },
  { name: '305 s ahead', header: (body) => signed(body, { at: 305 }), sdk: 'accept', ours: 'refuse' },
  { name: 'one hour ahead', header: (body) => signed(body, { at: 3600 }), sdk: 'accept', ours: 'refuse' },
  { name: 'two t', header: rewritten((t, v1) => `t=1,t=${t},v1=${v1}`), sdk: 'accept', ours: 'refuse' },
  {
    name: '200 signatures',
    header: rewritten((t, v1) => `t=${t},${`v1=${junk},`.repeat(199)}v1=${v1}`),
    sdk: 'accept',
    ours: 'refuse',
  },
];

/** What the SDK says, with the secret that the stand-in signs with and the tolerance that it has by default. */
function sdkVerdict(header: string | string[] | undefined, body: Buffer): Verdict {
  try {
    stripe().webhooks.constructEvent(body, header ?? '', first);
    return 'accept';
  } catch {
    return 'refuse';
  }
}

function post(body: Buffer, header: string | string[] | undefined, more: Record<string, string> = {}) {
  return send(`${stack().app}/webhooks/stripe`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json; charset=utf-8',
      ...(header === undefined ? {} : { 'Stripe-Signature': header }),
      ...more,
    },
    body,
  });
}

const freshId = () => `evt_end2end${randomBytes(8).toString('hex')}`;

test('the secrets of the vectors are those of the run', () => {
  expect([first, second]).toEqual(stack().webhookSecrets);
});

for (const { name, header, sdk, ours } of [...agreed, ...different]) {
  const verdict = sdk === ours ? `both ${ours}` : `the SDK ${sdk}s, Billhook ${ours}s`;
  test(`signature: ${name}: ${verdict}`, async () => {
    const id = freshId();
    const body = event(id);
    const written = header(body);
    expect(sdkVerdict(written, body), 'the SDK').toBe(sdk);
    const answer = await post(body, written);
    expect(answer.status, `Billhook: ${answer.body}`).toBe(ours === 'accept' ? 200 : 400);
    expect(eventRow(id) !== undefined, 'a row').toBe(ours === 'accept');
  });
}

test('two header lines are refused, even if one is right', async () => {
  const id = freshId();
  const body = event(id);
  const answer = await post(body, [signed(body), `t=${now()},v1=${junk}`]);
  expect(answer.status).toBe(400);
  expect(eventRow(id)).toBeUndefined();
});

test('a header of 16 kB is refused', async () => {
  const id = freshId();
  const body = event(id);
  const answer = await post(body, `${signed(body)},x=${'y'.repeat(16_384)}`);
  expect([400, 431]).toContain(answer.status);
  expect(eventRow(id)).toBeUndefined();
});

test('one changed bit, other white space and an empty body are refused', async () => {
  const id = freshId();
  const body = event(id);
  const header = signed(body);
  const changed = Buffer.from(body);
  changed[changed.length - 3] = (changed[changed.length - 3] ?? 0) ^ 1;
  const spaced = Buffer.from(JSON.stringify(JSON.parse(body.toString()), null, 1));
  for (const other of [changed, spaced, Buffer.alloc(0)]) {
    expect(sdkVerdict(header, other)).toBe('refuse');
    expect((await post(other, header)).status).toBe(400);
  }
  expect(eventRow(id)).toBeUndefined();
});

for (const [what, write] of [
  ['a byte order mark', (body: Buffer) => Buffer.concat([Buffer.from('\ufeff'), body])],
  ['line ends of Windows', (body: Buffer) => Buffer.from(body.toString().replaceAll(',"', ',\r\n"'))],
  ['a line end after it', (body: Buffer) => Buffer.concat([body, Buffer.from('\n')])],
] as const) {
  test(`a body with ${what} passes the signature`, async () => {
    const id = freshId();
    const body = write(event(id));
    const answer = await post(body, plainly(body));
    // Only the signature is certain here: what the parser makes of a mark before the text is its own affair.
    const status = what === 'a byte order mark' ? [200, 400] : [200];
    expect(status).toContain(answer.status);
    expect(eventRow(id) !== undefined).toBe(answer.status === 200);
  });
}

test('rightly signed bytes that are no text, or no JSON, are refused with 400', async () => {
  const deep = Buffer.from(`${'['.repeat(300)}${']'.repeat(300)}`);
  for (const body of [Buffer.from([0xff, 0xfe, 0x00, 0x7b]), Buffer.from('not json'), deep, Buffer.from('[]')]) {
    expect((await post(body, plainly(body))).status).toBe(400);
  }
});

test('the name of the header may be written in any case', async () => {
  const id = freshId();
  const body = event(id);
  const answer = await post(body, undefined, { 'sTRIPE-sIGNATURE': signed(body) });
  expect(answer.status).toBe(200);
  expect(eventRow(id)).toBeDefined();
});

test('the same event twice is answered 200 and kept once', async () => {
  const id = freshId();
  const body = event(id);
  expect((await post(body, signed(body))).status).toBe(200);
  const row = eventRow(id);
  expect((await post(body, signed(body))).status).toBe(200);
  expect(eventRow(id)).toEqual(row);
});

test('a body over 2 MB is refused with 413, and only POST is known', async () => {
  const body = Buffer.from(JSON.stringify({ id: freshId(), filler: 'x'.repeat(3 * 1024 * 1024) }));
  expect((await post(body, signed(body))).status).toBe(413);
  expect((await send(`${stack().app}/webhooks/stripe`)).status).toBe(405);
});
