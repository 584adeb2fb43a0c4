// rename: a name moves, replaces another, or two names change places.
//
// Everything happens in one handle, so that whoever looks a name up, and whoever mounts after a crash, finds
// the old state or the new one.
//
// Lock order: both directories (tree.ts), the directories that move or are replaced, the files, handle, dataSem.
//
// kernel: do_renameat2, vfs_rename, ext4_rename, ext4_cross_rename

import { Errno } from "../../machine/errors.ts";
import { MAX_NAME } from "../../machine/limits.ts";
import { LockClass } from "../../locks/classes.ts";
import { downWrite, downWriteNested, upWrite } from "../../locks/rwsem.ts";
import { damaged } from "../damage.ts";
import { forgetNames } from "../directory/dcache.ts";
import { addName, changeName, emptyOrNot, lookupName, PARENT, removeName } from "../directory/entries.ts";
import { creditsFor } from "../extents/credits.ts";
import { type Inode, isDirectory, rawInode, setTimes } from "../inode.ts";
import { iget, iput } from "../inodes/cache.ts";
import { addLink, dropAllLinks, dropLink, hasLinkToSpare } from "../inodes/links.ts";
import { journalStart, journalStop } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { fileTypeOf } from "../media/directory.ts";
import { InodeFlag } from "../media/inode.ts";
import { superBlock } from "../super.ts";
import { isPlain, type Parent } from "./path.ts";
import { mayRemove } from "./remove.ts";
import { type Between, lockDirectories, unlockDirectories } from "./tree.ts";

/** Flags, as renameat2 has them. */
const Rename = { noReplace: 1, exchange: 2, whiteout: 4 } as const;

/** Whether renameat2 has such flags: asked before any name is looked up. */
export function areRenameFlags(flags: number): boolean {
  const known =
    flags >>> 0 === flags && (flags & ~(Rename.noReplace | Rename.exchange | Rename.whiteout)) === 0;
  return known && ((flags & Rename.exchange) === 0 || flags === Rename.exchange);
}

/** What a rename is about, all of it referenced, the directories locked. */
interface Move {
  readonly from: Parent;
  readonly to: Parent;
  readonly source: Inode;
  /** What has the new name now. */
  readonly target: Inode | undefined;
  readonly exchanges: boolean;
}

/**
 * Renames what is called `from` to `to`; the parents stay the caller's.  Returns 0 or an error number; -EINVAL, when
 * all else is right, for a whiteout: there are no devices here.
 */
export function rename(from: Parent, to: Parent, flags: number): number {
  const exchanges = (flags & Rename.exchange) !== 0;
  const replaces = (flags & Rename.noReplace) === 0;
  if (!isPlain(from)) return -Errno.EBUSY;
  if (!isPlain(to)) return replaces ? -Errno.EBUSY : -Errno.EEXIST;
  const between = lockDirectories(from.directory, to.directory);
  if (typeof between === "number") return between;
  const source = find(from);
  const target = typeof source === "number" ? source : find(to);
  let result = typeof source === "number" ? source : 0;
  if (typeof source !== "number") {
    if (typeof target !== "number" && !replaces) result = -Errno.EEXIST;
    else if (typeof target === "number" && (exchanges || target !== -Errno.ENOENT)) result = target;
    else {
      const move = { from, to, source, target: typeof target === "number" ? undefined : target, exchanges };
      const whiteout = (flags & Rename.whiteout) !== 0;
      result = mayMove(move, between) || (whiteout ? -Errno.EINVAL : moveLocked(move));
    }
  }
  unlockDirectories(from.directory, to.directory);
  // The last reference to what was replaced may free it: outside of all locks.
  const putTarget = typeof target === "number" ? 0 : iput(target);
  const putSource = typeof source === "number" ? 0 : iput(source);
  return result || putTarget || putSource;
}

/** A reference to what has a name in a locked directory. */
function find({ directory, name }: Parent): Inode | number {
  if (name.length > MAX_NAME) return -Errno.ENAMETOOLONG;
  const number = lookupName(directory, name);
  return number < 0 ? number : iget(superBlock(directory.mem), number);
}

function mayMove({ from, to, source, target, exchanges }: Move, between: Between): number {
  // A slash behind a name says that it is, or becomes, a directory's.
  if (exchanges && target !== undefined && !isDirectory(target) && to.slash) return -Errno.ENOTDIR;
  if (!isDirectory(source) && (from.slash || (!exchanges && to.slash))) return -Errno.ENOTDIR;
  if (source.number === between.source) return -Errno.EINVAL;
  if (target?.number === between.target) return exchanges ? -Errno.EINVAL : -Errno.ENOTEMPTY;
  for (const inode of [source, target]) {
    // A name that leads up, though the way up is another.
    const leadsUp = inode === from.directory || inode === to.directory;
    if (inode !== undefined && leadsUp) return damaged(inode.mem, "ownParent", inode.number);
  }
  if (source === target) return 0;
  const refused = mayRemove(from.directory, source, isDirectory(source));
  if (refused < 0) return refused;
  if (target === undefined) {
    if (rawInode(to.directory).i_links_count === 0) return -Errno.ENOENT;
    return (to.directory.flags & InodeFlag.immutable) === 0 ? 0 : -Errno.EPERM;
  }
  return mayRemove(to.directory, target, isDirectory(exchanges ? target : source));
}

function moveLocked(move: Move): number {
  // Two names of one file: nothing happens.
  if (move.source === move.target) return 0;
  lockMoved(move);
  const result = checkLinks(move) || moveIn(move);
  unlockMoved(move);
  return result;
}

/** Whether an inode's ".." changes, or its last name goes: then it is locked before all files. */
const crosses = ({ from, to }: Move): boolean => from.directory !== to.directory;
const isReplaced = (move: Move, inode: Inode): boolean => inode === move.target && !move.exchanges;
const isLocked = (move: Move, inode: Inode): boolean =>
  !isDirectory(inode) || isReplaced(move, inode) || crosses(move);

/** What moves or is replaced, directories first, else in the order of their places. */
function movedInOrder({ source, target }: Move): Inode[] {
  if (target === undefined) return [source];
  if (isDirectory(source) !== isDirectory(target)) {
    return isDirectory(source) ? [source, target] : [target, source];
  }
  return source.at < target.at ? [source, target] : [target, source];
}

function lockMoved(move: Move): void {
  for (const inode of movedInOrder(move)) {
    if (!isLocked(move, inode)) continue;
    if (isDirectory(inode)) downWriteNested(inode.rwsem, LockClass["directory.rwsem of a child"]);
    else downWrite(inode.rwsem);
  }
}

function unlockMoved(move: Move): void {
  for (const inode of movedInOrder(move)) if (isLocked(move, inode)) upWrite(inode.rwsem);
}

function checkLinks(move: Move): number {
  const { from, to, source, target, exchanges } = move;
  if (!exchanges && target !== undefined && isDirectory(target)) return emptyOrNot(target);
  if (!crosses(move)) return 0;
  const [moves, comes] = [isDirectory(source), target !== undefined && isDirectory(target)];
  if (moves && !comes && !hasLinkToSpare(to.directory)) return -Errno.EMLINK;
  return exchanges && comes && !moves && !hasLinkToSpare(from.directory) ? -Errno.EMLINK : 0;
}

function moveIn(move: Move): number {
  const sb = superBlock(move.source.mem);
  const credits = creditsFor(sb);
  const handle = journalStart(sb, credits.addName + credits.orphan + 4 * credits.inode + 4);
  if (typeof handle === "number") return handle;
  const { from, to, source, target } = move;
  const result =
    (move.exchanges ? exchangeNames(handle, move) : moveName(handle, move)) ||
    setTimes(handle, source, false) ||
    (target === undefined ? 0 : setTimes(handle, target, false)) ||
    setTimes(handle, from.directory, true) ||
    setTimes(handle, to.directory, true);
  if (isDirectory(source) || (target !== undefined && isDirectory(target))) forgetNames(sb.mem);
  const stopped = journalStop(handle);
  return result || stopped;
}

function moveName(handle: Handle, move: Move): number {
  const { from, to, source, target } = move;
  const type = fileTypeOf(source.mode);
  // The new name first: only that can fail for want of space, with nothing changed.
  return (
    (target === undefined
      ? addName(handle, to.directory, to.name, source.number, type)
      : changeName(handle, to.directory, to.name, source.number, type)) ||
    removeName(handle, from.directory, from.name) ||
    (isDirectory(source) ? changeParent(handle, move, source, from.directory, to.directory) : 0) ||
    (target === undefined ? 0 : loseName(handle, to.directory, target))
  );
}

/** Takes the name away from what was replaced. */
function loseName(handle: Handle, directory: Inode, inode: Inode): number {
  if (!isDirectory(inode)) return dropLink(handle, inode);
  return dropAllLinks(handle, inode) || dropLink(handle, directory);
}

function exchangeNames(handle: Handle, move: Move): number {
  const { from, to, source } = move;
  const target = move.target as Inode;
  return (
    changeName(handle, to.directory, to.name, source.number, fileTypeOf(source.mode)) ||
    changeName(handle, from.directory, from.name, target.number, fileTypeOf(target.mode)) ||
    (isDirectory(source) ? changeParent(handle, move, source, from.directory, to.directory) : 0) ||
    (isDirectory(target) ? changeParent(handle, move, target, to.directory, from.directory) : 0)
  );
}

/** Makes a directory's ".." follow its name. */
function changeParent(handle: Handle, move: Move, moved: Inode, before: Inode, after: Inode): number {
  if (!crosses(move)) return 0;
  return (
    changeName(handle, moved, PARENT, after.number, fileTypeOf(after.mode)) ||
    dropLink(handle, before) ||
    addLink(handle, after)
  );
}
