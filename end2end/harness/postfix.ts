// A Postfix of the tests' own: Debian's, with its queue and settings in the stack's folder, on free ports of this machine. What
// administrators put beside it, a policy server and a server of passwords, is played by the tests, in the protocols that Postfix speaks.

import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Certificate } from './certificates.ts';
import { freePorts, startChild } from './children.ts';
import { preload } from './preload.ts';
import type { Place } from './stack.ts';

/** What an SMTP client said so far, as Postfix tells a policy server (recipient, sender, …). */
export type Attempt = Record<string, string>;

export interface Postfix {
  /** On the same machine, without TLS and without a password. */
  relay: number;
  /** STARTTLS, then user and password. */
  submission: number;
  /** TLS from the start, then user and password. */
  smtps: number;
  /** Users and their passwords; may be changed at any time. */
  passwords: Map<string, string>;
  /** What Postfix is to answer about a sender, at RCPT; and about a recipient. As in access(5), and at any time. */
  ofSender: (attempt: Attempt) => string | Promise<string>;
  ofRecipient: (attempt: Attempt) => string | Promise<string>;
  /** What was delivered to an address, as it lies in the mailbox. */
  letters(address: string): string[];
  log(): string;
  stop(): Promise<void>;
}

/** Only this address has no mailbox. */
export const unknownTo = 'unknown.';

const daemons = 'usr/lib/postfix/sbin';

function installed(): string {
  const places = [process.env.POSTFIX, '/'].filter((place) => place !== undefined);
  const found = places.find((place) => existsSync(join(place, daemons, 'master')));
  if (found === undefined) throw new Error('no Postfix: run scripts/setup.sh test, or name the folder of an unpacked one in POSTFIX');
  return found;
}

/** Who Postfix's processes are, and in which way. It wants to begin as root. */
function owner(folder: string): { name: string; uid: number; gid: number; preload: Record<string, string> } {
  if (process.getuid?.() !== 0) {
    const { username: name, uid, gid } = userInfo();
    return { name, uid, gid, preload: { LD_PRELOAD: preload('as-root', folder) } };
  }
  const number = (flag: string) => Number(execFileSync('id', [flag, 'daemon'], { encoding: 'utf8' }));
  return { name: 'daemon', uid: number('-u'), gid: number('-g'), preload: {} };
}

const queues = [
  ...['active', 'bounce', 'corrupt', 'defer', 'deferred', 'flush', 'hold', 'incoming', 'maildrop', 'private', 'public', 'saved', 'trace'],
];

const services = `cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`;

export async function startPostfix({ folder: parent, logs, prefix }: Place, certificate: Certificate): Promise<Postfix> {
  const folder = join(parent, 'postfix');
  const place = installed();
  mkdirSync(folder);
  const its = owner(folder);
  const [relay, submission, smtps, policyOfSenders, policyOfRecipients, auth] = (await freePorts(6)) as [number, number, number, number, number, number];
  const log = join(logs, `${prefix}mail.log`);

  const main = {
    compatibility_level: '3.6',
    ...{ queue_directory: join(folder, 'queue'), data_directory: join(folder, 'data'), meta_directory: join(folder, 'conf') },
    ...{ daemon_directory: join(place, daemons), command_directory: join(place, 'usr/sbin'), shlib_directory: join(place, 'usr/lib/postfix') },
    ...{ mail_owner: its.name, setgid_group: 'list', default_privs: 'nobody' },
    ...{ maillog_file: log, maillog_file_prefixes: logs, import_environment: 'MAIL_CONFIG LD_LIBRARY_PATH LD_PRELOAD' },
    ...{ inet_interfaces: '127.0.0.1', inet_protocols: 'ipv4', myhostname: 'mail.example.net', mynetworks: '127.0.0.0/8' },
    ...{ mydestination: '', local_recipient_maps: '', alias_maps: '', virtual_mailbox_domains: 'example.com' },
    ...{ virtual_mailbox_maps: `regexp:${join(folder, 'conf/mailboxes')}`, virtual_mailbox_base: join(folder, 'mail') },
    ...{ virtual_uid_maps: `static:${its.uid}`, virtual_gid_maps: `static:${its.gid}`, virtual_minimum_uid: '1' },
    ...{ smtpd_tls_cert_file: certificate.certificate, smtpd_tls_key_file: certificate.key, smtpd_tls_received_header: 'yes' },
    ...{ smtpd_sasl_type: 'dovecot', smtpd_sasl_path: `inet:127.0.0.1:${auth}`, smtpd_sasl_authenticated_header: 'yes' },
    smtpd_sender_login_maps: 'inline:{ { billing@example.com = ada } }',
    smtpd_sender_restrictions: `reject_sender_login_mismatch, check_policy_service inet:127.0.0.1:${policyOfSenders}`,
    smtpd_recipient_restrictions: `reject_unauth_destination, check_policy_service inet:127.0.0.1:${policyOfRecipients}`,
    smtpd_relay_restrictions: 'permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination',
  };
  const withPassword = '-o smtpd_sasl_auth_enable=yes -o smtpd_client_restrictions=permit_sasl_authenticated,reject';
  const master = [
    `127.0.0.1:${relay} inet n - n - - smtpd -o smtpd_sender_login_maps=`,
    `127.0.0.1:${submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt ${withPassword}`,
    `127.0.0.1:${smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes ${withPassword}`,
    services,
  ];

  for (const made of ['conf', 'data', 'mail', 'queue', 'queue/pid', ...queues.map((name) => `queue/${name}`)]) {
    mkdirSync(join(folder, made));
    const isRoots = ['conf', 'queue', 'queue/pid'].includes(made);
    if (!isRoots) chownSync(join(folder, made), its.uid, its.gid);
  }
  writeFileSync(join(folder, 'conf/main.cf'), Object.entries(main).map(([name, value]) => `${name} = ${value}\n`).join(''));
  writeFileSync(join(folder, 'conf/master.cf'), master.join('\n'));
  writeFileSync(join(folder, 'conf/mailboxes'), `if !/^${unknownTo.replace('.', '\\.')}/\n/@example\\.com$/ inbox/\nendif\n`);
  // The stack's folder is its maker's alone, and Postfix becomes somebody else.
  for (const open of [parent, folder]) chmodSync(open, 0o755);

  const made = {
    ...{ relay, submission, smtps, passwords: new Map<string, string>() },
    ofSender: () => 'DUNNO',
    ofRecipient: () => 'DUNNO',
    letters: (address: string) => letters(join(folder, 'mail/inbox/new'), address),
    log: () => readFileSync(log, 'utf8'),
  } as Omit<Postfix, 'stop'>;
  const beside = [
    await listen(policyOfSenders, (socket) => policy(socket, (attempt) => made.ofSender(attempt))),
    await listen(policyOfRecipients, (socket) => policy(socket, (attempt) => made.ofRecipient(attempt))),
    await listen(auth, (socket) => checkPasswords(socket, made.passwords)),
  ];
  const libraries = [join(place, 'usr/lib/postfix'), join(place, `usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`)];
  const child = await startChild({
    name: `${prefix}postfix`,
    program: join(place, daemons, 'master'),
    args: ['-d', '-c', join(folder, 'conf')],
    env: { MAIL_CONFIG: join(folder, 'conf'), LD_LIBRARY_PATH: libraries.join(':'), ...its.preload },
    ...{ cwd: folder, logs },
    ready: () => greets(relay),
  });
  const stop = async () => {
    await child.stop();
    for (const server of beside) server();
  };
  return Object.assign(made, { stop });
}

/** Opens a port; what is returned closes it, and all connections. */
async function listen(port: number, serve: (socket: Socket) => void): Promise<() => void> {
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => undefined);
    serve(socket);
  });
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  return () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
}

/** Calls `read` with each part that ends so. */
function parts(socket: Socket, end: string, read: (part: string) => void): void {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const all = `${rest}${text}`.split(end);
    rest = all.pop() ?? '';
    for (const part of all) read(part);
  });
}

/** Postfix's SMTPD_POLICY_README. */
function policy(socket: Socket, judge: Postfix['ofSender']): void {
  parts(socket, '\n\n', (request) => {
    const attempt = Object.fromEntries(request.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)));
    void Promise.resolve(judge(attempt)).then((action) => socket.write(`action=${action}\n\n`));
  });
}

/** Dovecot's authentication protocol, version 1.1, with the mechanism PLAIN. */
function checkPasswords(socket: Socket, passwords: Map<string, string>): void {
  socket.write(`VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t${'0'.repeat(32)}\nDONE\n`);
  parts(socket, '\n', (line) => {
    const [word, id, ...fields] = line.split('\t');
    if (word !== 'AUTH') return;
    const response = fields.find((field) => field.startsWith('resp='))?.slice('resp='.length) ?? '';
    const [, user = '', password] = Buffer.from(response, 'base64').toString('utf8').split('\0');
    const isRight = passwords.has(user) && passwords.get(user) === password;
    socket.write(isRight ? `OK\t${id}\tuser=${user}\n` : `FAIL\t${id}\tuser=${user}\n`);
  });
}

function letters(folder: string, address: string): string[] {
  if (!existsSync(folder)) return [];
  const all = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
  return all.filter((text) => new RegExp(`^Delivered-To: ${address.replaceAll('.', '\\.')}$`, 'm').test(text));
}

async function greets(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    const greeting = new Promise<boolean>((resolve) => {
      socket.once('data', (text) => resolve(text.toString('utf8').startsWith('220 ')));
      socket.once('error', () => resolve(false));
    });
    return await Promise.race([greeting, pause(2_000, false)]);
  } finally {
    socket.destroy();
  }
}
