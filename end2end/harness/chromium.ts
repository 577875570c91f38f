// Which browser the tests drive: the machine's own Chromium. Nothing is downloaded.

import { existsSync } from 'node:fs';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export function chromium(): { executablePath: string; args: string[] } {
  const executablePath = process.env.CHROMIUM ?? places.find((place) => existsSync(place));
  if (executablePath === undefined) {
    throw new Error(`no Chromium: install one at ${places.join(', ')}, or name it in CHROMIUM`);
  }
  const args = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
  // Chromium refuses to sandbox itself for root.
  if (process.getuid?.() === 0) args.push('--no-sandbox');
  return { executablePath, args };
}
