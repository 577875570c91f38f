// The second browser of the tests: the machine's own Firefox, driven by WebDriver BiDi. Nothing is downloaded.

import type { Browser } from '@playwright/test';
import { existsSync } from 'node:fs';

const places = ['/usr/bin/firefox-esr', '/usr/bin/firefox'];

export function firefox(): { executablePath: string } {
  // Where there is none, Playwright says so once a test asks for it.
  return { executablePath: process.env.FIREFOX || places.find((place) => existsSync(place)) || places.join(' or ') };
}

/** What of Playwright's inside is touched; its version is pinned. */
interface Inside {
  _connection: {
    toImpl(of: unknown): { _browserSession: { send(method: string, params: unknown): Promise<unknown> } };
  };
}

/**
 * Playwright sets the colours of every new window with a command that Debian's Firefox does not know yet, and gives up
 * when it is refused. Our pages are looked at in both colours in Chromium, so here the command is left out.
 */
export function leaveColoursAlone(browser: Browser): void {
  const session = (browser as unknown as Inside)._connection.toImpl(browser)._browserSession;
  const send = session.send.bind(session);
  session.send = async (method, params) => (method === 'emulation.setMediaFeaturesOverride' ? {} : send(method, params));
}
