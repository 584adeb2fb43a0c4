// Names that go: unlink and rmdir.
//
// Lock order: directory.rwsem, inode.rwsem of what loses its name, handle, dataSem.

import { Errno } from "../../machine/errors.ts";
import { MAX_NAME } from "../../machine/limits.ts";
import { LockClass } from "../../locks/classes.ts";
import { downWrite, downWriteNested, upWrite } from "../../locks/rwsem.ts";
import { forgetNames } from "../directory/dcache.ts";
import { emptyOrNot, lookupName, removeName } from "../directory/entries.ts";
import { creditsFor } from "../extents/credits.ts";
import { type Inode, isDirectory, setTimes } from "../inode.ts";
import { iget, iput } from "../inodes/cache.ts";
import { dropAllLinks, dropLink } from "../inodes/links.ts";
import { journalStart, journalStop } from "../journal/handle.ts";
import { InodeFlag } from "../media/inode.ts";
import { superBlock } from "../super.ts";

/**
 * Takes a name from a file; without names it goes with its last reference.  -ENOENT, -EISDIR, -ENOTDIR.
 *
 * kernel: ext4_unlink
 */
export function unlink(directory: Inode, name: Uint8Array): number {
  return remove(directory, name, false);
}

/** Takes away an empty directory.  -ENOENT, -ENOTDIR, -ENOTEMPTY.  kernel: ext4_rmdir */
export function removeDirectory(directory: Inode, name: Uint8Array): number {
  return remove(directory, name, true);
}

function remove(directory: Inode, name: Uint8Array, wantsDirectory: boolean): number {
  if (!isDirectory(directory)) return -Errno.ENOTDIR;
  if (name.length > MAX_NAME) return -Errno.ENAMETOOLONG;
  downWrite(directory.rwsem);
  const number = lookupName(directory, name);
  const inode = number < 0 ? number : iget(superBlock(directory.mem), number);
  const result = typeof inode === "number" ? inode : removeLocked(directory, name, inode, wantsDirectory);
  upWrite(directory.rwsem);
  const put = typeof inode === "number" ? 0 : iput(inode);
  return result || put;
}

/** Whether a directory may lose a name of an inode.  kernel: may_delete */
export function mayRemove(directory: Inode, inode: Inode, wantsDirectory: boolean): number {
  const fixed = InodeFlag.append | InodeFlag.immutable;
  if (((directory.flags | inode.flags) & fixed) !== 0) return -Errno.EPERM;
  if (wantsDirectory) return isDirectory(inode) ? 0 : -Errno.ENOTDIR;
  return isDirectory(inode) ? -Errno.EISDIR : 0;
}

function removeLocked(directory: Inode, name: Uint8Array, inode: Inode, wantsDirectory: boolean): number {
  const refused = mayRemove(directory, inode, wantsDirectory);
  if (refused < 0) return refused;
  if (wantsDirectory) downWriteNested(inode.rwsem, LockClass["directory.rwsem of a child"]);
  else downWrite(inode.rwsem);
  const result = (wantsDirectory ? emptyOrNot(inode) : 0) || takeAway(directory, name, inode);
  upWrite(inode.rwsem);
  return result;
}

function takeAway(directory: Inode, name: Uint8Array, inode: Inode): number {
  const sb = superBlock(directory.mem);
  const credits = creditsFor(sb);
  const handle = journalStart(sb, credits.orphan + 2 * credits.inode + 1);
  if (typeof handle === "number") return handle;
  const result =
    removeName(handle, directory, name) ||
    setTimes(handle, directory, true) ||
    setTimes(handle, inode, false) ||
    (isDirectory(inode)
      ? dropAllLinks(handle, inode) || dropLink(handle, directory)
      : dropLink(handle, inode));
  if (isDirectory(inode)) forgetNames(sb.mem);
  const stopped = journalStop(handle);
  return result || stopped;
}
