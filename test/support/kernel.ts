// A machine with everything up to the system calls, on the test's own thread and without a scheduler.

import { makeFileSystem } from "../../src/ext4/mkfs/mkfs.ts";
import { mount } from "../../src/ext4/mount/mount.ts";
import { createMemory, header } from "../../src/machine/layout.ts";
import { DEFAULT_MEDIA, HOST_TASK } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { mediaAt, STALE } from "../../src/machine/pmem.ts";
import { bootKernel as boot } from "../../src/syscalls/boot.ts";
import { Sys } from "../../src/syscalls/sys.ts";
import type { Design } from "../../src/xip/design.ts";
import { serveFaults } from "../../src/xip/fault.ts";

export interface Kernel {
  mem: Memory;
  /** The calls of a process; the host's own unless told otherwise. */
  sys(process?: number): Sys;
}

/** An image, or a new file system of that size, mounted, behind a design.  Locks are checked by lockdep. */
export function bootKernel(design: Design, media: number | Uint8Array = DEFAULT_MEDIA): Kernel {
  const mem = createMemory(typeof media === "number" ? media : media.length);
  boot(mem);
  header(mem).lockdep = 1;
  if (typeof media === "number") mem.fill(mediaAt(mem, 0), STALE, media);
  else mem.write(mediaAt(mem, 0), media);
  const made = typeof media === "number" ? makeFileSystem(mem) : undefined;
  if (made !== undefined) throw new Error(made.message);
  const mounted = mount(mem, design.options);
  if ("message" in mounted) throw new Error(mounted.message);
  serveFaults(mem, design);
  return { mem, sys: (process = HOST_TASK) => new Sys(mem, design, process) };
}

/** The code of the error that a call throws; "none" where it does not. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code;
  }
  return "none";
}
