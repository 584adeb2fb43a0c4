// Directories that a task has found by their names and remembers, so that it walks a path again without the rwsem
// and the blocks of each directory on the way: of all tasks, those are asked by every one.
//
//   version   atomic: how often a directory has lost a name.  Changed under the rwsem of the one in which the name was
//   tables    each task has its own, and nobody else looks there
//
// A name is put in under the rwsem of its directory, with the version of that moment.  Who finds it there takes a
// reference to what it names, and then looks at the version: if it is still the same, the directory had that name
// at that moment, as if it had been read under the rwsem.  One version for all names will do, for directories are
// renamed and removed far less often than walked through.  Names of files are not remembered.
//
// lockdep wants to see every lock taken, so while it checks nobody looks here (as in extent-status.ts).
//
// kernel: the dcache, rcu-walk (Documentation/filesystems/path-lookup.rst)

import { currentTask } from "../../machine/cpu.ts";
import { allocate, isLockdepOn, Root, rootView, setRoot } from "../../machine/layout.ts";
import { TASK_SLOTS } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { atomic, bytes, cacheLine, struct, u32, type ViewOf } from "../../machine/struct.ts";
import type { Inode } from "../inode.ts";
import { ilookup, iput } from "../inodes/cache.ts";

/** Longer names are not remembered. */
const LONGEST = 16;
/** So many names each task remembers: a power of two. */
const NAMES = 8;

const Dentry = struct("dentry", {
  version: u32,
  parent: u32, // the number of the directory that the name is in
  number: u32, // of the directory that has the name; 0: none
  length: u32,
  name: bytes(LONGEST),
});

const Dcache = struct("dcache", {
  version: atomic,
  tables: cacheLine, // one for each task, two names in a cache line
  names: bytes(Dentry.size * NAMES * TASK_SLOTS, 8),
});

const VERSION = Dentry.offset("version");
const NUMBER = Dentry.offset("number");
const PARENT = Dentry.offset("parent");
const LENGTH = Dentry.offset("length");
const NAME = Dentry.offset("name");

/** At boot. */
export function initDcache(mem: Memory): void {
  setRoot(mem, Root.dcache, allocate(mem, Dcache));
}

function dcache(mem: Memory): ViewOf<typeof Dcache> {
  return rootView(mem, Root.dcache, Dcache);
}

/** The address of the task's entry that a part of a path would have. */
function entryFor({ mem, number }: Inode, path: Uint8Array, from: number, end: number): number {
  let hash = number;
  for (let at = from; at < end; at++) hash = (Math.imul(hash, 31) + (path[at] as number)) | 0;
  return dcache(mem).names + (currentTask() * NAMES + (hash & (NAMES - 1))) * Dentry.size;
}

/**
 * A reference to the directory whose name in another one is the part of a path from `from` to `end`, if this task
 * remembers it.  No lock is taken.  kernel: lookup_fast
 */
export function knownDirectory(
  parent: Inode,
  path: Uint8Array,
  from: number,
  end: number,
): Inode | undefined {
  const { mem } = parent;
  const length = end - from;
  if (length > LONGEST || isLockdepOn(mem)) return undefined;
  const entry = entryFor(parent, path, from, end);
  if (wordOf(mem, entry + PARENT) !== parent.number || wordOf(mem, entry + LENGTH) !== length)
    return undefined;
  for (let i = 0; i < length; i++) if (mem.u8[entry + NAME + i] !== path[from + i]) return undefined;
  const inode = ilookup(mem, wordOf(mem, entry + NUMBER));
  if (inode === undefined) return undefined;
  // Only now: before the reference, the number may have become another inode's.
  if (dcache(mem).version.load() === wordOf(mem, entry + VERSION)) return inode;
  iput(inode);
  return undefined;
}

const wordOf = (mem: Memory, at: number): number => mem.u32[at >>> 2] as number;

/** Remembers which directory a name is that of.  The rwsem of the one it is in is held, and not for changing it. */
export function rememberDirectory(parent: Inode, name: Uint8Array, inode: Inode): void {
  const { mem } = parent;
  if (name.length > LONGEST || isLockdepOn(mem)) return;
  const entry = Dentry.of(mem, entryFor(parent, name, 0, name.length));
  entry.version = dcache(mem).version.load();
  entry.parent = parent.number;
  entry.number = inode.number;
  entry.length = name.length;
  mem.write(entry.name, name);
}

/** A directory has lost a name, which nobody may remember.  The rwsem of the one it was in is held for writing. */
export function forgetNames(mem: Memory): void {
  dcache(mem).version.add(1);
}
