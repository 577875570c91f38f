// The last line of a run, in words that any tool can count: how many tests passed, failed and were skipped.

import type { FullResult, Reporter, Suite } from '@playwright/test/reporter';

export default class Closing implements Reporter {
  private suite: Suite | undefined;

  onBegin(_config: unknown, suite: Suite): void {
    this.suite = suite;
  }

  onEnd(result: FullResult): void {
    const outcomes = (this.suite?.allTests() ?? []).map((test) => test.outcome());
    const count = (...wanted: string[]) => outcomes.filter((outcome) => wanted.includes(outcome)).length;
    const failed = count('unexpected');
    // A run may fail outside of any test, in the set-up or the tear-down; that must not read as success.
    const outside = result.status !== 'passed' && failed === 0 ? 1 : 0;
    process.stdout.write(
      `end2end: ${count('expected')} passed, ${failed + outside} failed, ${count('skipped')} skipped\n`,
    );
  }

  printsToStdio(): boolean {
    return false;
  }
}
