// Starts the islands of a page: loads the program once, and hands each island its element. The
// page asks for nothing of this when scripts are off.
import start, * as program from "/pkg/billhook.js";
import { listen } from "/live.js";

// Where the program finds it.
globalThis.billhookListen = listen;

// Between steps the browser may answer the visitor, which on a slow phone would otherwise wait for all of them.
const pause = () => new Promise((go) => setTimeout(go));

await start({ module_or_path: "/pkg/billhook.wasm" });
await pause();
program.hydrate();
for (const island of document.querySelectorAll("leptos-island")) {
  await pause();
  program[island.dataset.component](island);
}
