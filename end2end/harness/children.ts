// Child processes: each is started with a clean environment, writes to its own log file, and is ended by its own pid,
// also when the run is interrupted.

import { type ChildProcess, spawn } from 'node:child_process';
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

/** Ports that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP port has a number');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** True when a GET of the address answers with a success. */
export async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(2_000) });
  return response.ok;
}
