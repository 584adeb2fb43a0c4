// Orphans at mount: inodes that a crash left on the list of the superblock.  One without links loses its blocks and
// goes; one with links was being truncated, and ends where its size says.
//
// Linux drops the rest of a list with an inode that cannot be on it, and marks the file system as damaged.  Here
// that is what mount says, and the list stays for e2fsck.
//
// Lock order: handle, inode.dataSem; handle, sb.orphanMutex.   kernel: ext4_orphan_cleanup

import { errnoName } from "../../machine/errors.ts";
import { streamFill } from "../../machine/pmem.ts";
import { Writer } from "../../machine/pmem/log.ts";
import { inodeInUse } from "../alloc/inodes.ts";
import { damaged, takeFinding } from "../damage.ts";
import { State } from "../extents/extent.ts";
import { creditsFor } from "../extents/credits.ts";
import { beginInodeChange, isDirectory, isFile, markInodeDirty, rawInode, type Inode } from "../inode.ts";
import { igetOrphan, iput } from "../inodes/cache.ts";
import { firstOrphan, removeOrphan } from "../inodes/orphan.ts";
import { journalStart, journalStop } from "../journal/handle.ts";
import { lookUp } from "../map.ts";
import { BLOCK_SIZE, mediaAddress, superBlock, type SuperBlock } from "../super.ts";
import { truncateBlocks } from "../truncate.ts";

/** Empties the list, or says what is wrong with it.  Every turn takes its first inode off it. */
export function cleanUpOrphans(sb: SuperBlock): string | undefined {
  for (let number = firstOrphan(sb); number !== 0; number = firstOrphan(sb)) {
    const result = cleanUp(sb, number);
    if (result < 0) {
      const why = takeFinding(sb.mem, result) ?? `inode ${number} cannot be freed`;
      return `${why} (${errnoName(result)}): run e2fsck on the image first`;
    }
  }
  return undefined;
}

function cleanUp(sb: SuperBlock, number: number): number {
  const used = inodeInUse(sb, number);
  if (used < 1) return used === 0 ? damaged(sb.mem, "orphan", number) : used;
  const inode = igetOrphan(sb, number);
  if (typeof inode === "number") return inode;
  // Without links, giving the last reference back is what frees it.
  const result = rawInode(inode).i_links_count > 0 ? truncate(inode) : 0;
  const put = iput(inode);
  return result < 0 ? result : put;
}

/** Ends a truncation that a crash cut: what lies behind the size goes. */
function truncate(inode: Inode): number {
  if (!isFile(inode) && !isDirectory(inode)) return damaged(inode.mem, "orphan", inode.number);
  const result = zeroBehind(inode) || truncateBlocks(inode, inode.size);
  return result < 0 ? result : leaveList(inode);
}

/** Zeroes what the last block has behind the size; the commit's fence makes that durable before the truncation. */
function zeroBehind(inode: Inode): number {
  const used = inode.size % BLOCK_SIZE;
  if (used === 0) return 0;
  const block = Math.floor(inode.size / BLOCK_SIZE);
  const found = lookUp(inode, block);
  if (typeof found === "number") return found;
  if (found.state !== State.written) return 0;
  const { mem } = inode;
  const at = mediaAddress(superBlock(mem), found.media + block - found.start) + used;
  streamFill(mem, at, 0, BLOCK_SIZE - used, Writer.recovery);
  return 0;
}

function leaveList(inode: Inode): number {
  const sb = superBlock(inode.mem);
  const credits = creditsFor(sb);
  const handle = journalStart(sb, credits.orphan + credits.inode);
  if (typeof handle === "number") return handle;
  const result = removeOrphan(handle, inode) || beginInodeChange(handle, inode);
  if (result === 0) {
    rawInode(inode).i_dtime = 0;
    markInodeDirty(handle, inode);
  }
  const stopped = journalStop(handle);
  return result < 0 ? result : stopped;
}
