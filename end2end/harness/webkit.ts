// The third browser of the tests: WebKitGTK, which Playwright cannot drive, so it is driven by its own WebDriver, on a
// screen that nobody sees. Pages are used as in pages.ts: by what is written on them.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Between } from './between.ts';
import { answers, type Child, freePorts, startChild } from './children.ts';
import { stack } from './stack.ts';
import { until } from './until.ts';

/** The name that the WebDriver standard gives to a reference to an element. */
const reference = 'element-6066-11e4-a52e-4f735466cecf';

export class WebKit {
  readonly between = new Between();
  private readonly folder = mkdtempSync(join(tmpdir(), 'billhook-webkit-'));
  private readonly children: Child[] = [];
  private driver = '';
  private session = '';

  static async start(): Promise<WebKit> {
    const webkit = new WebKit();
    try {
      await webkit.launch();
      return webkit;
    } catch (error) {
      await webkit.stop();
      throw error;
    }
  }

  private async launch(): Promise<void> {
    const { logs } = stack();
    await this.between.start();
    const [port] = (await freePorts(1)) as [number];
    const [screen, driver] = [`screen-${process.pid}`, `webkit-${process.pid}`];
    // It writes the number of the screen that it found free.
    const number = () => /^\d+$/m.exec(readFileSync(join(logs, `${screen}.log`), 'utf8'))?.[0];
    this.children.push(
      await startChild({
        name: screen,
        program: 'Xvfb',
        args: ['-displayfd', '1', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'],
        cwd: this.folder,
        logs,
        ready: async () => number() !== undefined,
      }),
    );
    this.driver = `http://127.0.0.1:${port}`;
    this.children.push(
      await startChild({
        name: driver,
        program: 'WebKitWebDriver',
        args: [`--port=${port}`],
        env: { DISPLAY: `:${number()}` },
        cwd: this.folder,
        logs,
        ready: () => answers(`${this.driver}/status`),
      }),
    );
    const alwaysMatch = {
      proxy: { proxyType: 'manual', httpProxy: this.between.address },
      // Gone back to a page with an open stream, the driver would wait for ever for the end of a load that is long over.
      pageLoadStrategy: 'none',
    };
    const made = await this.ask<{ sessionId: string }>('POST', '/session', { capabilities: { alwaysMatch } });
    this.session = `/session/${made.sessionId}`;
  }

  async stop(): Promise<void> {
    if (this.session !== '') await this.ask('DELETE', this.session).catch(() => undefined);
    for (const child of this.children.reverse()) await child.stop();
    this.between.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Goes there, and waits until the page is loaded. */
  async open(url: string): Promise<void> {
    await this.evaluate('window.left = true');
    await this.ask('POST', `${this.session}/url`, { url: new URL(url, stack().app).href });
    await until(`${url} to load`, () => this.evaluate('return !window.left && document.readyState === "complete"'));
  }

  async back(): Promise<void> {
    await this.ask('POST', `${this.session}/back`, {});
  }

  url(): Promise<string> {
    return this.ask('GET', `${this.session}/url`);
  }

  title(): Promise<string> {
    return this.evaluate<string>('return document.querySelector("h1")?.innerText ?? ""');
  }

  /** What the script says of the page. It is asked again where a page was just left, and so must change nothing. */
  async evaluate<T>(script: string): Promise<T> {
    const { value } = await until('an answer of the page', async () => ({
      value: await this.ask<T>('POST', `${this.session}/execute/sync`, { script, args: [] }),
    }));
    return value;
  }

  /** Presses the button or link with these words on it, once it is there. */
  async press(words: string): Promise<void> {
    const found = await this.find('xpath', `//*[self::button or self::a][contains(normalize-space(), "${words}")]`);
    await this.ask('POST', `${found}/click`, {});
  }

  async type(selector: string, text: string): Promise<void> {
    await this.ask('POST', `${await this.find('css selector', selector)}/value`, { text });
  }

  private async find(using: string, value: string): Promise<string> {
    const found = await until(`${value} on the page`, () =>
      this.ask<Record<string, string>>('POST', `${this.session}/element`, { using, value }),
    );
    return `${this.session}/element/${found[reference]}`;
  }

  private async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`${this.driver}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    });
    const { value } = (await answer.json()) as { value: T & { error?: string; message?: string } };
    if (!answer.ok) throw new Error(`WebKit: ${method} ${path}: ${value.error} ${value.message}`);
    return value;
  }
}
