// Child processes: each is started with a clean environment, writes to its own log file, and is ended by its own pid,
// also when the run is interrupted.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { until } from './until.ts';

export interface Child {
  name: string;
  stop(): Promise<void>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
}

interface Command {
  name: string;
  program: string;
  args: string[];
  env?: Record<string, string>;
  cwd: string;
  logs: string;
  /** Answers true once the program serves. */
  ready: () => Promise<boolean>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export async function startChild(command: Command): Promise<Child> {
  const logFile = join(command.logs, `${command.name}.log`);
  const log = openSync(logFile, 'a');
  const child = spawn(command.program, command.args, {
    cwd: command.cwd,
    stdio: ['ignore', log, log],
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: command.cwd, ...command.env },
  });
  closeSync(log);
  running.add(child);
  let ended: string | undefined;
  const gone = new Promise<void>((resolve) => {
    const end = (how: string) => {
      ended = how;
      running.delete(child);
      resolve();
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', (code, signal) => end(`exit ${code ?? signal}`));
  });

  const stop = async () => {
    if (ended === undefined) child.kill('SIGTERM');
    const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await gone;
    clearTimeout(patience);
  };

  try {
    await until(
      `${command.name} to serve`,
      async () => ended !== undefined || (await command.ready().catch(() => false)),
      60_000,
    );
    if (ended !== undefined) throw new Error(`${command.name} ended at start (${ended})`);
  } catch (error) {
    await stop();
    const tail = readFileSync(logFile, 'utf8').slice(-4_000);
    throw new Error(`${error instanceof Error ? error.message : error}\n--- ${logFile}\n${tail}`);
  }
  const kill = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  return { name: command.name, stop, kill };
}

/**
 * Ports that nobody listens on, all different. They are below those that the system hands out by itself: of these one could be
 * in use again, by somebody's connection, before the server that it is for has started.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(11_000, 20_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** True when a GET of the address answers with a success. */
export async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(2_000) });
  return response.ok;
}
