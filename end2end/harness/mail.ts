// Mails as the SMTP server received them. A sign-in mail is found by its address and read as a person would: link and code.

import { seen } from './seen.ts';
import { stack } from './stack.ts';
import { until } from './until.ts';

interface Received {
  id: string;
  subject: string;
  text: string;
  html: string;
  from: { address: string; name: string }[];
  to: { address: string; name: string }[];
  headers: Record<string, string>;
}

export interface SignInMail extends Received {
  link: string;
  token: string;
  /** Eight digits without spaces. */
  code: string;
}

export async function mailsTo(address: string): Promise<Received[]> {
  const response = await fetch(`${stack().mail}/email?to.address=${encodeURIComponent(address)}`);
  if (!response.ok) throw new Error(`the mail server answered ${response.status}`);
  return (await response.json()) as Received[];
}

/** Waits for the `nth` mail to the address and reads it. */
export async function signInMail(address: string, nth = 1): Promise<SignInMail> {
  const mail = await until(`mail ${nth} to ${address}`, async () => (await mailsTo(address))[nth - 1]);
  const link = /https?:\/\/\S+\/sign-in\/link\?token=[A-Za-z0-9._~-]+/.exec(mail.text)?.[0];
  // Addresses may hold digits too, so they and the link are taken out before the code is looked for.
  const rest = mail.text.replace(/https?:\/\/\S+/g, ' ').replace(/\S+@\S+/g, ' ');
  const code = /(?<!\d)\d(?:[ \u00a0\u2009-]?\d){7}(?!\d)/.exec(rest)?.[0].replace(/\D/g, '');
  if (link === undefined || code === undefined) throw new Error(`no link or no code in:\n${mail.text}`);
  const token = new URL(link).searchParams.get('token') ?? '';
  seen(token, code);
  return { ...mail, link, token, code };
}

/** A code of the right shape that is not the right one. */
export function wrongCode(code: string, step = 1): string {
  return String((Number(code) + step) % 100_000_000).padStart(8, '0');
}
