// What the threads of stress.test.ts do: calls on a few names in two directories, of which one moves into the other
// and out again.

import type { Memory } from "../../../src/machine/memory.ts";
import { Sys } from "../../../src/syscalls/sys.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { codeOf } from "../../support/kernel.ts";

const design = designs.get("ext4-xip-serialized") as Design;
/** What may come of a call that another task was faster than. */
const EXPECTED = "none ENOENT EEXIST ENOTEMPTY EISDIR ENOTDIR EINVAL EPERM".split(" ");

/** Returns how often each answer came. */
export function mover(mem: Memory, _at: number, rounds: number, task: number): Record<string, number> {
  const sys = new Sys(mem, design, task);
  const seen: Record<string, number> = {};
  let state = task + 1;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % limit;
  };
  const directory = (): string => ["/p", "/q", "/p/d", "/q/d"][below(4)] as string;
  const path = (): string => `${directory()}/${"abd"[below(3)]}`;
  const calls = [
    () => sys.close(sys.open(path(), "w")),
    () => sys.mkdir(path()),
    () => sys.rename(path(), path()),
    () => sys.rename(path(), path(), 2),
    () => sys.rename(`/p/d`, `/q/d`),
    () => sys.rename(`/q/d`, `/p/d`),
    () => sys.link(path(), path()),
    () => sys.unlink(path()),
    () => sys.rmdir(path()),
    () => sys.readdir(directory()),
  ];
  for (let round = 0; round < rounds; round++) {
    const code = codeOf(calls[below(calls.length)] as () => unknown);
    if (!EXPECTED.includes(code)) throw new Error(`a call answered ${code}`);
    seen[code] = (seen[code] ?? 0) + 1;
  }
  return seen;
}
