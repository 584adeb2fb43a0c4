// A machine with a mounted file system and nothing above it, for tests of the layers below the system calls.

import { createMemory, header } from "../../src/machine/layout.ts";
import { DEFAULT_MEDIA } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { mediaAt, STALE } from "../../src/machine/pmem.ts";
import { initSnapshot } from "../../src/machine/snapshot.ts";
import { initTrace } from "../../src/machine/trace.ts";
import { initLockdep } from "../../src/locks/lockdep.ts";
import { initInodes } from "../../src/ext4/inodes/cache.ts";
import { makeFileSystem } from "../../src/ext4/mkfs/mkfs.ts";
import { initSuperBlock, mount, type MountOptions } from "../../src/ext4/mount/mount.ts";
import { freeze } from "../../src/ext4/journal/commit.ts";
import { superBlock, type SuperBlock } from "../../src/ext4/super.ts";

export interface MachineOptions extends MountOptions {
  /** The media's bytes; otherwise our own mkfs makes `size` bytes. */
  readonly image?: Uint8Array;
  readonly size?: number;
}

/** A machine whose media holds the image or stale bytes; the file system's structs are there, nothing is mounted. */
export function bareMachine(options: MachineOptions = {}): Memory {
  const { image } = options;
  const mem = createMemory(image?.length ?? options.size ?? DEFAULT_MEDIA);
  initSnapshot(mem);
  initTrace(mem);
  initLockdep(mem);
  initSuperBlock(mem);
  initInodes(mem);
  header(mem).lockdep = 1;
  if (image === undefined) mem.fill(mediaAt(mem, 0), STALE, header(mem).media.length);
  else mem.write(mediaAt(mem, 0), image);
  return mem;
}

/** The same, with the image (or a new file system) mounted. */
export function mountedMachine(options: MachineOptions = {}): { mem: Memory; sb: SuperBlock } {
  const mem = bareMachine(options);
  const made = options.image === undefined ? makeFileSystem(mem) : undefined;
  if (made !== undefined) throw new Error(made.message);
  const sb = mount(mem, options);
  if ("message" in sb) throw new Error(sb.message);
  return { mem, sb };
}

/** The media's bytes as they are; commit first for what is in memory only. */
export function imageOf(mem: Memory): Uint8Array {
  return mem.read(mediaAt(mem, 0), header(mem).media.length);
}

/** The media's bytes as an unmount would leave them. */
export function cleanImage(mem: Memory): Uint8Array {
  const error = freeze(superBlock(mem));
  if (error < 0) throw new Error(`freeze returned ${error}`);
  return imageOf(mem);
}
