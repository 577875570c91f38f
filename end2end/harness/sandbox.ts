// The stand-in for Stripe, seen from the tests: Stripe's official SDK as its client, and its own control routes.

import Stripe from 'stripe';
import { stack } from './stack.ts';

/** The official SDK pointed at the stand-in. */
export function stripe(options: { key?: string } = {}): Stripe {
  const { hostname, port } = new URL(stack().sandbox);
  return new Stripe(options.key ?? stack().apiKey, {
    host: hostname,
    port,
    protocol: 'http',
    telemetry: false,
    maxNetworkRetries: 0,
  });
}

export interface Recorded {
  method: string;
  path: string;
  query: string;
  form: Record<string, string | string[]>;
  headers: Record<string, string>;
  /** Null while the answer is under way. */
  status: number | null;
}

export interface Fault {
  path: string;
  /** Faults live for the whole run and tests run side by side, so each one is for one customer. */
  match: string;
  status?: number;
  body?: string;
  hang?: boolean;
  portal_url?: string;
  times?: number;
}

/** Every call that Billhook itself has made so far. */
export async function callsOfBillhook(): Promise<Recorded[]> {
  const response = await fetch(`${stack().sandbox}/_sandbox/requests`);
  if (!response.ok) throw new Error(`the list of requests answered ${response.status}`);
  const { requests } = (await response.json()) as { requests: Recorded[] };
  return requests.filter(({ headers }) => (headerOf(headers, 'user-agent') ?? '').startsWith('billhook/'));
}

/** Billhook's calls that name the given text anywhere: in the path, the query or the form. */
export async function callsAbout(text: string): Promise<Recorded[]> {
  const calls = await callsOfBillhook();
  return calls.filter(({ path, query, form }) => JSON.stringify([path, query, form]).includes(text));
}

/** Those of them that make a portal session. Each click also reads the customer. */
export async function sessionsOf(customer: string): Promise<Recorded[]> {
  return (await callsAbout(customer)).filter(({ path }) => path === '/v1/billing_portal/sessions');
}

/** A form as pairs again; a name that came twice holds a list. */
export function pairs(form: Recorded['form']): [string, string][] {
  return Object.entries(form).flatMap(([name, values]) => [values].flat().map((value): [string, string] => [name, value]));
}

export function headerOf(headers: Record<string, string>, name: string): string | undefined {
  return Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
}

export async function fault(wanted: Fault): Promise<void> {
  const response = await fetch(`${stack().sandbox}/_sandbox/faults`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(wanted),
  });
  if (!response.ok) throw new Error(`the fault was answered ${response.status}: ${await response.text()}`);
}
