// What fsync, msync and sync do about stores through mappings, in designs that do anything: find the file's pages that
// may have been stored to, keep programs from storing on unnoticed, and flush the caches.

import { State } from "../ext4/extents/extent.ts";
import { readSize, type Inode } from "../ext4/inode.ts";
import { lookUp } from "../ext4/map.ts";
import { mediaAddress, superBlock, type SuperBlock } from "../ext4/super.ts";
import { downRead, downWrite, upRead, upWrite } from "../locks/rwsem.ts";
import { PAGE_SIZE } from "../machine/memory.ts";
import { flush } from "../machine/pmem.ts";
import { nextPage, removePage } from "../machine/pmem/page-set.ts";
import { dirtyPages } from "../mm/dirty.ts";
import { lockEntry, protectPage, unlockEntry } from "../mm/mapping.ts";
import { mediaBlock, pagesIn } from "./copy.ts";

/**
 * Flushes what was stored through mappings of the file; the next fence makes it durable.  Takes invalidateSem: no
 * fault comes in between.  Returns 0.
 */
export function writeBackAlone(inode: Inode): number {
  downWrite(inode.invalidateSem);
  const result = writeBackMapped(inode, true);
  upWrite(inode.invalidateSem);
  return result;
}

/**
 * The same for a design whose faults take the page's entry.  Takes invalidateSem shared, so that blocks stay the
 * file's, and entry after entry.  kernel: dax_writeback_mapping_range
 */
export function writeBackEntries(inode: Inode): number {
  downRead(inode.invalidateSem);
  const result = writeBackMapped(inode, true);
  upRead(inode.invalidateSem);
  return result;
}

/**
 * Flushes what was ever mapped to be stored to, and does not keep anybody from storing on: so the pages stay dirty, and
 * are flushed again the next time.  Takes no lock of the inode's.  kernel: dax_writeback_mapping_range before 4.10
 */
export function flushMapped(inode: Inode): number {
  return writeBackMapped(inode, false);
}

/**
 * Flushes all dirty pages, whose they are, and leaves them dirty: those of files that nobody has in memory, when the
 * others have been written back.
 */
export function flushAllMapped(sb: SuperBlock): void {
  const dirty = dirtyPages(sb.mem);
  for (let page = 0; dirty.count > 0; page++) {
    page = nextPage(dirty, page, sb.blockCount);
    if (page === sb.blockCount) return;
    flushPage(sb, page);
  }
}

/** Goes through the dirty pages of a file, and makes them clean or leaves them dirty. */
function writeBackMapped(inode: Inode, clean: boolean): number {
  const dirty = dirtyPages(inode.mem);
  const end = pagesIn(readSize(inode));
  for (let page = 0; page < end && dirty.count > 0;) {
    const extent = lookUp(inode, page);
    if (typeof extent === "number") return extent;
    if (extent.state === State.written) {
      const last = mediaBlock(extent, extent.start + extent.length);
      const found = nextPage(dirty, mediaBlock(extent, page), last);
      if (found < last && clean) writeBackPage(inode, extent.start + found - extent.media, found);
      else if (found < last) flushPage(superBlock(inode.mem), found);
      page = extent.start + found + 1 - extent.media;
    } else {
      page = extent.start + extent.length;
    }
  }
  return 0;
}

/** kernel: dax_writeback_one */
function writeBackPage(inode: Inode, page: number, media: number): void {
  const dirty = dirtyPages(inode.mem);
  lockEntry(inode.mapping, page);
  // Another task may have cleaned it while we waited for the entry.
  if (nextPage(dirty, media, media + 1) === media) {
    protectPage(inode.mapping, page);
    flushPage(superBlock(inode.mem), media);
    // Last: who finds a page clean takes it for flushed.  Nobody has stored meanwhile: that faults, and waits.
    removePage(dirty, media);
  }
  unlockEntry(inode.mapping, page);
}

function flushPage(sb: SuperBlock, media: number): void {
  flush(sb.mem, mediaAddress(sb, media), PAGE_SIZE);
}
