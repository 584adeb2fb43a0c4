// A freed block is another file's before the transaction that freed it is durable.  The disk is full but for a few
// blocks, so that every allocator has to use it again.

import { MIB } from "../../../machine/limits.ts";
import type { Sys } from "../../../syscalls/sys.ts";
import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

/** Free blocks that are left; of the file that is truncated, more than an allocator may keep for itself: one in fifty. */
const FEW = 6;
const OLD = 48;

/** Takes what the disk has left; how much that is, is the allocator's affair: it may keep some for itself. */
function takeAll(sys: Sys, fd: number): void {
  const length = sys.statfs("/").bfree * BLOCK;
  try {
    if (!fallocated(sys, fd, 0, 0, length)) sys.pwrite(fd, filled(length, 0x33), 0);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOSPC") throw error;
  }
}

export default scenario(import.meta, {
  claim:
    "A file whose truncation was lost with the power does not show what another file put into its block.",
  size: 8 * MIB,
  setup(sys) {
    written(sys, "/old", filled(OLD * BLOCK, 0x11));
    written(sys, "/new", new Uint8Array(0));
    const rest = sys.open("/rest", "w+");
    takeAll(sys, rest);
    sys.ftruncate(rest, sys.fstat(rest).blocks * 512 - FEW * BLOCK);
    sys.close(rest);
  },
  tasks: {
    truncater(sys) {
      sys.truncate("/old", 0);
      const fd = sys.open("/new", "r+");
      sys.pwrite(fd, filled((FEW + OLD - 4) * BLOCK, 0x22), 0);
      sys.fsync(fd);
    },
  },
});
