// The ways to the stand-in's pages, and its portal as a customer clicks through it.

import { type APIResponse, expect, type Page } from '@playwright/test';
import { stack } from './stack.ts';

/** What a changed form, or a script, would send with this browser's cookies. */
export function openPortal(page: Page, customer: string, flow = 'home', subscription?: string): Promise<APIResponse> {
  return post(page, '/api/open_portal', { customer, flow, ...(subscription === undefined ? {} : { subscription }) });
}

/** The same for the page of an invoice. */
export function openInvoice(page: Page, customer: string, invoice: string): Promise<APIResponse> {
  return post(page, '/api/pay_invoice', { customer, invoice });
}

function post(page: Page, path: string, form: Record<string, string>): Promise<APIResponse> {
  return page.request.post(path, {
    form,
    headers: {
      Accept: 'text/html,application/xhtml+xml',
      Origin: stack().app,
      Referer: `${stack().app}/billing`,
      'Sec-Fetch-Site': 'same-origin',
    },
    maxRedirects: 0,
  });
}

export async function changeEmail(page: Page, address: string): Promise<void> {
  await page.getByLabel('E-mail').fill(address);
  await page.getByRole('button', { name: 'Save details' }).click();
  await expect(page.getByRole('status')).toHaveText('Your details were saved.');
}

export async function goBack(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Return to Northwind' }).click();
}
