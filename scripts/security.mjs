// Makes the table of SECURITY.md from the names of tests and from what the last run said of them, so that it cannot lie.
//
//   node scripts/security.mjs [--write] [FOLDER]
//
//   --write    puts the table into SECURITY.md; without it the one that is there is compared with the run
//   FOLDER     where the logs are; target/test-logs if it is not given
//
// A test in Rust proves a demand by its name, `checklist_6_of_64_…`, one in the browser by its title, `checklist 6: …`. The
// exit status is 1 when a test of the table failed or did not run, or when the table is not that of the run.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const words = process.argv.slice(2);
const isToWrite = words.includes('--write');
const folder = words.find((word) => !word.startsWith('--')) ?? join(root, 'target/test-logs');
const page = join(root, 'SECURITY.md');
const [start, end] = ['<!-- made by scripts/security.mjs -->', '<!-- until here -->'];

const demands = {
  1: 'Asking for a link tells nothing about the address, by answer or by time',
  2: 'Nothing in the database or a log signs in',
  3: 'Opening a link, however often, uses nothing up',
  4: 'A scanner that runs scripts and presses buttons gets no session',
  5: 'A link signs in only the browser that asked for it',
  6: 'Of many uses of one link at once, one gets a session',
  7: 'A link works for less than ten minutes',
  8: 'Requests of strangers do not end my link; a sign-in ends the others',
  9: 'Five wrong codes end a sign-in, also in parallel and after a crash',
  10: 'No header of a request decides where a link leads',
  11: 'After the sign-in the way leads only to a path of ours',
  12: 'Forms of other sites are refused, those of ours are not',
  13: 'A flood of requests is limited by address and by client, and locks nobody out',
  14: 'One typed address is one recipient, or refused',
  15: 'Cookies are out of reach for scripts and other sites; no token is in a page',
  16: 'What was in the cookies before the sign-in is worth nothing after it',
  17: 'Forged, old and odd tokens are refused before the database is asked',
  18: 'Tabs that renew at once get the same session',
  19: 'A token that was copied ends its session; a lost answer does not',
  20: 'Of a session there are never two live branches',
  21: 'A crash between commit and answer signs nobody out',
  22: 'Signing out ends a session at once, everywhere',
  23: 'Sessions end when idle, and after a day at the latest',
  24: 'Keys are changed without signing anybody out',
  25: 'Every route is closed to those who have no business there',
  26: 'Everybody sees exactly the records of their own address',
  27: "A stranger's record is answered like one that does not exist",
  28: 'Odd requests are refused, without a fault and without an echo',
  32: 'Every query about customers is asked for somebody',
  33: 'Before a portal opens, Stripe is asked whose record it is',
  34: 'Portal links are made by a click and by nothing else',
  35: 'A portal link is in no page, log or table',
  36: 'Only https links to allowed hosts are portal links',
  37: 'The way to the portal and back works in a browser',
  38: 'Whatever Stripe does, there is an answer within eight seconds',
  39: 'Many clicks work, up to a limit',
  40: 'The key can do what it must, and no more',
  61: 'Half-open and slow connections end, and hold up nobody',
  62: 'Injected scripts do not run',
  63: 'Pages come alive under the content security policy',
  64: 'Every answer has its protective headers',
  65: 'A panic is one answer with an id, and forged client addresses are ignored',
  66: 'No secret and no personal data is in a log, an error or a wrong column, whatever goes wrong; no type prints any',
  67: 'Payloads are kept for a limited time and shown masked, and no text in them moves the terminal',
  68: 'What has had its time is deleted; a person is erased in one step and does not come back',
  69: 'Who did what is written down, and cannot be changed',
  70: 'Weak or unsafe settings are refused at the start',
  71: 'Commands can be interrupted and repeated',
  73: 'What the program is made of is known, pinned and licensed',
};

// Name of a test → the demands that it proves, where it ran, and whether it passed everywhere.
const tests = new Map();
function note(name, numbers, where, passed) {
  const test = tests.get(name) ?? { numbers, places: new Set(), results: new Map() };
  if (where) test.places.add(where);
  // A second try has the last word.
  test.results.set(where, passed);
  tests.set(name, test);
}

const engines = { sqlite: 'SQLite', postgres: 'Postgres' };
function readLine(line) {
  const rust = line.match(/^test (\S*\bchecklist_(\d+)_\w+)(?: - should panic)? \.\.\. (\w+)/);
  if (rust) {
    if (rust[3] === 'ignored') return;
    const parts = rust[1].split('::');
    const where = parts.find((part) => part in engines);
    const name = parts.filter((part) => part !== where && part !== 'tests').join('::');
    note(name, [rust[2]], engines[where], rust[3] === 'ok');
    return;
  }
  const browser = line.match(/^ *(\S) +\d+ \[([^\]]+)\] › (?:.*› )?(checklist ([\d, ]+): .*?)(?: \(retry #\d+\))?(?: \([\d.]+(?:ms|s|m|h)\))?$/u);
  // A dash marks one that was skipped.
  if (browser && browser[1] !== '-') {
    const file = line.match(/› (\S+?):\d+:\d+ ›/)?.[1] ?? '';
    note(`${file}: ${browser[3]}`, browser[4].split(/, */), browser[2], browser[1] === '✓');
  }
}
for (const name of readdirSync(folder).filter((name) => name.endsWith('.log')).sort()) {
  const log = readFileSync(join(folder, name), 'utf8').replaceAll(/\x1b\[[0-9;]*[A-Za-z]/g, '');
  log.split('\n').forEach(readLine);
}

// A run that broke off before some of them would make a table without them.
const namesOf = (folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith('.rs'))
    .flatMap((name) => [...readFileSync(join(root, folder, name), 'utf8').matchAll(/\b(checklist_\d+_\w+)/g)])
    .map(([, name]) => name);
const ran = new Set([...tests.keys()].map((name) => name.split('::').pop()));
const missing = ['src', 'tests'].flatMap(namesOf).filter((name) => !ran.has(name));
if (missing.length > 0) {
  console.error(`these did not run, so there is no table: ${missing.join(', ')}`);
  process.exit(1);
}

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
const named = ([name, { places }]) => `${cell(name)}${places.size ? ` (${[...places].sort().join(', ')})` : ''}`;
const rows = Object.entries(demands).map(([number, demand]) => {
  const mine = [...tests].filter(([, test]) => test.numbers.includes(number)).sort(([a], [b]) => (a < b ? -1 : 1));
  const result = mine.length === 0 ? 'not proven' : mine.every(([, test]) => [...test.results.values()].every(Boolean)) ? 'passed' : 'FAILED';
  return { number, demand, names: mine.map(named).join('<br>'), result };
});
const table = [
  '| | what must hold | tests | result |',
  '|---|---|---|---|',
  ...rows.map((row) => `| ${row.number} | ${row.demand} | ${row.names} | ${row.result} |`),
].join('\n');

const text = readFileSync(page, 'utf8');
const [from, to] = [text.indexOf(start), text.indexOf(end)];
if (from < 0 || to < from) {
  console.error(`SECURITY.md has lost its marks ${start} and ${end}`);
  process.exit(1);
}
const committed = text.slice(from + start.length, to).trim();
if (isToWrite) writeFileSync(page, `${text.slice(0, from)}${start}\n${table}\n${text.slice(to)}`);

const faults = rows.filter((row) => row.result === 'FAILED').map((row) => `${row.number} failed: ${row.demand}`);
if (!isToWrite && committed !== table) {
  const [old, now] = [committed.split('\n'), table.split('\n')];
  const changed = [...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`), ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`)];
  faults.push('the table of SECURITY.md is not that of this run (scripts/security.mjs --write makes it):', ...changed);
}
faults.forEach((fault) => console.error(fault));
const open = rows.filter((row) => row.result === 'not proven').map((row) => row.number);
console.log(`${rows.length - open.length} of ${rows.length} demands have a test${open.length ? `; not proven: ${open.join(', ')}` : ''}`);
process.exit(faults.length === 0 ? 0 : 1);
