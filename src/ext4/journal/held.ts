// Blocks that were freed stay unused until the transaction that freed them is durable: data is written in place, and
// a crash before that brings their old owner back.  Without a journal they are free at once.
//
// kernel: ext4_mb_free_metadata, ext4_process_freed_data

import type { Memory } from "../../machine/memory.ts";
import { addPage, clearPages, nextOutside, nextPage, type PageSet } from "../../machine/pmem/page-set.ts";
import { journalOf, type Journal } from "./state.ts";

const heldBy = (journal: Journal, sequence: number): PageSet =>
  (sequence & 1) === 0 ? journal.heldEven : journal.heldOdd;

/** Holds blocks that the running transaction has freed.  Inside a handle, with sb.allocMutex. */
export function holdBlocks(mem: Memory, start: number, count: number): void {
  const journal = journalOf(mem);
  if (journal.length === 0) return;
  const held = heldBy(journal, journal.running);
  for (let block = start; block < start + count; block++) addPage(held, block);
}

/** The transaction is durable: its freed blocks may be used. */
export function releaseHeld(journal: Journal, sequence: number): void {
  clearPages(heldBy(journal, sequence));
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
