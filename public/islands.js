// Starts the islands of a page: loads the program once, and hands each island its element. The
// page asks for nothing of this when scripts are off.
import start, * as program from "/pkg/billhook.js";

await start({ module_or_path: "/pkg/billhook.wasm" });
program.hydrate();
for (const island of document.querySelectorAll("leptos-island")) {
  program[island.dataset.component](island);
}
