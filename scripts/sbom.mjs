// Lists everything that the program is made of, as CycloneDX 1.5: the crates of the server and of what runs in the browser,
// each with its licence and the checksum that Cargo.lock holds it to.
//
//   node scripts/sbom.mjs FILE
//
// Crates that only help to build (build scripts, macros, and what those use) have the scope "excluded".
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const file = process.argv[2];
if (!file) {
  console.error('usage: node scripts/sbom.mjs FILE');
  process.exit(2);
}

const cargo = (...words) => execFileSync('cargo', words, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
const host = cargo('--version', '--verbose').match(/^host: (.*)$/m)[1];

// What a half of the program is made of: packages by id, and which other ones each uses.
function half(features, target) {
  const metadata = JSON.parse(
    cargo('metadata', '--format-version=1', '--locked', '--no-default-features', '--features', features, '--filter-platform', target),
  );
  const packages = new Map(metadata.packages.map((one) => [one.id, one]));
  const nodes = new Map(metadata.resolve.nodes.map((one) => [one.id, one]));
  return { root: metadata.resolve.root, packages, nodes };
}

// Walks from the program to all that it uses. A crate that is part of it by any way is part of it.
const found = new Map();
function walk({ packages, nodes }, seen, id, isPart) {
  const one = packages.get(id);
  const isMacro = one.targets.some((target) => target.kind.includes('proc-macro'));
  const part = isPart && !isMacro;
  if (seen.get(id) || (seen.has(id) && !part)) return;
  seen.set(id, part);
  const entry = found.get(id) ?? { one, part, uses: new Set() };
  entry.part ||= part;
  found.set(id, entry);
  for (const dep of nodes.get(id).deps) {
    const kinds = dep.dep_kinds.map((how) => how.kind).filter((kind) => kind !== 'dev');
    if (kinds.length === 0) continue;
    entry.uses.add(dep.pkg);
    walk({ packages, nodes }, seen, dep.pkg, part && kinds.includes(null));
  }
}
const halves = [half('ssr', host), half('hydrate', 'wasm32-unknown-unknown')];
for (const one of halves) walk(one, new Map(), one.root, true);

// Only the lock file knows the checksums.
const checksums = new Map();
for (const block of readFileSync(join(root, 'Cargo.lock'), 'utf8').split('[[package]]').slice(1)) {
  const value = (key) => block.match(new RegExp(`^${key} = "(.*)"$`, 'm'))?.[1];
  if (value('checksum')) checksums.set(`${value('name')}@${value('version')}`, value('checksum'));
}

const purl = ({ name, version }) => `pkg:cargo/${name}@${version}`;
const by = (key) => (a, b) => (a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0);
function describe(one) {
  const checksum = checksums.get(`${one.name}@${one.version}`);
  return {
    type: 'library',
    'bom-ref': purl(one),
    name: one.name,
    version: one.version,
    ...(one.description && { description: one.description.trim().replace(/\s+/g, ' ') }),
    ...(checksum && { hashes: [{ alg: 'SHA-256', content: checksum }] }),
    // A slash is how OR was written once.
    ...(one.license && { licenses: [{ expression: one.license.replaceAll(/\s*\/\s*/g, ' OR ') }] }),
    purl: purl(one),
    ...(one.repository && { externalReferences: [{ type: 'vcs', url: one.repository }] }),
  };
}

const program = halves[0].packages.get(halves[0].root);
const all = [...found.values()];
const components = all
  .filter(({ one }) => one.id !== program.id)
  .map(({ one, part }) => ({ ...describe(one), scope: part ? 'required' : 'excluded' }))
  .sort(by('bom-ref'));
const dependencies = all
  .map(({ one, uses }) => ({
    ref: purl(one),
    dependsOn: [...uses].map((id) => purl(found.get(id).one)).sort(),
  }))
  .sort(by('ref'));

// Of the same contents the same number, so that two builds can be compared.
const digest = createHash('sha256').update(JSON.stringify([purl(program), components, dependencies])).digest('hex');
const variant = '89ab'[parseInt(digest[16], 16) % 4];
const uuid = [digest.slice(0, 8), digest.slice(8, 12), `8${digest.slice(13, 16)}`, variant + digest.slice(17, 20), digest.slice(20, 32)];
const epoch = process.env.SOURCE_DATE_EPOCH;
const bom = {
  $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  serialNumber: `urn:uuid:${uuid.join('-')}`,
  version: 1,
  metadata: {
    timestamp: (epoch ? new Date(Number(epoch) * 1000) : new Date()).toISOString(),
    component: { ...describe(program), type: 'application' },
  },
  components,
  dependencies,
};
writeFileSync(file, `${JSON.stringify(bom, null, 2)}\n`);
