// Puts a hash of its bytes into the name of each file that pages load, and writes assets.json, which the server reads.
//
//   node hash.mjs FOLDER
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
// A file comes after those that it names.
const files = ['/pkg/billhook.css', '/pkg/billhook.wasm', '/pkg/billhook.js', '/live.js', '/islands.js'];
const names = {};
for (const file of files) {
  const path = join(folder, file);
  let bytes = readFileSync(path);
  if (file === '/islands.js') {
    let text = bytes.toString();
    for (const [name, hashed] of Object.entries(names)) text = text.replaceAll(`"${name}"`, `"${hashed}"`);
    bytes = Buffer.from(text);
  }
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  names[file] = file.replace(/\.(\w+)$/, `.${hash}.$1`);
  writeFileSync(path, bytes);
  renameSync(path, join(folder, names[file]));
}
rmSync(join(folder, 'assets.json'), { force: true });
writeFileSync(join(folder, 'assets.json'), `${JSON.stringify(names, null, 1)}\n`);
