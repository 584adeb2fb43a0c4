// A group that is open: what the allocators read and mark of it, under its lock.
//
// There is an array of locks, and a group uses one by its number: tasks that allocate in different groups do not wait
// for each other.  A lock protects, of each of its groups,
//
//   the bits of the two bitmaps, and all of the descriptor that changes
//   the words in two tables, of kept bitmaps (bitmaps.ts) and of guesses (lowest.ts): each table has as many words as
//   there are locks, or that several times, so that no word has groups of two locks
//   what the free counts come to: the file system's are the sums over all locks, exact while no handle runs, and else
//   a guess of whoever adds them up
//
// A block of descriptors has those of many groups: who marks one changes its own descriptor's bytes and no others, and
// that the block is dirty the buffer cache sees to.  Commit computes checksums over all of it while no handle runs.
//
// A task opens one group at a time and takes no lock under it, but leaf locks.
//
// Lock order: handle, inode.dataSem, sb.allocMutex, the group's lock.   kernel: ext4_lock_group, struct blockgroup_lock

import { allocate, Root, rootView, setRoot, strideOf, viewAt } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { cacheLine, embed, struct, u32, type ViewOf } from "../../machine/struct.ts";
import { LockClass } from "../../locks/classes.ts";
import { initMutex, Mutex, mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import type { Buffer } from "../buffer.ts";
import { firstBlockOf, getGroup, rawGroup, releaseGroup } from "../group.ts";
import type { RawGroup } from "../media/group.ts";
import type { SuperBlock } from "../super.ts";

/** A power of two. */
export const GROUP_LOCKS = 16;

const GroupLock = struct("group_lock", {
  line: cacheLine, // what comes with the lock is here, and nothing of another one
  mutex: embed(Mutex),
  freeBlocks: u32,
  freeInodes: u32,
});

export interface OpenGroup {
  readonly sb: SuperBlock;
  readonly number: number;
  readonly lock: ViewOf<typeof GroupLock>;
  /** Its first block. */
  readonly first: number;
  /** The buffer with its descriptor. */
  readonly descriptors: Buffer;
  readonly raw: RawGroup;
}

/** At boot. */
export function initGroupLocks(mem: Memory): void {
  setRoot(mem, Root.groupLocks, allocate(mem, GroupLock, GROUP_LOCKS));
  for (let index = 0; index < GROUP_LOCKS; index++)
    initMutex(lockOf(mem, index).mutex, LockClass["group.mutex"]);
}

const LOCK_STRIDE = strideOf(GroupLock);

const firstLock = (mem: Memory): number => rootView(mem, Root.groupLocks, GroupLock).at;

function lockOf(mem: Memory, group: number): ViewOf<typeof GroupLock> {
  return viewAt(mem, GroupLock, firstLock(mem) + (group & (GROUP_LOCKS - 1)) * LOCK_STRIDE);
}

/** Takes a group's lock and opens it; with an error it is not locked. */
export function openGroup(sb: SuperBlock, number: number): OpenGroup | number {
  const lock = lockOf(sb.mem, number);
  mutexLock(lock.mutex);
  const descriptors = getGroup(sb, number);
  if (typeof descriptors === "number") {
    mutexUnlock(lock.mutex);
    return descriptors;
  }
  const raw = rawGroup(sb, descriptors, number);
  return { sb, number, lock, first: firstBlockOf(sb, number), descriptors, raw };
}

export function closeGroup({ lock, descriptors }: OpenGroup): void {
  releaseGroup(descriptors);
  mutexUnlock(lock.mutex);
}

/** Counts blocks of an open group that became free, or less than none.  Inside a handle. */
export function addFreeBlocks({ sb, lock }: OpenGroup, count: number): void {
  lock.freeBlocks += count;
  changeCounts(sb);
}

/** The same for an inode. */
export function addFreeInodes({ sb, lock }: OpenGroup, count: number): void {
  lock.freeInodes += count;
  changeCounts(sb);
}

/** Stored once: all tasks read what lies beside it. */
function changeCounts(sb: SuperBlock): void {
  if (sb.countsChanged === 0) sb.countsChanged = 1;
}

/** At mount, before the groups are counted. */
export function clearFreeCounts({ mem }: SuperBlock): void {
  for (let index = 0; index < GROUP_LOCKS; index++) {
    const lock = lockOf(mem, index);
    lock.freeBlocks = 0;
    lock.freeInodes = 0;
  }
}

/** At mount: what a descriptor counts. */
export function countGroup({ mem }: SuperBlock, number: number, raw: RawGroup): void {
  const lock = lockOf(mem, number);
  lock.freeBlocks += raw.bg_free_blocks_count_lo;
  lock.freeInodes += raw.bg_free_inodes_count_lo;
}

/** How many blocks are free. */
export const freeBlockCount = (sb: SuperBlock): number => sumOf(sb, FREE_BLOCKS);

/** How many inodes are free. */
export const freeInodeCount = (sb: SuperBlock): number => sumOf(sb, FREE_INODES);

const FREE_BLOCKS = GroupLock.offset("freeBlocks");
const FREE_INODES = GroupLock.offset("freeInodes");

function sumOf({ mem, groupCount }: SuperBlock, field: number): number {
  const first = firstLock(mem) + field;
  const end = first + Math.min(groupCount, GROUP_LOCKS) * LOCK_STRIDE;
  let sum = 0;
  for (let at = first; at < end; at += LOCK_STRIDE) sum += mem.u32[at >>> 2] as number;
  return sum;
}
