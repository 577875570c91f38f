// Requests that are not quite HTTP, or not quite ours: said byte by byte, through the proxy and past it. What counts is that no
// byte of a body is ever taken for a request of its own, and that nobody gets a fault of ours for an answer.

import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2';
import { expect, test } from './test.ts';
import { statuses } from './visitor.ts';

const host = 'Host: billing.example.com\r\n';
const form =
  'Origin: https://billing.example.com\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n';
const post = `POST /api/sign_out HTTP/1.1\r\n${host}${form}`;
/** Would be answered 405: nothing else in these requests is. */
const hidden = `DELETE /hidden HTTP/1.1\r\n${host}\r\n`;
const empty = '0\r\n\r\n';

/** What the body of one request holds must not be answered, whichever of two lengths somebody believes. */
const smuggled: [string, string][] = [
  ['a length and chunks', `${post}Content-Length: ${empty.length + hidden.length}\r\nTransfer-Encoding: chunked\r\n\r\n${empty}${hidden}`],
  ['chunks and a length', `${post}Transfer-Encoding: chunked\r\nContent-Length: ${empty.length + hidden.length}\r\n\r\n${empty}${hidden}`],
  ['two lengths', `${post}Content-Length: ${hidden.length}\r\nContent-Length: 0\r\n\r\n${hidden}`],
  ['two lengths, the other way', `${post}Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`],
  ['a list of lengths', `${post}Content-Length: 0, ${hidden.length}\r\n\r\n${hidden}`],
  ['a length with a sign', `${post}Content-Length: +${hidden.length}\r\n\r\n${hidden}`],
  ['a length below nothing', `${post}Content-Length: -1\r\n\r\n${hidden}`],
  ['a length in hexadecimal', `${post}Content-Length: 0x10\r\n\r\n${hidden}`],
  ['a length beyond numbers', `${post}Content-Length: 99999999999999999999999\r\n\r\n${hidden}`],
  ['chunks by another name', `${post}Transfer-Encoding: xchunked\r\n\r\n${empty}${hidden}`],
  ['chunks behind a control character', `${post}Transfer-Encoding: \x0bchunked\r\n\r\n${empty}${hidden}`],
  ['chunks, then something else', `${post}Transfer-Encoding: chunked, identity\r\n\r\n${empty}${hidden}`],
  ['two encodings', `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n${empty}${hidden}`],
  ['a space before the colon', `${post}Transfer-Encoding : chunked\r\n\r\n${empty}${hidden}`],
  ['a chunk size in C', `${post}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n${empty}${hidden}`],
  ['a chunk size beyond numbers', `${post}Transfer-Encoding: chunked\r\n\r\n10000000000000000f\r\nhello\r\n${empty}${hidden}`],
  ['a line feed in a chunk', `${post}Transfer-Encoding: chunked\r\n\r\n0;a=b\nc\r\n\r\n${hidden}`],
  ['a body of a GET', `GET / HTTP/1.1\r\n${host}Content-Length: ${hidden.length}\r\n\r\n${hidden}`],
  [
    'a switch to a web socket',
    `GET /billing/live HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  ],
  [
    'a switch to HTTP/2',
    `GET / HTTP/1.1\r\n${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n` +
      `HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  ],
];

test('checklist 28: what is hidden in a body is never taken for a request', async ({ street }) => {
  // In the open it is one.
  const open = `${post}Content-Length: 0\r\n\r\n${hidden}`;
  for (const direct of [true, false]) expect(statuses(await street.say(open, direct))).toEqual([303, 405]);
  const found = await Promise.all(
    smuggled.flatMap(([name, bytes]) =>
      [true, false].map(async (direct) => ({ name, direct, heard: statuses(await street.say(bytes, direct)) })),
    ),
  );
  // Two answers of which one is the hidden request's; Caddy itself reads chunks before a length, as RFC 9112 has it, and the
  // visitor's next request after them: that one is the visitor's own, and Caddy's alone to answer for.
  const taken = found.filter(({ name, direct, heard }) => heard.includes(405) && (direct || !/^(a length and|chunks and)/.test(name)));
  expect(taken).toEqual([]);
  expect(found.filter(({ heard }) => heard.includes(101) || heard.some((status) => [500, 503, 504].includes(status)))).toEqual([]);
  // Whoever comes next over the same lines between Caddy and Billhook gets the answer to their own question.
  const next = await Promise.all(Array.from({ length: 20 }, () => street.get('/up')));
  expect(next.filter(({ status, body }) => status !== 200 || body !== 'up')).toEqual([]);
});

test('checklist 28: malformed requests are refused, and leave nothing behind for the next', async ({ street }) => {
  const refused: [string, string][] = [
    ['a folded line', `GET / HTTP/1.1\r\n${host}X-A: a\r\n b\r\n\r\n`],
    ['a carriage return in a value', `GET / HTTP/1.1\r\n${host}X-A: a\rX-B: b\r\n\r\n`],
    ['a zero byte in a value', `GET / HTTP/1.1\r\n${host}X-A: a\0b\r\n\r\n`],
    ['a line without a colon', `GET / HTTP/1.1\r\n${host}foo\r\n\r\n`],
    ['a line before the first', `GET / HTTP/1.1\r\n Host: evil\r\n${host}\r\n`],
    ['a space in the target', `GET /a b HTTP/1.1\r\n${host}\r\n`],
    ['two hosts', `GET / HTTP/1.1\r\n${host}Host: evil.example\r\n\r\n`],
    ['the same host twice', `GET / HTTP/1.1\r\n${host}${host}\r\n`],
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['a host with a path', 'GET / HTTP/1.1\r\nHost: billing.example.com/evil\r\n\r\n'],
    ['two hosts in one', 'GET / HTTP/1.1\r\nHost: billing.example.com, evil.example\r\n\r\n'],
    ['no version', 'GET /\r\n\r\n'],
    ['another version', `GET / HTTP/2.0\r\n${host}\r\n`],
    ['half a handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['a method that is none', `FOO / HTTP/1.1\r\n${host}\r\n`],
    ['TRACE', `TRACE / HTTP/1.1\r\n${host}\r\n`],
    ['CONNECT', `CONNECT billing.example.com:443 HTTP/1.1\r\n${host}\r\n`],
    ['a head of 40 kB', `GET / HTTP/1.1\r\n${host}X-A: ${'a'.repeat(40_000)}\r\n\r\n`],
    ['a thousand lines', `GET / HTTP/1.1\r\n${host}${Array.from({ length: 1_000 }, (_, i) => `X-${i}: a\r\n`).join('')}\r\n`],
    ['a form of 17 kB', `${post}Content-Length: 17408\r\n\r\n${'a'.repeat(17_408)}`],
  ];
  const answers = await Promise.all(refused.map(async ([name, bytes]) => ({ name, heard: statuses(await street.say(bytes, true)) })));
  expect(answers.filter(({ heard }) => heard.length !== 1 || heard.some((status) => status < 400 || status >= 500))).toEqual([]);
  const proxied = await Promise.all(refused.map(async ([name, bytes]) => ({ name, heard: statuses(await street.say(bytes, false)) })));
  // Caddy mends some of them before it passes them on, and says 502 for what Billhook hung up on.
  expect(proxied.filter(({ heard }) => heard.some((status) => [101, 500, 503, 504].includes(status)))).toEqual([]);
  expect((await street.get('/')).status).toBe(200);
});

test('checklist 10: only our own host is answered, however the request names it', async ({ street }) => {
  const elsewhere = [
    'GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: billing.example.com.evil.example\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: billing.example.com.\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: billing.example.com:8080\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    `GET https://evil.example/ HTTP/1.1\r\n${host}\r\n`,
  ];
  await Promise.all(
    elsewhere.map(async (bytes) => {
      expect(statuses(await street.say(bytes, true)), bytes).toEqual([421]);
      // Caddy knows one site alone, and has an empty answer of its own for others; a port it passes on.
      const heard = await street.say(bytes, false);
      expect(heard, bytes).not.toContain('See and manage your billing');
      expect(heard, bytes).not.toContain('evil.example');
    }),
  );
});

/** Status and body, or nothing where the stream was refused. */
function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string): Promise<{ status: number; body: string } | undefined> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: body === undefined });
    let status = 0;
    let heard = '';
    stream.on('response', (answer) => (status = Number(answer[':status'])));
    stream.on('data', (part: Buffer) => (heard += part.toString('utf8')));
    stream.on('error', () => resolve(undefined));
    stream.on('end', () => resolve({ status, body: heard }));
    stream.setTimeout(5_000, () => stream.close());
    stream.end(body);
  });
}

test('checklist 10, 28: HTTP/2 says nothing to the program that HTTP/1.1 could not', async ({ street, proxied }) => {
  const ours = { ':path': '/', ':authority': proxied.host };
  const form = { ':method': 'POST', ':path': '/api/sign_out', 'content-type': 'application/x-www-form-urlencoded', origin: proxied.app };
  const asked: [string, OutgoingHttpHeaders, string?][] = [
    ['another host besides', { ...ours, host: 'evil.example' }],
    ['another authority', { ...ours, ':authority': 'evil.example', host: proxied.host }],
    ['a line end in the path', { ...ours, ':path': `/ HTTP/1.1\r\nHost: evil.example\r\n\r\n${hidden}` }],
    ['an absolute path', { ...ours, ':path': 'https://evil.example/' }],
    ['a path with a version', { ...ours, ':path': '/ HTTP/1.1' }],
    ['a method with a path', { ...ours, ':method': 'GET / HTTP/1.1' }],
    ['by http', { ...ours, ':scheme': 'http' }],
    ['a length too short', { ...ours, ...form, 'content-length': '3' }, hidden],
    ['a length too long', { ...ours, ...form, 'content-length': '300' }, 'abc'],
    ['three hundred cookies', { ...ours, cookie: Array.from({ length: 300 }, (_, index) => `a${index}=b`) }],
  ];
  for (const [what, headers, body] of asked) {
    const session = connect(`https://127.0.0.1:${proxied.https}`, { servername: proxied.host, ca: proxied.ca });
    session.on('error', () => undefined);
    const answer = await ask(session, headers, body);
    session.destroy();
    expect([undefined, 200, 400, 404, 502], what).toContain(answer?.status);
    expect(answer?.body ?? '', what).not.toContain('evil.example');
  }
  expect((await street.get('/')).status).toBe(200);
});
