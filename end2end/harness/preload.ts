// What is put under a program for a test: a few lines of C between it and the system, compiled by the machine's own compiler.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { home } from './stack.ts';

/** The library to name in LD_PRELOAD. */
export function preload(name: 'as-root' | 'fast-clock', folder: string): string {
  const made = join(folder, `${name}.so`);
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', made, join(home, 'harness', `${name}.c`)], { stdio: 'pipe' });
  return made;
}
