// Inodes that were not there before: a free number, a place in memory, and the raw inode filled in.

import { header } from "../../machine/layout.ts";
import { allocateInode, freeInode } from "../alloc/inodes.ts";
import { beginInodeChange, type Inode, markInodeDirty, rawInode, treeRoot } from "../inode.ts";
import type { Handle } from "../journal/state.ts";
import { initNode, ROOT_ENTRIES } from "../media/extent.ts";
import { EXTRA_SIZE, InodeFlag, Mode, OLD_INODE_SIZE } from "../media/inode.ts";
import { superBlock, type SuperBlock } from "../super.ts";
import { classOf, takeNew } from "./cache.ts";
import { getInodeBlock } from "./table.ts";

/**
 * A new inode with one link and no name yet, referenced.  Inside a handle with `creditsFor(sb).newInode`.
 * -ENOSPC without a free inode, -ENFILE.
 *
 * kernel: ext4_new_inode
 */
export function newInode(handle: Handle, directory: Inode, mode: number): Inode | number {
  const sb = superBlock(directory.mem);
  const forDirectory = (mode & Mode.type) === Mode.directory;
  const number = allocateInode(handle, sb, directory.number, forDirectory);
  if (number < 0) return number;
  const buffer = getInodeBlock(sb, number);
  const inode = typeof buffer === "number" ? buffer : takeNew(sb, buffer, number);
  if (typeof inode === "number") {
    freeInode(handle, sb, number, forDirectory);
    return inode;
  }
  const filled = fillNew(handle, sb, inode, directory, mode);
  return filled < 0 ? filled : inode;
}

function fillNew(handle: Handle, sb: SuperBlock, inode: Inode, directory: Inode, wanted: number): number {
  const { mem } = inode;
  const opened = beginInodeChange(handle, inode);
  if (opened < 0) return opened;
  const raw = rawInode(inode);
  // What is made in a directory with a set-group-ID bit belongs to its group, and directories hand the bit on.
  const inherits = (directory.mode & Mode.setGroup) !== 0;
  const above = rawInode(directory);
  const group = inherits ? above.i_gid + above.i_gid_high * 65536 : 0;
  const mode = inherits && (wanted & Mode.type) === Mode.directory ? wanted | Mode.setGroup : wanted;
  // Whoever used the number before had another generation, and so other checksums.
  const generation = (raw.i_generation + 1) >>> 0;
  mem.fill(inode.rawAt, 0, sb.inodeSize);
  inode.mode = mode;
  // `take` went by what the number stood for before.
  inode.rwsem.class = classOf(inode);
  inode.generation = generation;
  inode.flags = InodeFlag.extents;
  inode.size = 0;
  inode.diskSize = 0;
  raw.i_mode = mode;
  raw.i_gid = group % 65536;
  raw.i_gid_high = Math.floor(group / 65536);
  raw.i_links_count = 1;
  raw.i_flags = inode.flags;
  raw.i_generation = generation;
  initNode(mem, treeRoot(inode), ROOT_ENTRIES, 0);
  const { seconds, nanoseconds } = header(mem);
  raw.i_atime = seconds;
  raw.i_ctime = seconds;
  raw.i_mtime = seconds;
  if (sb.inodeSize >= OLD_INODE_SIZE + EXTRA_SIZE) {
    raw.i_extra_isize = Math.max(sb.wantExtraSize, EXTRA_SIZE);
    raw.i_crtime = seconds;
    raw.i_atime_extra = nanoseconds << 2;
    raw.i_ctime_extra = nanoseconds << 2;
    raw.i_mtime_extra = nanoseconds << 2;
    raw.i_crtime_extra = nanoseconds << 2;
  }
  return markInodeDirty(handle, inode);
}
