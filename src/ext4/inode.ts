// An inode in memory.  It is made when somebody asks for the inode's number (inodes/cache.ts) and lies in one
// of MAX_INODES places until the last reference goes.
//
// The raw inode stays where it is on the media's side: in the buffer of its block of the inode table, which
// is held as long as the inode is in memory.  The root of the extent tree is edited in place there.
// Fields that tasks use at once, or that must be cheap to reach, have a copy here.
//
//   references            nobody, but for the last one (inodes/cache.ts)
//   number … rawAt        nobody: set before the inode is found, and constant
//   size (i_size)         announced by readSize and writeSize; what orders them is the design's affair
//   diskSize, i_blocks,   dataSem held for writing, inside a handle
//     the extent tree
//   status                extent-status.ts
//   preallocations        sb.allocMutex; only who holds dataSem for writing adds one
//   i_links_count         the rwsem of the directory, inside a handle; the orphan list: sb.orphanMutex
//   rwsem, invalidateSem, truncateMutex, spareSem, spareMutex, mapping   used by designs as they say
//
// Lock order: rwsem, invalidateSem, handle (journal.sem), entries, dataSem, sb.allocMutex, a group's lock.

import { Op, step } from "../machine/cpu.ts";
import { header, nanosecondsOf, secondsOf } from "../machine/layout.ts";
import { note, Note } from "../machine/trace.ts";
import { cacheLine, embed, f64, struct, u32, type ViewOf } from "../machine/struct.ts";
import { Mutex } from "../locks/mutex.ts";
import { References } from "../locks/references.ts";
import { RwSem } from "../locks/rwsem.ts";
import { Mapping } from "../mm/mapping.ts";
import { bufferAt } from "./buffer.ts";
import { ExtentStatus } from "./extent-status.ts";
import { dirtyMetadata, getWriteAccess } from "./journal/handle.ts";
import type { Handle } from "./journal/state.ts";
import { InodeFlag, Mode, OLD_INODE_SIZE, RawInode, SHORT_SYMLINK } from "./media/inode.ts";
import { BLOCK_SIZE, superBlock } from "./super.ts";

const LOAD = Op.load;
const STORE = Op.store;

/** Which lock protects which field: see the head of this file. */
export const Inode = struct("inode", {
  line: cacheLine, // neighbours may be used by different tasks
  references: embed(References),
  number: u32,
  generation: u32,
  mode: u32, // type and permissions
  flags: u32, // InodeFlag
  bufferAt: u32, // the buffer of its block of the inode table
  rawAt: u32, // the raw inode in there
  size: f64, // bytes; what readers go by
  diskSize: f64, // what the raw inode says
  preallocations: u32, // blocks set aside for it: the first of the list
  rwsem: embed(RwSem),
  invalidateSem: embed(RwSem),
  dataSem: embed(RwSem),
  status: embed(ExtentStatus),
  truncateMutex: embed(Mutex),
  spareSem: embed(RwSem),
  spareMutex: embed(Mutex),
  mapping: embed(Mapping),
});
export type Inode = ViewOf<typeof Inode>;

const SIZE = Inode.offset("size");
const TREE_ROOT = RawInode.offset("i_block");
const BLOCKS = RawInode.offset("i_blocks_lo");
const MTIME = RawInode.offset("i_mtime");
const MTIME_EXTRA = RawInode.offset("i_mtime_extra");
const EXTRA_SIZE_FIELD = RawInode.offset("i_extra_isize");
/** What i_extra_isize says when all times have their second word. */
const TIMES_END = RawInode.offset("i_crtime_extra") + 4 - OLD_INODE_SIZE;

/** The address of the root of the inode's extent tree. */
export function treeRoot(inode: Inode): number {
  return inode.rawAt + TREE_ROOT;
}

/** The raw inode.  Changed between `beginInodeChange` and `markInodeDirty` only. */
export function rawInode(inode: Inode): RawInode {
  return RawInode.of(inode.mem, inode.rawAt);
}

/** Asks for the right to change the raw inode. */
export function beginInodeChange(handle: Handle, inode: Inode): number {
  return getWriteAccess(handle, bufferAt(inode.mem, inode.bufferAt));
}

/** Says that the raw inode has changed.  kernel: ext4_mark_inode_dirty */
export function markInodeDirty(handle: Handle, inode: Inode): number {
  return dirtyMetadata(handle, bufferAt(inode.mem, inode.bufferAt));
}

/** The size in bytes.  kernel: i_size_read */
export function readSize(inode: Inode): number {
  step(LOAD, inode.at + SIZE);
  return inode.size;
}

/** Sets the size that readers go by, in bytes; the raw inode says what `setDiskSize` did.  kernel: i_size_write */
export function writeSize(inode: Inode, size: number): void {
  step(STORE, inode.at + SIZE);
  inode.size = size;
  note(inode.mem, Note.setSize, inode.number, size);
}

/** Makes the raw inode say a size.  Inside a handle; dataSem or the inode's rwsem is held for writing. */
export function setDiskSize(handle: Handle, inode: Inode, size: number): number {
  const opened = beginInodeChange(handle, inode);
  if (opened < 0) return opened;
  inode.diskSize = size;
  const raw = rawInode(inode);
  raw.i_size_lo = size % 2 ** 32;
  raw.i_size_high = Math.floor(size / 2 ** 32);
  return markInodeDirty(handle, inode);
}

/** Adds to i_blocks, in blocks; the caller says markInodeDirty. */
export function addBlocks(inode: Inode, count: number): void {
  const units = (inode.flags & InodeFlag.hugeFile) !== 0 ? 1 : BLOCK_SIZE / 512;
  const index = (inode.rawAt + BLOCKS) >>> 2;
  inode.mem.u32[index] = (inode.mem.u32[index] as number) + count * units;
}

export function isDirectory(inode: Inode): boolean {
  return (inode.mode & Mode.type) === Mode.directory;
}

export function isFile(inode: Inode): boolean {
  return (inode.mode & Mode.type) === Mode.file;
}

export function isSymlink(inode: Inode): boolean {
  return (inode.mode & Mode.type) === Mode.symlink;
}

/** Whether an inode, if it has blocks, maps them by numbers (block-map/), without an extent tree. */
export const hasBlockMap = (inode: Inode): boolean => (inode.flags & InodeFlag.extents) === 0;

/** Whether an inode has a map of blocks: devices have none, and short symlinks have their target in its place. */
export function hasBlocks(inode: Inode): boolean {
  if (!hasBlockMap(inode)) return true;
  return isFile(inode) || isDirectory(inode) || (isSymlink(inode) && inode.size >= SHORT_SYMLINK);
}

/** Whether the inode's data carries the machine's time already. */
export function modifiedNow(inode: Inode): boolean {
  const { mem, rawAt } = inode;
  // Words, not a view: every write asks.
  if (mem.u32[(rawAt + MTIME) >>> 2] !== secondsOf(mem)) return false;
  return mem.u32[(rawAt + MTIME_EXTRA) >>> 2] === (nanosecondsOf(mem) << 2) >>> 0 || !hasExtraTimes(inode);
}

/** Puts the machine's time into the raw inode: `modified` for its data, and always for the inode itself. */
export function setTimes(handle: Handle, inode: Inode, modified: boolean): number {
  const opened = beginInodeChange(handle, inode);
  if (opened < 0) return opened;
  const { seconds, nanoseconds } = header(inode.mem);
  const raw = rawInode(inode);
  const wide = hasExtraTimes(inode);
  raw.i_ctime = seconds;
  if (wide) raw.i_ctime_extra = nanoseconds << 2;
  if (modified) {
    raw.i_mtime = seconds;
    if (wide) raw.i_mtime_extra = nanoseconds << 2;
  }
  return markInodeDirty(handle, inode);
}

/** Whether times have their second word: nanoseconds, and seconds beyond 2038. */
export function hasExtraTimes(inode: Inode): boolean {
  const { mem, rawAt } = inode;
  // Behind the last small inode of a block lies another block.
  if (superBlock(mem).inodeSize === OLD_INODE_SIZE) return false;
  return (mem.u16[(rawAt + EXTRA_SIZE_FIELD) >>> 1] as number) >= TIMES_END;
}

/** What stat(2) tells of a file. */
export interface Stat {
  ino: number;
  /** Type and permissions, as Linux has them: 0o100644. */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  /** In bytes. */
  size: number;
  /** In units of 512 bytes. */
  blocks: number;
  /** Bytes of a block. */
  blksize: number;
  /** When it was read last, in milliseconds since 1970 with a fraction, as the other times. */
  atimeMs: number;
  /** When its bytes were changed last. */
  mtimeMs: number;
  /** When anything of it was. */
  ctimeMs: number;
}

export function statOf(inode: Inode): Stat {
  const raw = rawInode(inode);
  const wide = hasExtraTimes(inode);
  const units = (inode.flags & InodeFlag.hugeFile) !== 0 ? BLOCK_SIZE / 512 : 1;
  return {
    ino: inode.number,
    mode: inode.mode,
    nlink: raw.i_links_count,
    uid: raw.i_uid + raw.i_uid_high * 65536,
    gid: raw.i_gid + raw.i_gid_high * 65536,
    size: readSize(inode),
    blocks: raw.i_blocks_lo * units,
    blksize: BLOCK_SIZE,
    atimeMs: milliseconds(raw.i_atime, wide ? raw.i_atime_extra : 0),
    mtimeMs: milliseconds(raw.i_mtime, wide ? raw.i_mtime_extra : 0),
    ctimeMs: milliseconds(raw.i_ctime, wide ? raw.i_ctime_extra : 0),
  };
}

/** Seconds are signed, and the lowest two bits of the extra word are their bits 32 and 33. */
function milliseconds(seconds: number, extra: number): number {
  return ((seconds | 0) + (extra & 3) * 2 ** 32) * 1000 + (extra >>> 2) / 1e6;
}
