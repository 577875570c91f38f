// Secrets that the tests came across: sign-in tokens, codes, session cookies, portal addresses. They are kept until the end
// of the run, when nothing of them may stand in a log or in the database.

import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { results } from './stack.ts';

const folder = join(results, 'seen');

export function seen(...secrets: string[]): void {
  for (const secret of secrets) appendFileSync(join(folder, `${process.pid}.txt`), `${secret}\n`);
}

export function everythingSeen(): string[] {
  const lines = readdirSync(folder).flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'));
  return [...new Set(lines.filter((line) => line !== ''))];
}
