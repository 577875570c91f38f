// Waiting. Everything in these tests that depends on another process is asked again until it is true or a deadline has
// passed; nothing waits for a fixed time and hopes.

import { setTimeout as pause } from 'node:timers/promises';

/** Asks `probe` until it answers something truthy, and fails with the last reason once the deadline has passed. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  deadlineMs = 20_000,
): Promise<T> {
  const end = Date.now() + deadlineMs;
  let reason = 'it never became true';
  for (;;) {
    try {
      const answer = await probe();
      if (answer) return answer;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    if (Date.now() >= end) throw new Error(`waited ${deadlineMs} ms for ${what}: ${reason}`);
    await pause(50);
  }
}
