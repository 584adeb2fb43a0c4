// Steps on a file's space that designs take alike.  The caller holds the lock that its design names.

import { PAGE_SIZE } from "../machine/memory.ts";
import { downWrite, upWrite } from "../locks/rwsem.ts";
import { allocateExtent } from "../ext4/extents/allocate.ts";
import { creditsFor } from "../ext4/extents/credits.ts";
import { State } from "../ext4/extents/extent.ts";
import { findExtent } from "../ext4/extents/find.ts";
import { modifiedNow, setDiskSize, setTimes, writeSize, type Inode } from "../ext4/inode.ts";
import { journalStart, journalStop } from "../ext4/journal/handle.ts";
import type { Handle } from "../ext4/journal/state.ts";
import { lookUp } from "../ext4/map.ts";
import { mediaAddress, superBlock } from "../ext4/super.ts";
import { inBlock, mediaBlock, pagesIn, streamZeros } from "./copy.ts";

/**
 * Zeroes the last block behind `size`, where the file has a written block there: growing must not bring
 * into view what lies behind the end.  Returns 0.
 */
export function zeroTail(inode: Inode, size: number): number {
  return zeroPart(inode, size, pagesIn(size) * PAGE_SIZE);
}

/** Zeroes bytes of one block, if it is written: anything else reads as zeros already.  Returns 0. */
export function zeroPart(inode: Inode, from: number, to: number): number {
  if (from >= to) return 0;
  const block = Math.floor(from / PAGE_SIZE);
  const extent = lookUp(inode, block);
  if (typeof extent === "number") return extent;
  if (extent.state !== State.written) return 0;
  const at = mediaAddress(superBlock(inode.mem), mediaBlock(extent, block));
  streamZeros(inode.mem, at + (from % PAGE_SIZE), to - from);
  return 0;
}

/** Makes the file `size` bytes long, on the media and then for everybody to see.  Returns 0. */
export function growTo(inode: Inode, size: number): number {
  const sb = superBlock(inode.mem);
  const handle = journalStart(sb, creditsFor(sb).inode);
  if (typeof handle === "number") return handle;
  const error = setDiskSize(handle, inode, size);
  if (error === 0) writeSize(inode, size);
  const stopped = journalStop(handle);
  return error < 0 ? error : stopped;
}

/**
 * Puts the machine's time into the inode, where it is not there yet: the clock is as coarse as a kernel's,
 * so most writes change nothing.  Returns 0.  kernel: file_update_time
 */
export function updateTime(inode: Inode): number {
  return modifiedNow(inode) ? 0 : putTime(inode);
}

function putTime(inode: Inode): number {
  const sb = superBlock(inode.mem);
  const handle = journalStart(sb, creditsFor(sb).inode);
  if (typeof handle === "number") return handle;
  const error = setTimes(handle, inode, true);
  const stopped = journalStop(handle);
  return error < 0 ? error : stopped;
}

/** Fills the holes in a range of bytes with unwritten extents, one transaction for each.  Returns 0. */
export function reserveHoles(inode: Inode, offset: number, length: number): number {
  const sb = superBlock(inode.mem);
  const end = pagesIn(offset + length);
  let { block } = inBlock(offset, length);
  while (block < end) {
    const handle = journalStart(sb, creditsFor(sb).allocate);
    if (typeof handle === "number") return handle;
    downWrite(inode.dataSem);
    const next = reserveHole(handle, inode, block, end);
    upWrite(inode.dataSem);
    const stopped = journalStop(handle);
    if (next < 0) return next;
    if (stopped < 0) return stopped;
    block = next;
  }
  return 0;
}

/**
 * How far a range has blocks behind `reserveHoles`, which returned `error`: to its end, or where space ended.  The
 * file may grow so far even then.  kernel: ext4_alloc_file_blocks, which does it block by block
 */
export function reservedEnd(inode: Inode, offset: number, length: number, error: number): number {
  if (error === 0) return offset + length;
  const { block: first } = inBlock(offset, length);
  let block = first;
  let found = lookUp(inode, block);
  while (typeof found !== "number" && found.state !== State.hole) {
    block = found.start + found.length;
    found = lookUp(inode, block);
  }
  return block === first ? 0 : Math.min(block * PAGE_SIZE, offset + length);
}

/** Reserves the first hole at or behind `block`, or finds none there.  Returns where to go on. */
function reserveHole(handle: Handle, inode: Inode, block: number, end: number): number {
  const found = findExtent(inode, block);
  if (typeof found === "number") return found;
  const until = Math.min(end, found.start + found.length);
  if (found.state !== State.hole) return until;
  const made = allocateExtent(handle, inode, block, until - block, State.unwritten);
  return typeof made === "number" ? made : made.start + made.length;
}
