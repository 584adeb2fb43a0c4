// What fallocate's modes do to a range.  Mappings go first, then the edges of the range that are parts of
// blocks are zeroed in place, then the blocks change hands.  Offsets and lengths in bytes, checked for sense by
// the system call.
//
// Nothing here keeps anybody out but from the tree (dataSem): the caller holds what its design has against
// reads, writes and faults.

import { Errno } from "../machine/errors.ts";
import { PAGE_SIZE } from "../machine/memory.ts";
import { downWrite, upWrite } from "../locks/rwsem.ts";
import { discardPreallocations } from "../ext4/alloc/preallocation.ts";
import { unconvertExtent } from "../ext4/extents/convert.ts";
import { creditsFor } from "../ext4/extents/credits.ts";
import { removeExtents } from "../ext4/extents/remove.ts";
import { readSize, type Inode } from "../ext4/inode.ts";
import { journalStart, journalStop } from "../ext4/journal/handle.ts";
import { lookUp } from "../ext4/map.ts";
import { MAX_FILE_BLOCKS } from "../ext4/media/extent.ts";
import { shiftExtents } from "../ext4/ranges/shift.ts";
import { superBlock } from "../ext4/super.ts";
import { unmapRange } from "../mm/mapping.ts";
import { pagesIn } from "./copy.ts";
import { Fallocate } from "./modes.ts";
import { growTo, reservedEnd, reserveHoles, zeroPart } from "./space.ts";

/** Whether a mode takes blocks or their state away, so that faults must be kept off. */
export function changesBlocks(mode: number): boolean {
  return (mode & ~Fallocate.keepSize) !== 0;
}

/** Does what a mode other than reserving space says.  Returns 0, or -EOPNOTSUPP for one not known. */
export function changeRange(inode: Inode, mode: number, offset: number, length: number): number {
  switch (mode & ~Fallocate.keepSize) {
    case Fallocate.punchHole:
      return punchHole(inode, offset, length);
    case Fallocate.zeroRange:
      return zeroRange(inode, offset, length, (mode & Fallocate.keepSize) === 0);
    case Fallocate.collapseRange:
      return collapseRange(inode, offset, length);
    case Fallocate.insertRange:
      return insertRange(inode, offset, length);
    default:
      return -Errno.EOPNOTSUPP;
  }
}

/** kernel: ext4_punch_hole */
function punchHole(inode: Inode, offset: number, length: number): number {
  const size = readSize(inode);
  if (offset >= size) return 0;
  // A hole over the end of the file takes the block of the end with it, and nothing behind.
  const end = offset + length > size ? size - (size % PAGE_SIZE) + PAGE_SIZE : offset + length;
  const [first, stop] = [pagesIn(offset), Math.floor(end / PAGE_SIZE)];
  if (stop > first) unmapRange(inode.mapping, first, stop - 1, false);
  const error = zeroEdges(inode, offset, end);
  return error < 0 || stop <= first ? error : removeBlocks(inode, first, stop);
}

/** kernel: ext4_zero_range */
function zeroRange(inode: Inode, offset: number, length: number, mayGrow: boolean): number {
  const end = offset + length;
  const [first, stop] = [pagesIn(offset), Math.floor(end / PAGE_SIZE)];
  let error = reserveHoles(inode, offset, length);
  const reserved = reservedEnd(inode, offset, length, error);
  // Where space ended, whole blocks before that are zeroed; edges that are parts of blocks come first, and stop it all.
  const whole = offset % PAGE_SIZE === 0 && end % PAGE_SIZE === 0;
  const until = error === 0 ? stop : whole ? reserved / PAGE_SIZE : first;
  if (until > first) {
    unmapRange(inode.mapping, first, until - 1, false);
    error = makeUnwritten(inode, first, until) || error;
  }
  if (mayGrow && reserved > readSize(inode)) error = growTo(inode, reserved) || error;
  return error < 0 ? error : zeroEdges(inode, offset, end);
}

/** kernel: ext4_collapse_range */
function collapseRange(inode: Inode, offset: number, length: number): number {
  const size = readSize(inode);
  if (offset % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0 || offset + length >= size) return -Errno.EINVAL;
  const [first, stop] = [offset / PAGE_SIZE, (offset + length) / PAGE_SIZE];
  unmapRange(inode.mapping, first, Infinity, true);
  const error = removeBlocks(inode, first, stop) || shiftExtents(inode, stop, first - stop);
  return error < 0 ? error : growTo(inode, size - length);
}

/** kernel: ext4_insert_range */
function insertRange(inode: Inode, offset: number, length: number): number {
  const size = readSize(inode);
  if (offset % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0 || offset >= size) return -Errno.EINVAL;
  if (size + length > MAX_FILE_BLOCKS * PAGE_SIZE) return -Errno.EFBIG;
  const first = offset / PAGE_SIZE;
  const error = growTo(inode, size + length);
  if (error < 0) return error;
  unmapRange(inode.mapping, first, Infinity, true);
  return shiftExtents(inode, first, length / PAGE_SIZE);
}

/** Zeroes what a range has of blocks that it does not cover whole.  kernel: ext4_zero_partial_blocks */
function zeroEdges(inode: Inode, offset: number, end: number): number {
  const head = Math.min(end, pagesIn(offset) * PAGE_SIZE);
  const error = zeroPart(inode, offset, head);
  if (error < 0) return error;
  return zeroPart(inode, Math.max(head, end - (end % PAGE_SIZE)), end);
}

function removeBlocks(inode: Inode, first: number, stop: number): number {
  const sb = superBlock(inode.mem);
  const handle = journalStart(sb, creditsFor(sb).remove);
  if (typeof handle === "number") return handle;
  downWrite(inode.dataSem);
  discardPreallocations(inode);
  const error = removeExtents(handle, inode, first, stop);
  upWrite(inode.dataSem);
  const stopped = journalStop(handle);
  return error < 0 ? error : stopped;
}

/** Extent after extent, each in a transaction of its own. */
function makeUnwritten(inode: Inode, first: number, stop: number): number {
  const sb = superBlock(inode.mem);
  for (let block = first; block < stop;) {
    const extent = lookUp(inode, block);
    if (typeof extent === "number") return extent;
    const end = Math.min(stop, extent.start + extent.length);
    const handle = journalStart(sb, creditsFor(sb).convert);
    if (typeof handle === "number") return handle;
    downWrite(inode.dataSem);
    const error = unconvertExtent(handle, inode, block, end - block);
    upWrite(inode.dataSem);
    const stopped = journalStop(handle);
    if (error < 0 || stopped < 0) return error || stopped;
    block = end;
  }
  return 0;
}
