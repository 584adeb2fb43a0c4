// Open file descriptions: what a descriptor points to.
//
// A description belongs to one process (there is no fork), and one descriptor points to it; a task that is
// inside a call with it holds a reference too, so that another task of the process can close the
// descriptor meanwhile.  The inode is held as long as the description lives.
//
//   references     the process's lock.  0: the slot is free
//   inodeAt, flags set before the descriptor is published, then constant
//   position       positionMutex, where the process has several tasks
//
// Each process has some slots of its own, so that two tasks that open files do not meet at a lock; beyond
// those there is one pool for all, under files.lock.

import { iput } from "../ext4/inodes/cache.ts";
import type { Inode } from "../ext4/inode.ts";
import { initMutex, Mutex } from "../locks/mutex.ts";
import { LockClass } from "../locks/classes.ts";
import { initSpinLock, SpinLock, spinLock, spinUnlock } from "../locks/spinlock.ts";
import { allocate, Root, rootView, setRoot, strideOf, viewAt } from "../machine/layout.ts";
import { MAX_FILES, MAX_PROCESSES } from "../machine/limits.ts";
import type { Memory } from "../machine/memory.ts";
import { embed, f64, struct, u32, type ViewOf } from "../machine/struct.ts";
import { O } from "./flags.ts";

export const File = struct("file", {
  references: u32,
  inodeAt: u32,
  flags: u32, // those of open
  positionMutex: embed(Mutex),
  position: f64, // bytes
});
export type File = ViewOf<typeof File>;

const Files = struct("files", {
  lock: embed(SpinLock),
  firstAt: u32, // the descriptions
});

/** Slots that are a process's own. */
const OWN_FILES = 32;
const COMMON_FILES = OWN_FILES * MAX_PROCESSES;

/** Makes the pool.  At boot. */
export function initFiles(mem: Memory): void {
  setRoot(mem, Root.files, allocate(mem, Files));
  const files = rootView(mem, Root.files, Files);
  initSpinLock(files.lock, LockClass["files.lock"]);
  files.firstAt = allocate(mem, File, MAX_FILES);
  for (let slot = 0; slot < MAX_FILES; slot++) {
    initMutex(fileOf(mem, slot).positionMutex, LockClass["file.positionMutex"]);
  }
}

const STRIDE = strideOf(File);

/** The description in a slot. */
export function fileOf(mem: Memory, slot: number): File {
  return viewAt(mem, File, rootView(mem, Root.files, Files).firstAt + slot * STRIDE);
}

/**
 * Takes a free description for a process, with one reference; the caller fills it in.  Returns its slot, or
 * -1 when all are in use.  The process's lock is held.
 */
export function takeFile(mem: Memory, process: number): number {
  const own = freeSlot(mem, process * OWN_FILES, (process + 1) * OWN_FILES);
  if (own >= 0) {
    fileOf(mem, own).references = 1;
    return own;
  }
  const { lock } = rootView(mem, Root.files, Files);
  spinLock(lock);
  const slot = freeSlot(mem, COMMON_FILES, MAX_FILES);
  if (slot >= 0) fileOf(mem, slot).references = 1;
  spinUnlock(lock);
  return slot;
}

function freeSlot(mem: Memory, first: number, end: number): number {
  for (let slot = first; slot < end; slot++) {
    if (fileOf(mem, slot).references === 0) return slot;
  }
  return -1;
}

// The compiler knows the values of a module's own constants, of imported ones it does not.
const { ACCMODE, RDONLY, WRONLY, RDWR } = O;

// The mode is one of three; a fourth, 3, is neither to read nor to write.
export const isReadable = (flags: number): boolean => isMode(flags & ACCMODE, RDONLY);
export const isWritable = (flags: number): boolean => isMode(flags & ACCMODE, WRONLY);
const isMode = (mode: number, only: number): boolean => mode === RDWR || mode === only;

/** Lets go of an inode, and passes a result on unless that fails. */
export function putInode(inode: Inode, result: number): number {
  const error = iput(inode);
  return error < 0 && result >= 0 ? error : result;
}
