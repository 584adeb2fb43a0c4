// A set of pages of the media: a bit for each, so that equal sets are equal words, and a count.
//
// Single pages go in and out by atomic operations, without a lock and without a step: what a set means, and what
// orders its changes, its owner says.

import { allocate, header } from "../layout.ts";
import { PAGE_SHIFT } from "../memory.ts";
import { struct, u32, type ViewOf } from "../struct.ts";

const PageBits = struct("page_bits", { low: u32, high: u32 });

export const PageSet = struct("page_set", { count: u32, bitsAt: u32, words: u32 });
export type PageSet = ViewOf<typeof PageSet>;

const COUNT = PageSet.offset("count") >>> 2;

/** An empty set over the media's pages.  At boot. */
export function initPageSet(set: PageSet): void {
  const pairs = Math.ceil((header(set.mem).media.length >>> PAGE_SHIFT) / 64);
  set.bitsAt = allocate(set.mem, PageBits, pairs);
  set.words = pairs * 2;
}

/** Puts a page in: whether it was not there. */
export function addPage(set: PageSet, page: number): boolean {
  const { i32 } = set.mem;
  const mask = 1 << (page & 31);
  const before = Atomics.or(i32, (set.bitsAt >>> 2) + (page >>> 5), mask);
  if ((before & mask) !== 0) return false;
  Atomics.add(i32, (set.at >>> 2) + COUNT, 1);
  return true;
}

/** Takes a page out: whether it was there. */
export function removePage(set: PageSet, page: number): boolean {
  const { i32 } = set.mem;
  const mask = 1 << (page & 31);
  const before = Atomics.and(i32, (set.bitsAt >>> 2) + (page >>> 5), ~mask);
  if ((before & mask) === 0) return false;
  Atomics.sub(i32, (set.at >>> 2) + COUNT, 1);
  return true;
}

/** The 32 pages from a multiple of 32 on, as bits. */
function pagesFrom(set: PageSet, page: number): number {
  return set.mem.i32[(set.bitsAt >>> 2) + (page >>> 5)] as number;
}

/** The first page of the set from `page` on, before `end`; `end` when there is none. */
export function nextPage(set: PageSet, page: number, end: number): number {
  for (let at = page; at < end;) {
    const bits = pagesFrom(set, at) >>> (at & 31);
    if (bits !== 0) return Math.min(end, at + 31 - Math.clz32(bits & -bits));
    at = (at | 31) + 1;
  }
  return end;
}

/** The first page from `page` on, before `end`, that is not in the set; `end` when all are. */
export function nextOutside(set: PageSet, page: number, end: number): number {
  for (let at = page; at < end;) {
    const bits = ~pagesFrom(set, at) >>> (at & 31);
    if (bits !== 0) return Math.min(end, at + 31 - Math.clz32(bits & -bits));
    at = (at | 31) + 1;
  }
  return end;
}

/** Empties a set that nobody else changes meanwhile. */
export function clearPages(set: PageSet): void {
  if (set.count === 0) return;
  set.mem.fill(set.bitsAt, 0, set.words * 4);
  set.count = 0;
}
