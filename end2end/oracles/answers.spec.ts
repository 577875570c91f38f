// Questions over plain HTTP for which no browser is needed: nobody can learn from the answers who has an account.

import { expect, test } from '@playwright/test';
import { randomBytes } from 'node:crypto';
import { customerInBillhook } from '../harness/database.ts';
import { type Answer, form, send } from '../harness/http.ts';
import { mailsTo, signInMail } from '../harness/mail.ts';
import { known as someoneAt } from '../harness/pages.ts';
import { stripe } from '../harness/sandbox.ts';
import { stack } from '../harness/stack.ts';

function shape({ status, headers, cookies, body }: Answer, address: string) {
  const { date: _, 'set-cookie': __, 'content-length': ___, ...kept } = headers;
  return {
    status,
    headers: JSON.parse(
      JSON.stringify(kept).replaceAll(/'?nonce-[^' ;"]+'?/g, 'nonce').replaceAll(encodeURIComponent(address), 'ADDRESS'),
    ) as unknown,
    cookies: cookies.map((cookie) => cookie.replace(/=[^;]*/, '=')),
    body: body.replaceAll(/nonce="[^"]*"|name="ticket" value="[^"]*"/g, 'new').replaceAll(address, 'ADDRESS'),
  };
}

async function ask(email: string) {
  const asked = await send(`${stack().app}/api/ask_link`, form({ email }, stack().app));
  const cookie = asked.cookies.map((set) => set.split(';')[0]).join('; ');
  const shown = await send(`${stack().app}/sign-in/check`, { headers: { Cookie: cookie } });
  return { asked: shape(asked, email), shown: shape(shown, email) };
}

// Without the timing.
test('checklist 1: a known, an unknown and a deleted address are answered alike', async () => {
  const mark = randomBytes(5).toString('hex');
  const [known, unknown, deleted] = ['knows', 'never', 'erase'].map((name) => `${name}.${mark}@example.com`) as [
    string,
    string,
    string,
  ];
  const made = await stripe().customers.create({ email: known, name: 'Known' });
  await customerInBillhook(made.id);
  const gone = await stripe().customers.create({ email: deleted, name: 'Gone' });
  await stripe().customers.del(gone.id);
  await customerInBillhook(gone.id, ({ deleted_at }) => deleted_at !== null);

  const answer = await ask(known);
  expect(answer.asked.status).toBe(303);
  expect(answer.shown.status).toBe(200);
  expect(answer.asked.cookies.length).toBeGreaterThan(0);
  expect(await ask(unknown)).toEqual(answer);
  expect(await ask(deleted)).toEqual(answer);
  await signInMail(known);
  for (const nobody of [unknown, deleted]) expect(await mailsTo(nobody)).toEqual([]);
});

test('checklist 8: a fourth live mail to one address is not sent, and the answer does not say so', async () => {
  const address = `busy.${randomBytes(5).toString('hex')}@example.com`;
  await someoneAt(address);
  const answers = [];
  for (let asked = 0; asked < 4; asked += 1) answers.push((await ask(address)).asked);
  expect(answers[3]).toEqual(answers[0]);
  await signInMail(address, 3);
  // A later mail to somebody else has arrived: had there been a fourth, it would be here by now.
  const other = `other.${randomBytes(5).toString('hex')}@example.com`;
  await someoneAt(other);
  await ask(other);
  await signInMail(other);
  expect(await mailsTo(address)).toHaveLength(3);
});

test('checklist 14: one address is one recipient', async () => {
  const mark = randomBytes(5).toString('hex');
  for (const email of [
    `a.${mark}@example.com,b.${mark}@example.com`,
    `a.${mark}@example.com\r\nBcc: b.${mark}@example.com`,
    `Ada <a.${mark}@example.com>`,
    `a.${mark}@example.com\u0000@example.org`,
    '@example.com',
    '',
  ]) {
    const { status, headers } = await send(`${stack().app}/api/ask_link`, form({ email }, stack().app));
    expect(status).toBe(303);
    expect(headers.location).toBe('/?problem=address');
  }
  expect(await mailsTo(`b.${mark}@example.com`)).toEqual([]);
});

test('checklist 12: a form from another site is refused', async () => {
  const email = `cross.${randomBytes(5).toString('hex')}@example.com`;
  const evil = 'https://evil.example.org';
  for (const headers of [
    { 'Sec-Fetch-Site': 'cross-site', Origin: evil },
    { 'Sec-Fetch-Site': 'same-site', Origin: evil },
  ]) {
    const answer = await send(`${stack().app}/api/ask_link`, form({ email }, evil, headers));
    expect(answer.status).toBe(403);
    expect(answer.cookies).toEqual([]);
  }
  expect(await mailsTo(email)).toEqual([]);
});
