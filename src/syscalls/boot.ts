// The order in which a kernel comes up on a new machine: every layer makes its structs in the slab, once
// for the memory, before anything is mounted.

import { initInodes } from "../ext4/inodes/cache.ts";
import { initSuperBlock } from "../ext4/mount/mount.ts";
import { initLockdep } from "../locks/lockdep.ts";
import type { Memory } from "../machine/memory.ts";
import { initSnapshot } from "../machine/snapshot.ts";
import { initTrace } from "../machine/trace.ts";
import { initMm } from "../mm/space.ts";
import { initSyscalls } from "./sys.ts";

/** Makes the kernel's structs in a memory that `createMemory` laid out.  Mounting comes next. */
export function bootKernel(mem: Memory): void {
  initSnapshot(mem);
  initTrace(mem);
  initLockdep(mem);
  initMm(mem);
  initSuperBlock(mem);
  initInodes(mem);
  initSyscalls(mem);
}
