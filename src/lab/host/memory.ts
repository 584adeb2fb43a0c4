// A booted machine: its memory laid out, every layer of the kernel made, a file system mounted.

import { bootKernel } from "../../syscalls/boot.ts";
import { createMemory, header, machineLength } from "../../machine/layout.ts";
import { PAGE_SIZE, type Memory } from "../../machine/memory.ts";
import { mediaAt, STALE } from "../../machine/pmem.ts";
import { makeFileSystem } from "../../ext4/mkfs/mkfs.ts";
import { mount } from "../../ext4/mount/mount.ts";
import { initSched } from "../../sched/state.ts";
import type { MachineOptions } from "../options.ts";
import { UsageError } from "../usage.ts";
import { mediaLength, refuseBeyondMemory } from "./image.ts";

export interface MachineSpec {
  /** An image, byte for byte; without one, a new file system is made. */
  readonly image?: Uint8Array | undefined;
  /** Of the persistent memory, in bytes, when there is no image. */
  readonly size: number;
  readonly options: MachineOptions;
}

/**
 * Boots, in the memory of a machine of that size that nobody uses any more, if there is one.  Throws `UsageError` for an
 * image that cannot be mounted or a size this computer has no memory for.
 */
export function bootMemory({ image, size, options }: MachineSpec, used?: Memory): Memory {
  const length = mediaLength(image?.length ?? size);
  if (used === undefined) refuseBeyondMemory(machineLength(length));
  const mem = createMemory(length, used);
  const view = header(mem);
  view.piece = options.piece ?? PAGE_SIZE;
  view.lockdep = options.lockdep ?? 1;
  bootKernel(mem);
  initSched(mem);
  if (image === undefined) {
    mem.fill(mediaAt(mem, 0), STALE, length);
    makeFileSystem(mem);
  } else mem.write(mediaAt(mem, 0), image);
  const mounted = mount(mem, options);
  if ("message" in mounted) throw new UsageError(mounted.message);
  return mem;
}
