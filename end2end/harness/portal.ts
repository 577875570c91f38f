// The stand-in's portal page, as a customer clicks through it.

import { expect, type Page } from '@playwright/test';

export async function changeEmail(page: Page, address: string): Promise<void> {
  await page.getByLabel('E-mail').fill(address);
  await page.getByRole('button', { name: 'Save details' }).click();
  await expect(page.getByRole('status')).toHaveText('Your details were saved.');
}

export async function goBack(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Return to Northwind' }).click();
}
