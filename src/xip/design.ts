// A design: one data path.  How read, write, fault, truncate, fallocate and sync treat unwritten extents,
// and under which locks.  The system calls check arguments and resolve descriptors; from there on every
// lock, every zeroing and every conversion is the design's, in the order its file shows.
//
// The functions return a count or zero, or a negative error number; they throw only through bug().

import type { Inode } from "../ext4/inode.ts";
import type { MountOptions } from "../ext4/mount/mount.ts";
import type { UserBuffer } from "../mm/user.ts";
import type { Vma } from "../mm/space.ts";

/** One sentence for each path: the locks in the order in which they are taken, and what they protect. */
export interface DesignLocks {
  read: string;
  write: string;
  fault: string;
  truncate: string;
  fallocate: string;
  sync: string;
}

/** Where in the file a write goes.  kernel: struct kiocb */
export interface WritePlace {
  /** Bytes from the start; for a write that appends, the design puts in where that was. */
  position: number;
  /** To the end of the file, as it is under the design's lock. */
  append: boolean;
}

/**
 * One data path.  Its functions return a count or 0, or a negative error number (`-Errno.ENOSPC`); they throw only
 * through bug().  Positions, lengths and sizes are bytes.
 */
export interface Design {
  /** Lower case with dashes, as the command line takes it. */
  readonly name: string;
  /** One line for lists. */
  readonly summary: string;
  /** Where the protocol comes from. */
  readonly source: string;
  /** Whether it is meant to keep every promise.  What a historical design breaks is a result, not a failure. */
  readonly sound: boolean;
  readonly locks: DesignLocks;
  /** Mount options that it has when nobody says otherwise, by their Linux names. */
  readonly options?: MountOptions;
  /** Whether `fault` heeds a vma's `sync`; mmap refuses such mappings otherwise.  kernel: mmap_supported_flags */
  readonly mapSync?: boolean;

  /**
   * Copies file bytes to the user: those from `position` up to `length` more or the end of the file.
   * Returns how many; 0 at or behind the end.
   */
  read(inode: Inode, to: UserBuffer, position: number, length: number): number;
  /** Copies the user's bytes to the file, growing it where they reach behind its end.  Returns how many. */
  write(inode: Inode, from: UserBuffer, place: WritePlace, length: number): number;
  /**
   * Serves a page fault: installs a page table entry for the file's page `page` (4 KiB) in the mapping, or
   * returns -Errno.SIGBUS and the like.  `write` says that the entry must let the process store.  The
   * caller holds the address space's mmapSem shared, and copies private pages itself.
   */
  fault(vma: Vma, page: number, write: boolean): number;
  /** Sets the file's size in bytes, freeing what lies behind it.  Returns 0. */
  truncate(inode: Inode, size: number): number;
  /** Reserves or gives up space; the modes are Linux' bits, checked for sense by the caller.  Returns 0. */
  fallocate(inode: Inode, mode: number, offset: number, length: number): number;
  /** Makes what was written before durable.  Returns 0. */
  sync(inode: Inode): number;
  /**
   * Flushes what was stored through mappings of the file; the commit that comes next makes it durable.  Returns 0.
   * sync(2) asks for it, file after file, before it commits; in a design without it, that flushes nothing.
   */
  writeBack?(inode: Inode): number;
}
