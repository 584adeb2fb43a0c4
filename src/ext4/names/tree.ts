// Two directories locked at once, as moving a name between them needs.
//
// A task that holds one directory and waits for another must not meet a task that does it the other way round.
// So the mutex of renames lets one task at a time hold two, and it takes the one above before the one below,
// as those tasks do that lock a directory and then one in it.  Which lies above which nobody changes
// meanwhile.
//
// Lock order: sb.renameMutex, directory.rwsem of the first, of the second.   kernel: lock_rename

import { Errno } from "../../machine/errors.ts";
import { LockClass } from "../../locks/classes.ts";
import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import { downRead, downWrite, downWriteNested, upRead, upWrite } from "../../locks/rwsem.ts";
import { damaged } from "../damage.ts";
import { lookupName, PARENT } from "../directory/entries.ts";
import { type Inode, rawInode } from "../inode.ts";
import { iget, ihold, iput } from "../inodes/cache.ts";
import { ROOT_INODE } from "../media/inode.ts";
import { superBlock } from "../super.ts";

/** Which inodes must not be moved or replaced, since the directories lie below them; 0: none. */
export interface Between {
  /** In the source's directory, on the way to the target's. */
  readonly source: number;
  /** In the target's directory, on the way to the source's. */
  readonly target: number;
}

const NOTHING: Between = { source: 0, target: 0 };

/** Locks the directories of a rename, which may be the same.  On an error nothing is locked. */
export function lockDirectories(source: Inode, target: Inode): Between | number {
  if (source === target) {
    downWrite(source.rwsem);
    return NOTHING;
  }
  const sb = superBlock(source.mem);
  mutexLock(sb.renameMutex);
  const below = childTowards(source, target);
  const above = below === 0 ? childTowards(target, source) : 0;
  if (below < 0 || above < 0) {
    mutexUnlock(sb.renameMutex);
    return below < 0 ? below : above;
  }
  // Neither above the other: any order that is always the same.
  const sourceFirst = below !== 0 || (above === 0 && source.at < target.at);
  const [first, second] = sourceFirst ? [source, target] : [target, source];
  downWrite(first.rwsem);
  downWriteNested(second.rwsem, LockClass["directory.rwsem of the second"]);
  return { source: below, target: above };
}

export function unlockDirectories(source: Inode, target: Inode): void {
  upWrite(target.rwsem);
  if (source === target) return;
  upWrite(source.rwsem);
  mutexUnlock(superBlock(source.mem).renameMutex);
}

/**
 * The number of the directory in `top` through which the way leads down to `bottom`; 0 when it leads elsewhere.
 * The mutex of renames is held.  -ENOENT when a directory on the way has been removed.  kernel: d_ancestor
 */
function childTowards(top: Inode, bottom: Inode): number {
  const sb = superBlock(top.mem);
  ihold(bottom);
  let here = bottom;
  // A damaged tree could lead round in circles.
  for (let left = sb.inodeCount; left > 0; left--) {
    const { number } = here;
    if (number === ROOT_INODE) {
      iput(here);
      return 0;
    }
    const parent = parentOf(here);
    iput(here);
    if (typeof parent === "number") return parent;
    if (parent === top) {
      iput(parent);
      return number;
    }
    here = parent;
  }
  const { number } = here;
  iput(here);
  return damaged(sb.mem, "directory", number);
}

/** A reference to the directory that a directory lies in. */
function parentOf(directory: Inode): Inode | number {
  downRead(directory.rwsem);
  const removed = rawInode(directory).i_links_count === 0;
  const number = removed ? -Errno.ENOENT : lookupName(directory, PARENT);
  const parent = number < 0 ? number : iget(superBlock(directory.mem), number);
  upRead(directory.rwsem);
  return parent;
}
