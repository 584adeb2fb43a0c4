// What the threads of the figures on fsync do: a block of the task's own file overwritten, and made durable.

import { header } from "../../../src/machine/layout.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { Sys } from "../../../src/syscalls/sys.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { rate } from "../figures.ts";

const design = designs.get("ext4-xip-serialized") as Design;
const BLOCK = 4096;
const BLOCKS = 256;
/** Nanoseconds, so that each write finds another time than the last and has to change the inode. */
const TICK = 1000;

/** Writes with an fsync behind each, a second; the median of the rounds. */
export function writeAndSync(mem: Memory, each: number, rounds: number, task: number): number {
  const sys = new Sys(mem, design, task);
  const fd = sys.open(`/file${task}`, "r+");
  const bytes = new Uint8Array(BLOCK).fill(task + 1);
  const clock = header(mem);
  const found = rate(
    (index) => {
      clock.nanoseconds = (clock.nanoseconds + TICK) % 1e9;
      sys.pwrite(fd, bytes, (index % BLOCKS) * BLOCK);
      sys.fsync(fd);
    },
    each,
    rounds,
  );
  sys.close(fd);
  return found;
}
