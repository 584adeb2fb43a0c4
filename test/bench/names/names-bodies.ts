// What the threads of the figures on names do: files made in a directory of the task's own, and taken away.

import type { Memory } from "../../../src/machine/memory.ts";
import { Sys } from "../../../src/syscalls/sys.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { median } from "../figures.ts";

const design = designs.get("ext4-xip-serialized") as Design;

/** Files made a second, the median of the rounds. */
export function make(mem: Memory, files: number, rounds: number, task: number): number {
  const sys = new Sys(mem, design, task);
  const bytes = new Uint8Array(4096).fill(task + 1);
  const paths = Array.from({ length: files }, (_, index) => `/${task}/file-${index}`);
  const put = (path: string): void => {
    const fd = sys.open(path, "w");
    sys.pwrite(fd, bytes, 0);
    sys.close(fd);
  };
  return madeASecond(paths, rounds, put, (path) => sys.unlink(path));
}

/** The same for files that `put` makes and `remove` takes away. */
export function madeASecond(
  paths: readonly string[],
  rounds: number,
  put: (path: string) => void,
  remove: (path: string) => void,
): number {
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    for (const path of paths) put(path);
    rates.push((paths.length / (performance.now() - begin)) * 1000);
    for (const path of paths) remove(path);
  }
  return median(rates);
}
