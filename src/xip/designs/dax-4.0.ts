// DAX as merged in Linux 4.0: get_block, copy, and the conversion when everything is copied.
//
// Reads never convert.  A write inside the file copies into unwritten blocks, having zeroed what it does not
// cover of the first and last one, and converts at the end.  A page fault, of a load too, zeroes an unwritten
// block, maps it, and then converts it.  Where a fault or a write that grows the file meets a hole, the block
// is allocated as written, and zeroed afterwards.
//
// Lock order: i_mutex (our rwsem, held alone), (mmapSem), journal handle, dataSem; mapping.sem innermost.
//
// Not protected: the verdict "unwritten" or "new", from the look-up to the zeroing and the conversion, against
// another fault and against a write.  The verdict "hole" of a load's fault, against who fills it.  A written
// block's stay in the file, from the look-up to the page table entry: against truncate there is a second look
// at the size under mapping.sem, against punch, zero and collapse range nothing.
//
// Durability: nothing is flushed before 4.5, neither what programs have stored through mappings nor the kernel's zeros
// (memset, clear_page).  A write's copy counts as past the caches.  So it was on memory that is mapped cached; the pmem
// driver of 4.1 mapped it uncached (ioremap_nocache), and there only the programs' stores were lost.
//
// Not here: the page cache's page of a hole, whose lock keeps faults apart once some process has loaded from
// the hole; the split ahead of a write's copy, which is left to the conversion behind it.

import { Errno } from "../../machine/errors.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { downRead, downWrite, upRead, upWrite } from "../../locks/rwsem.ts";
import { allocateExtent } from "../../ext4/extents/allocate.ts";
import { convertExtent } from "../../ext4/extents/convert.ts";
import { creditsFor } from "../../ext4/extents/credits.ts";
import { State, type Extent } from "../../ext4/extents/extent.ts";
import { findExtent } from "../../ext4/extents/find.ts";
import { readSize, type Inode } from "../../ext4/inode.ts";
import { inodeAt } from "../../ext4/inodes/cache.ts";
import { commit } from "../../ext4/journal/commit.ts";
import { journalStart, journalStop } from "../../ext4/journal/handle.ts";
import type { Handle } from "../../ext4/journal/state.ts";
import { lookUp } from "../../ext4/map.ts";
import { mediaAddress, superBlock } from "../../ext4/super.ts";
import { truncateBlocks } from "../../ext4/truncate.ts";
import { installPage, installZeroPage, unmapRangeAlone } from "../../mm/mapping.ts";
import type { Vma } from "../../mm/space.ts";
import type { UserBuffer } from "../../mm/user.ts";
import type { Design } from "../design.ts";
import { clearUser, copyIn, copyOut, inBlock, mediaBlock, pagesIn, startOf, zeroBytes } from "../copy.ts";
import { Fallocate } from "../modes.ts";
import { changeRange, changesBlocks } from "../ranges.ts";
import { growTo, reservedEnd, reserveHoles, updateTime, zeroTail } from "../space.ts";

export const design: Design = {
  name: "dax-4.0",
  summary: "DAX as merged: writes copy, then convert; faults zero, map, then convert",
  source: "fs/dax.c, fs/ext4/inode.c, extents.c, indirect.c and file.c, mm/filemap.c, Linux 4.0",
  sound: false,
  locks: {
    read: "i_mutex",
    write: "i_mutex; handle and dataSem for a hole; handle and dataSem to convert after the copy",
    fault:
      "none to look up; handle and dataSem to fill a hole; mapping.sem shared to zero and map; then handle and dataSem to convert",
    truncate: "i_mutex; mapping.sem to unmap; handle and dataSem to free",
    fallocate: "i_mutex; handle and dataSem",
    sync: "none of the inode's; the commit waits for running handles",
  },

  // kernel: dax_do_io with DIO_LOCKING
  read(inode, to, position, length) {
    downWrite(inode.rwsem);
    const result = readLocked(inode, to, position, length);
    upWrite(inode.rwsem);
    return result;
  },

  // kernel: ext4_file_write_iter
  write(inode, from, place, length) {
    downWrite(inode.rwsem);
    const result = writeLocked(inode, from, startOf(inode, place), length);
    upWrite(inode.rwsem);
    return result;
  },

  // kernel: ext4_dax_fault, do_dax_fault
  fault(vma, page, write) {
    const inode = inodeAt(vma.mem, vma.inodeAt);
    const error = write ? updateTime(inode) : 0;
    if (error < 0 || page >= pagesIn(readSize(inode))) return -Errno.SIGBUS;
    let extent = lookUp(inode, page);
    if (typeof extent === "number") return -Errno.SIGBUS;
    let blank = extent.state !== State.written;
    if (extent.state === State.hole) {
      if (!write) return installZeroPage(vma, page);
      const made = getBlock(inode, page, 1, State.written);
      if (typeof made === "number") return -Errno.SIGBUS;
      [extent, blank] = [made.extent, made.blank];
    }
    // The hole's page leaves the page cache, and with it all mappings.
    if (write || blank) unmapRangeAlone(inode.mapping, page, page, false);
    return insertMapping(vma, page, write, extent, blank);
  },

  // kernel: ext4_setattr
  truncate(inode, size) {
    downWrite(inode.rwsem);
    const result = truncateLocked(inode, size);
    upWrite(inode.rwsem);
    return result;
  },

  // kernel: ext4_fallocate, which knows INSERT_RANGE since 4.2
  fallocate(inode, mode, offset, length) {
    if ((mode & Fallocate.insertRange) !== 0) return -Errno.EOPNOTSUPP;
    downWrite(inode.rwsem);
    let result = updateTime(inode);
    if (result === 0 && changesBlocks(mode)) {
      result = changeRange(inode, mode, offset, length);
      if (result === 0 && (mode & Fallocate.punchHole) !== 0) unmapPunched(inode, offset, length);
    } else if (result === 0) {
      result = reserve(inode, mode, offset, length);
    }
    upWrite(inode.rwsem);
    return result;
  },

  // What mappings stored is in the CPU's caches yet: nothing flushes them.
  sync(inode) {
    return commit(superBlock(inode.mem));
  },
};

function readLocked(inode: Inode, to: UserBuffer, position: number, length: number): number {
  const { mem } = inode;
  const end = Math.min(position + length, readSize(inode));
  let done = 0;
  while (position + done < end) {
    const { block, from, count } = inBlock(position + done, end - position - done);
    const extent = lookUp(inode, block);
    if (typeof extent === "number") return done > 0 ? done : extent;
    const copied =
      extent.state === State.written
        ? copyOut(mem, to, done, mediaAddress(superBlock(mem), mediaBlock(extent, block)) + from, count)
        : clearUser(mem, to, done, count);
    done += copied;
    if (copied < count) return done > 0 ? done : -Errno.EFAULT;
  }
  return done;
}

function writeLocked(inode: Inode, from: UserBuffer, position: number, length: number): number {
  const { mem } = inode;
  const grows = position + length > readSize(inode);
  let error = updateTime(inode);
  if (error === 0) invalidate(inode, position, length);
  let done = 0;
  while (done < length && error === 0) {
    const { block } = inBlock(position + done, length - done);
    const count = pagesIn(position + length) - block;
    const found = getBlock(inode, block, count, grows ? State.written : State.unwritten);
    if (typeof found === "number") {
      error = found;
      break;
    }
    const { extent, blank } = found;
    const at = position + done;
    const bytes = Math.min(length - done, (extent.start + extent.length) * PAGE_SIZE - at);
    const media = mediaAddress(superBlock(mem), mediaBlock(extent, block));
    if (blank) zeroAround(inode, media, at % PAGE_SIZE, bytes);
    const copied = copyIn(mem, media + (at % PAGE_SIZE), from, done, bytes);
    done += copied;
    if (copied < bytes) error = -Errno.EFAULT;
  }
  if (done > 0 && !grows) {
    const { block } = inBlock(position, done);
    const failed = convert(inode, block, pagesIn(position + done) - block);
    if (failed < 0) return failed;
  }
  if (done > 0) invalidate(inode, position, done);
  if (done > 0 && position + done > readSize(inode)) {
    const failed = growTo(inode, position + done);
    if (failed < 0) return failed;
  }
  return done > 0 ? done : error;
}

/** Takes zero pages out of all mappings, before and after a write.  kernel: generic_file_direct_write */
function invalidate(inode: Inode, position: number, length: number): void {
  const { block } = inBlock(position, length);
  unmapRangeAlone(inode.mapping, block, pagesIn(position + length) - 1, false);
}

/** Zeroes what a write does not cover of the first and the last block of a run.  kernel: dax_new_buf */
function zeroAround(inode: Inode, media: number, from: number, length: number): void {
  if (from > 0) zeroBytes(inode.mem, media, from);
  const end = from + length;
  const rest = end % PAGE_SIZE;
  if (rest > 0) zeroBytes(inode.mem, media + end, PAGE_SIZE - rest);
}

/** Blocks of a file, and whether it is the caller's part to zero them: buffer_unwritten or buffer_new. */
interface Found {
  extent: Extent;
  blank: boolean;
}

/**
 * What covers a block, with up to `count` blocks from there on.  Holes are filled, and what is to be `written`
 * is written when this returns, whatever its bytes are.  kernel: ext4_get_block, ext4_get_block_write
 */
function getBlock(
  inode: Inode,
  block: number,
  count: number,
  state: typeof State.unwritten | typeof State.written,
): Found | number {
  const extent = lookUp(inode, block);
  if (typeof extent === "number") return extent;
  if (extent.state === State.written || extent.state === state) {
    return { extent, blank: extent.state !== State.written };
  }
  const sb = superBlock(inode.mem);
  const credits = creditsFor(sb);
  const handle = journalStart(sb, credits.allocate + credits.convert);
  if (typeof handle === "number") return handle;
  downWrite(inode.dataSem);
  const made = getBlockLocked(handle, inode, block, count, state);
  upWrite(inode.dataSem);
  const stopped = journalStop(handle);
  return stopped < 0 ? stopped : made;
}

function getBlockLocked(
  handle: Handle,
  inode: Inode,
  block: number,
  count: number,
  state: typeof State.unwritten | typeof State.written,
): Found | number {
  const extent = findExtent(inode, block);
  if (typeof extent === "number") return extent;
  if (extent.state === State.hole) {
    const made = allocateExtent(handle, inode, block, count, state);
    return typeof made === "number" ? made : { extent: made, blank: true };
  }
  if (extent.state === State.written || state === State.unwritten) {
    return { extent, blank: extent.state !== State.written };
  }
  const length = Math.min(count, extent.start + extent.length - block);
  const error = convertExtent(handle, inode, block, length);
  if (error < 0) return error;
  return { extent: { start: block, length, media: mediaBlock(extent, block), state }, blank: true };
}

/** kernel: dax_insert_mapping */
function insertMapping(vma: Vma, page: number, write: boolean, extent: Extent, blank: boolean): number {
  const inode = inodeAt(vma.mem, vma.inodeAt);
  const media = mediaAddress(superBlock(inode.mem), mediaBlock(extent, page));
  downRead(inode.mapping.sem);
  const inside = page < pagesIn(readSize(inode));
  if (inside && blank) zeroBytes(inode.mem, media, PAGE_SIZE);
  if (inside) installPage(vma, page, media, write);
  upRead(inode.mapping.sem);
  // Nobody hears of an error: the process has its page, and to all others the block stays unwritten.
  if (inside && extent.state === State.unwritten) convert(inode, page, 1);
  return inside ? 0 : -Errno.SIGBUS;
}

/** kernel: ext4_convert_unwritten_extents */
function convert(inode: Inode, block: number, count: number): number {
  const sb = superBlock(inode.mem);
  const handle = journalStart(sb, creditsFor(sb).convert);
  if (typeof handle === "number") return handle;
  downWrite(inode.dataSem);
  const error = convertExtent(handle, inode, block, count);
  upWrite(inode.dataSem);
  const stopped = journalStop(handle);
  return error < 0 ? error : stopped;
}

function truncateLocked(inode: Inode, size: number): number {
  const grows = size > readSize(inode);
  const error = updateTime(inode) || growTo(inode, size);
  if (error < 0 || grows) return error;
  // A fault that saw the old size has mapped its page when mapping.sem is ours; a later one sees the new size.
  unmapRangeAlone(inode.mapping, pagesIn(size), Infinity, true);
  const failed = zeroTail(inode, size);
  return failed < 0 ? failed : truncateBlocks(inode, size);
}

function reserve(inode: Inode, mode: number, offset: number, length: number): number {
  const error = reserveHoles(inode, offset, length);
  const end = reservedEnd(inode, offset, length, error);
  const grows = (mode & Fallocate.keepSize) === 0 && end > readSize(inode);
  return (grows && growTo(inode, end)) || error;
}

/** Takes out what faults have mapped during the punch, but for those still on their way.  kernel: ext4_punch_hole */
function unmapPunched(inode: Inode, offset: number, length: number): void {
  const [first, stop] = [pagesIn(offset), Math.floor((offset + length) / PAGE_SIZE)];
  if (stop > first) unmapRangeAlone(inode.mapping, first, stop - 1, false);
}
