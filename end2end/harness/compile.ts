// TypeScript that a test wrote, judged by the compiler. The official SDK's types thereby say whether JSON has today's shape.

import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { home, results } from './stack.ts';

const folder = join(results, 'generated');

/** What the compiler complains of: nothing when all is well. */
export function compile(name: string, source: string): Promise<string> {
  const place = join(folder, name);
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'answers.ts'), source);
  const compilerOptions = {
    ...{ target: 'es2023', module: 'esnext', moduleResolution: 'bundler', types: ['node'], lib: ['es2023', 'dom'] },
    ...{ strict: true, exactOptionalPropertyTypes: true, skipLibCheck: true, noEmit: true },
  };
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['answers.ts'] }));
  return new Promise((resolve) => {
    execFile(join(home, 'node_modules/.bin/tsc'), ['-p', place], { timeout: 120_000 }, (error, stdout) => {
      resolve(error === null ? '' : stdout || error.message);
    });
  });
}
