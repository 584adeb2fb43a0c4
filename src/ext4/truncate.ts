// Taking away what lies behind a size.

import { downWrite, upWrite } from "../locks/rwsem.ts";
import { discardPreallocations } from "./alloc/preallocation.ts";
import { creditsFor } from "./extents/credits.ts";
import { removeExtents } from "./extents/remove.ts";
import { setDiskSize, type Inode } from "./inode.ts";
import { journalStart, journalStop } from "./journal/handle.ts";
import { MAX_FILE_BLOCKS } from "./media/extent.ts";
import { BLOCK_SIZE, superBlock } from "./super.ts";

/**
 * Makes a size in bytes the file's on the media, and frees the blocks that lie wholly behind it, in one transaction.
 * i_size, mappings and the tail of the last block are the caller's affair, before.  Takes a handle, then dataSem alone.
 * Returns 0; -EUCLEAN in a damaged tree.
 *
 * kernel: ext4_truncate
 */
export function truncateBlocks(inode: Inode, size: number): number {
  const sb = superBlock(inode.mem);
  const handle = journalStart(sb, creditsFor(sb).remove);
  if (typeof handle === "number") return handle;
  downWrite(inode.dataSem);
  discardPreallocations(inode);
  const removed =
    setDiskSize(handle, inode, size) ||
    removeExtents(handle, inode, Math.ceil(size / BLOCK_SIZE), MAX_FILE_BLOCKS);
  upWrite(inode.dataSem);
  const stopped = journalStop(handle);
  return removed < 0 ? removed : stopped;
}
