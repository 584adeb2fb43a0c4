// Attributes that programs set: permissions, owners and times.  And what the file system says of itself.

import { Errno } from "../machine/errors.ts";
import { header } from "../machine/layout.ts";
import { downWrite, upWrite } from "../locks/rwsem.ts";
import { freeBlockCount, freeInodeCount } from "./alloc/open-group.ts";
import { creditsFor } from "./extents/credits.ts";
import { baseBlocks, tableBlocks } from "./group.ts";
import { hasExtraTimes, type Inode, markInodeDirty, beginInodeChange, rawInode, setTimes } from "./inode.ts";
import { iget, iput } from "./inodes/cache.ts";
import { journalStart, journalStop } from "./journal/handle.ts";
import type { Handle } from "./journal/state.ts";
import { InodeFlag, Mode, ROOT_INODE } from "./media/inode.ts";
import { SUPERBLOCK_MAGIC } from "./media/superblock.ts";
import { rawSuperBlock } from "./raw-superblock.ts";
import { BLOCK_SIZE, type SuperBlock, superBlock } from "./super.ts";

/** A moment since the epoch; seconds may be negative. */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What a time becomes: a moment, the machine's clock, or what it was. */
export type NewTime = Time | "now" | "omit";

/** The first and last second that an inode can keep, and the last without the extra words. */
const FIRST_SECOND = -(2 ** 31);
const LAST_SECOND = 2 ** 34 - 2 ** 31 - 1;
const LAST_SHORT_SECOND = 2 ** 31 - 1;

const FIXED = InodeFlag.append | InodeFlag.immutable;

/** Changes an inode in a handle of its own.  Takes the rwsem. */
function changeAttributes(inode: Inode, change: (handle: Handle) => number): number {
  const sb = superBlock(inode.mem);
  downWrite(inode.rwsem);
  const handle = journalStart(sb, creditsFor(sb).inode);
  let result = typeof handle === "number" ? handle : 0;
  if (typeof handle !== "number") {
    result = change(handle);
    const stopped = journalStop(handle);
    result ||= stopped;
  }
  upWrite(inode.rwsem);
  return result;
}

/** Sets the permission bits.  -EPERM.  kernel: notify_change, ext4_setattr */
export function setPermissions(inode: Inode, permissions: number): number {
  if ((inode.flags & FIXED) !== 0) return -Errno.EPERM;
  return changeAttributes(inode, (handle) => putPermissions(handle, inode, permissions));
}

/** Inside a handle, with the rwsem. */
function putPermissions(handle: Handle, inode: Inode, permissions: number): number {
  const error = beginInodeChange(handle, inode);
  if (error < 0) return error;
  inode.mode = (inode.mode & Mode.type) | (permissions & Mode.permissions);
  rawInode(inode).i_mode = inode.mode;
  return setTimes(handle, inode, false);
}

/** What leaves an owner as it is. */
export const SAME_OWNER = 0xffff_ffff;

/**
 * Sets user and group.  What is no directory loses the set-user-ID bit, and the set-group-ID bit where its group
 * may execute it: for root, too.  -EPERM.  kernel: chown_common
 */
export function setOwner(inode: Inode, user: number, group: number): number {
  const keeps = user === SAME_OWNER && group === SAME_OWNER;
  if ((inode.flags & (keeps ? InodeFlag.immutable : FIXED)) !== 0) return -Errno.EPERM;
  return changeAttributes(inode, (handle) => {
    const error = putPermissions(handle, inode, withoutPrivileges(inode.mode));
    if (error < 0) return error;
    const raw = rawInode(inode);
    if (user !== SAME_OWNER) [raw.i_uid, raw.i_uid_high] = [user & 0xffff, user >>> 16];
    if (group !== SAME_OWNER) [raw.i_gid, raw.i_gid_high] = [group & 0xffff, group >>> 16];
    return 0;
  });
}

/** kernel: setattr_should_drop_suidgid */
function withoutPrivileges(mode: number): number {
  if ((mode & Mode.type) === Mode.directory) return mode;
  const drops = Mode.setUser | ((mode & Mode.groupExecutes) === 0 ? 0 : Mode.setGroup);
  return mode & ~drops;
}

/** Sets when the data was used and changed last.  -EPERM.  kernel: vfs_utimes */
export function setAccessTimes(inode: Inode, accessed: NewTime, modified: NewTime): number {
  const touches = accessed === "now" && modified === "now";
  if ((inode.flags & (touches ? InodeFlag.immutable : FIXED)) !== 0) return -Errno.EPERM;
  return changeAttributes(inode, (handle) => putTimes(handle, inode, accessed, modified));
}

function putTimes(handle: Handle, inode: Inode, accessed: NewTime, modified: NewTime): number {
  const changed = setTimes(handle, inode, false);
  if (changed < 0) return changed;
  const raw = rawInode(inode);
  const wide = hasExtraTimes(inode);
  const { seconds, nanoseconds } = header(inode.mem);
  const now = { seconds, nanoseconds };
  if (accessed !== "omit") {
    const time = keepable(accessed === "now" ? now : accessed, wide);
    raw.i_atime = time.seconds;
    if (wide) raw.i_atime_extra = extraOf(time);
  }
  if (modified !== "omit") {
    const time = keepable(modified === "now" ? now : modified, wide);
    raw.i_mtime = time.seconds;
    if (wide) raw.i_mtime_extra = extraOf(time);
  }
  return markInodeDirty(handle, inode);
}

/** The nearest time that fits the inode.  kernel: timestamp_truncate */
function keepable(time: Time, wide: boolean): Time {
  const last = wide ? LAST_SECOND : LAST_SHORT_SECOND;
  const seconds = Math.min(last, Math.max(FIRST_SECOND, time.seconds));
  const isEdge = seconds === last || seconds === FIRST_SECOND;
  return { seconds, nanoseconds: isEdge ? 0 : time.nanoseconds };
}

/** Nanoseconds, and in the two lowest bits how often 2^32 is to be added.  kernel: ext4_encode_extra_time */
function extraOf({ seconds, nanoseconds }: Time): number {
  const epoch = (seconds - (seconds | 0)) / 2 ** 32;
  return ((nanoseconds << 2) | (epoch & 3)) >>> 0;
}

/** What the file system says of itself; blocks are `bsize` bytes. */
export interface FileSystemStat {
  /** The magic number of ext4. */
  type: number;
  bsize: number;
  /** Blocks that files can have, in use or not. */
  blocks: number;
  bfree: number;
  /** Of those, the ones not kept for root, nor for what must not fail. */
  bavail: number;
  /** Inodes, in use or not. */
  files: number;
  ffree: number;
}

/** kernel: ext4_statfs */
export function statOfFileSystem(sb: SuperBlock): FileSystemStat | number {
  const raw = rawSuperBlock(sb);
  const overhead = raw.s_overhead_clusters || overheadOf(sb, raw.s_journal_inum);
  if (overhead < 0) return overhead;
  const free = freeBlockCount(sb);
  return {
    type: SUPERBLOCK_MAGIC,
    bsize: BLOCK_SIZE,
    blocks: sb.blockCount - overhead,
    bfree: free,
    bavail: Math.max(0, free - raw.s_r_blocks_count_lo - sb.keptBlocks),
    files: sb.inodeCount,
    ffree: freeInodeCount(sb),
  };
}

/** Blocks of the file system's own structures and its journal.  kernel: ext4_calculate_overhead */
function overheadOf(sb: SuperBlock, journalNumber: number): number {
  let blocks = sb.firstDataBlock + sb.groupCount * (2 + tableBlocks(sb));
  for (let group = 0; group < sb.groupCount; group++) blocks += baseBlocks(sb, group);
  if (journalNumber < ROOT_INODE) return blocks;
  const journal = iget(sb, journalNumber);
  if (typeof journal === "number") return journal;
  const { size } = journal;
  iput(journal);
  return blocks + Math.ceil(size / BLOCK_SIZE);
}
