// The layers of src/, for the house rules.

/** Imports go down this list only.  A file of src/ itself is a layer of its own. */
const LAYERS = [
  "machine",
  "locks",
  "mm",
  "ext4",
  "xip",
  "syscalls",
  "kernel.ts",
  "sched",
  "lab",
  "index.ts",
  "cli",
];
/** "locks" for src/locks/mutex.ts; undefined outside of src/. */
export const layerOf = (path: string): string | undefined => /^src\/([^/]+)/.exec(path)?.[1];

/** What is wrong with an import, if anything. */
export function importProblem(path: string, from: string): string | undefined {
  if (from.startsWith("src/") && path.startsWith("src/")) {
    const [mine, other] = [layerOf(path) as string, layerOf(from) as string];
    for (const layer of [mine, other]) if (!LAYERS.includes(layer)) return `${layer} is no layer`;
    return LAYERS.indexOf(other) <= LAYERS.indexOf(mine) ? undefined : `${mine} is below ${other}`;
  }
  if (path.startsWith("src/") && /^(test|workers)\//.test(from)) return "src stands on its own";
  if (path.startsWith("workers/") && from.startsWith("test/")) return "workers do not know tests";
  return undefined;
}
