// How many names an inode has, as the media counts them.  A file: its names.  A directory: its name, its "."
// and the ".." of each directory in it.  An indexed directory with more than MAX_LINKS of those stops
// counting and says 1 (dir_nlink).
//
// All of it inside a handle.  A file's count is protected by its rwsem, held for writing; a directory's too.

import { damaged } from "../damage.ts";
import { beginInodeChange, isDirectory, type Inode, markInodeDirty, rawInode } from "../inode.ts";
import { forgetDirectory } from "./cache.ts";
import type { Handle } from "../journal/state.ts";
import { ReadOnlyCompat } from "../media/features.ts";
import { InodeFlag, MAX_LINKS } from "../media/inode.ts";
import { superBlock } from "../super.ts";
import { addOrphan } from "./orphan.ts";

/** Links of a directory that does not count them. */
const UNCOUNTED = 1;
/** A directory without others in it. */
const EMPTY = 2;

const isIndexed = (inode: Inode): boolean => (inode.flags & InodeFlag.index) !== 0;

/** Whether a directory can have one more in it.  kernel: EXT4_DIR_LINK_MAX */
export function hasLinkToSpare(directory: Inode): boolean {
  const uncounted = (superBlock(directory.mem).featureReadOnly & ReadOnlyCompat.dir_nlink) !== 0;
  return rawInode(directory).i_links_count < MAX_LINKS || (uncounted && isIndexed(directory));
}

/** One link more.  kernel: ext4_inc_count */
export function addLink(handle: Handle, inode: Inode): number {
  const count = rawInode(inode).i_links_count + 1;
  const uncounted = isDirectory(inode) && isIndexed(inode) && (count > MAX_LINKS || count === EMPTY);
  return setLinks(handle, inode, uncounted ? UNCOUNTED : count);
}

/**
 * One link less; a file without any goes on the orphan list until its last reference goes.  A directory that does
 * not count keeps saying so.  kernel: ext4_dec_count
 */
export function dropLink(handle: Handle, inode: Inode): number {
  const { i_links_count: count } = rawInode(inode);
  if (count === 0) return damaged(inode.mem, "inodeLinks", inode.number);
  if (isDirectory(inode) && count <= EMPTY) return 0;
  return setLinks(handle, inode, count - 1);
}

/** The inode has lost all its names at once: "." and ".." go with a directory's. */
export function dropAllLinks(handle: Handle, inode: Inode): number {
  const dropped = setLinks(handle, inode, 0);
  if (isDirectory(inode)) forgetDirectory(inode);
  return dropped;
}

/** Says that a new directory has a name and ".". */
export function startLinks(handle: Handle, directory: Inode): number {
  return setLinks(handle, directory, EMPTY);
}

function setLinks(handle: Handle, inode: Inode, count: number): number {
  const opened = beginInodeChange(handle, inode);
  if (opened < 0) return opened;
  rawInode(inode).i_links_count = count;
  return count === 0 ? addOrphan(handle, inode) : markInodeDirty(handle, inode);
}
