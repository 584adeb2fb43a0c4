// Pages of the media that programs may have stored to through mappings since they were last written back.
//
// A page goes in before it is mapped writable.  Who takes one out keeps faults on it off, takes the right to store from
// everybody, and flushes it first (xip/write-back.ts).  A block that is freed while its page is in the set is
// flushed once for nothing.  kernel: PAGECACHE_TAG_DIRTY

import { allocate, Root, rootView, setRoot } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { initPageSet, PageSet } from "../machine/pmem/page-set.ts";

/** At boot. */
export function initDirtyPages(mem: Memory): void {
  setRoot(mem, Root.dirtyPages, allocate(mem, PageSet));
  initPageSet(dirtyPages(mem));
}

export function dirtyPages(mem: Memory): PageSet {
  return rootView(mem, Root.dirtyPages, PageSet);
}
