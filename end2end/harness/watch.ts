// What no test may see in any browser: a console message, a script error, a refused or failed request, a request to
// somebody else's server, or anything that the Content-Security-Policy forbids. A test that provokes one on purpose says so with `allow`.

import type { BrowserContext, Page } from '@playwright/test';
import { stack } from './stack.ts';

export class Watch {
  readonly problems: string[] = [];
  /** How often the Content-Security-Policy was broken. */
  violations = 0;
  private readonly allowed = [
    // Chromium tells that it did what our sign-out asked for.
    /^console info: Clear-Site-Data header on '[^']*\/api\/(sign_out|sign_out_everywhere|end_session)': Cleared data types/,
    // Firefox's word for a page that was left while it fetched its program; one that is missing is told otherwise, too.
    /^script error: NetworkError when attempting to fetch resource/,
    // A test types faster than a page moves the focus to its message.
    /^console info: Autofocus processing was blocked because a document already has a focused element/,
  ];

  /** From now on such a message is expected. */
  allow(message: RegExp): void {
    this.allowed.push(message);
  }

  async attach(context: BrowserContext): Promise<void> {
    await context.exposeBinding('violated', (_, what: string) => {
      this.violations += 1;
      this.report(`policy violation: ${what}`);
    });
    await context.addInitScript(() => {
      const report = (window as unknown as { violated(what: string): void }).violated;
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
        report(`${effectiveDirective} ${blockedURI}`);
      });
    });
    for (const page of context.pages()) this.attachPage(page);
    context.on('page', (page) => this.attachPage(page));
    context.on('request', (request) => {
      const url = new URL(request.url());
      const own = [stack().app, stack().sandbox].includes(url.origin) || ['about:', 'data:'].includes(url.protocol);
      if (!own) this.report(`request to ${url.origin}`);
    });
    context.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText ?? 'unknown';
      // A page that is left drops what it was still loading, the stream of changes above all.
      if (!['net::ERR_ABORTED', 'NS_BINDING_ABORTED'].includes(reason)) this.report(`failed request: ${request.method()} ${request.url()}: ${reason}`);
    });
  }

  private attachPage(page: Page): void {
    page.on('console', (message) => this.report(`console ${message.type()}: ${message.text()} (${message.location().url})`));
    page.on('pageerror', (error) => this.report(`script error: ${error.message}`));
  }

  private report(problem: string): void {
    if (!this.allowed.some((pattern) => pattern.test(problem))) this.problems.push(problem);
  }
}
