// Playwright's global set-up: brings the stack up before the first test and takes it down after the last, whatever happened.

import { startStack } from './stack.ts';

export default async function setUp(): Promise<() => Promise<void>> {
  return startStack();
}
