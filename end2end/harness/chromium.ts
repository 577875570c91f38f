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

/** Where names and ports of the web are on this machine, and whose certificate is good. */
export function finds(places: Record<string, number>, spki: string): { executablePath: string; args: string[] } {
  const { executablePath, args } = chromium();
  const rules = Object.entries(places).map(([place, port]) => `MAP ${place} 127.0.0.1:${port}`);
  const more = ['--disable-quic', `--host-resolver-rules=${rules.join(',')}`, `--ignore-certificate-errors-spki-list=${spki}`];
  return { executablePath, args: [...args, ...more] };
}

/** The way to a stack behind a proxy. */
export function knows({ host, https, http, spki }: { host: string; https: number; http: number; spki: string }) {
  return finds({ [`${host}:443`]: https, [`${host}:80`]: http }, spki);
}
