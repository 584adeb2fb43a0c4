// Blocks that were freed stay unused until the transaction that freed them is durable: data is written in place, and
// a crash before that brings their old owner back.  Without a journal they are free at once.
//
// The allocator asks here which blocks are held (mount option mballoc=0), or has them used in its map until then.
//
// Blocks are held under their group's lock, in the moment in which the bitmap calls them free: who has the group open
// sees both or neither.  They are let go without that lock: what a search sees held may be free by the time it ends, and
// is missed.  That does no harm, but what the search has learnt of the group must not last (alloc/lowest.ts).
//
// kernel: ext4_mb_free_metadata, ext4_process_freed_data

import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import type { Memory } from "../../machine/memory.ts";
import { addPage, clearPages, nextOutside, nextPage, type PageSet } from "../../machine/pmem/page-set.ts";
import { markFree } from "../alloc/free-map.ts";
import { forgetLowestFree } from "../alloc/lowest.ts";
import type { SuperBlock } from "../super.ts";
import { journalOf, type Journal } from "./state.ts";

const heldBy = (journal: Journal, sequence: number): PageSet =>
  (sequence & 1) === 0 ? journal.heldEven : journal.heldOdd;

/**
 * Holds blocks that the running transaction has freed, if there is a journal: whether it does.  Inside a handle, with
 * their group open, and sb.allocMutex if it is the map that has them.
 */
export function holdBlocks(sb: SuperBlock, start: number, count: number): boolean {
  const journal = journalOf(sb.mem);
  if (journal.length === 0) {
    if (sb.mballoc !== 0) markFree(sb, start, count);
    return false;
  }
  const held = heldBy(journal, journal.running);
  for (let block = start; block < start + count; block++) addPage(held, block);
  return true;
}

/** The transaction is durable: its freed blocks may be used.  kernel: ext4_process_freed_data */
export function releaseHeld(sb: SuperBlock, journal: Journal, sequence: number): void {
  const held = heldBy(journal, sequence);
  if (held.count === 0) return;
  if (sb.mballoc !== 0) {
    mutexLock(sb.allocMutex);
    const { blockCount } = sb;
    for (let block = nextPage(held, 0, blockCount); block < blockCount;) {
      const end = nextOutside(held, block, blockCount);
      markFree(sb, block, end - block);
      block = nextPage(held, end, blockCount);
    }
    mutexUnlock(sb.allocMutex);
  }
  clearPages(held);
  forgetLowestFree(sb.mem);
}

/** How many free blocks cannot be used yet. */
export function heldCount(mem: Memory): number {
  const { heldEven, heldOdd } = journalOf(mem);
  return heldEven.count + heldOdd.count;
}

/** The first of the blocks from `start` on that is held; `end` when none is. */
export function nextHeld(mem: Memory, start: number, end: number): number {
  const { heldEven, heldOdd } = journalOf(mem);
  return nextPage(heldOdd, start, nextPage(heldEven, start, end));
}

/** The first of the blocks from `start` on that is not held; `end` when all are. */
export function nextNotHeld(mem: Memory, start: number, end: number): number {
  const { heldEven, heldOdd } = journalOf(mem);
  let block = start;
  for (let before = -1; block !== before && block < end;) {
    before = block;
    block = nextOutside(heldOdd, nextOutside(heldEven, block, end), end);
  }
  return block;
}
