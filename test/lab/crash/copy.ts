// A copy of the compiled program in which modules can be changed: for mistakes that are made below a design.
//
// Whoever loads a module from the copy gets the copy's whole program.  Threads load it anew each time they are started, so
// what was changed since counts; this thread keeps what it has loaded first.

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Change } from "../../support/mutate.ts";

const DIST = new URL("../../../", import.meta.url);

/** The compiled text of a module of src/, such as `ext4/journal/commit`. */
export function sourceText(module: string): string {
  return readFileSync(new URL(`src/${module}.js`, DIST), "utf8");
}

const isCode = (path: string): boolean => !/\.(map|d\.ts)$/.test(path);
/** Past the test runner, which would make modules of its own of them. */
const load = createRequire(import.meta.url);

export class Copy {
  readonly #folder: string;

  constructor() {
    const dist = fileURLToPath(DIST);
    this.#folder = mkdtempSync(join(tmpdir(), "unwritten-copy-"));
    for (const part of ["src", "workers", "test/support", "test/lab/crash"]) {
      cpSync(join(dist, part), join(this.#folder, "dist", part), { recursive: true, filter: isCode });
    }
    writeFileSync(join(this.#folder, "package.json"), `{ "type": "module" }`);
    symlinkSync(fileURLToPath(new URL("../node_modules", DIST)), join(this.#folder, "node_modules"));
  }

  /** A compiled module, such as `src/lab/crash`, with the types that the original has. */
  load<T>(module: string): T {
    return load(this.#path(module)) as T;
  }

  /** Makes a change in a module of src/ for as long as `use` runs. */
  async with<T>(module: string, change: Change, use: () => T | Promise<T>): Promise<T> {
    const text = sourceText(module);
    const changed = change(text);
    if (changed === text) throw new Error("the change changed nothing");
    writeFileSync(this.#path(`src/${module}`), changed);
    try {
      return await use();
    } finally {
      writeFileSync(this.#path(`src/${module}`), text);
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  #path(module: string): string {
    return join(this.#folder, "dist", `${module}.js`);
  }
}
