// DAX as of Linux 6.1: iomap, the invalidate lock, entry locks.
//
// Reads never convert.  A write zeroes and converts in one transaction before its copy, and so does a write
// fault before the page table entry goes in.  Everything that takes blocks away runs under the
// invalidate lock, with mappings removed first.
//
// Lock order: i_rwsem, (mmapSem), invalidateSem, journal handle, entry, dataSem; mapping.sem innermost.
//
// Not protected: a write that finds a block just filled by a fault does not wait until that fault has taken
// the zero page out of other processes; for a moment they load zeros where the write has returned.  So it is in
// the sources: for a block that is written already the write asks for no entry, and the fault converts before it
// unmaps.  In 4.9 each write took zero pages out behind its copy, which covered this.  Nor are zero pages taken out
// of blocks that become written because the tree zeroes them rather than splits them off (extent_max_zeroout_kb): a
// later write finds such a block written, and processes that have the zero page go on loading zeros.

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
import { installPage, installZeroPage, lockEntry, unlockEntry, unmapRange } from "../../mm/mapping.ts";
import type { Vma } from "../../mm/space.ts";
import type { UserBuffer } from "../../mm/user.ts";
import type { Design } from "../design.ts";
import { clearUser, copyIn, copyOut, inBlock, mediaBlock, pagesIn, startOf, streamZeros } from "../copy.ts";
import { Fallocate } from "../modes.ts";
import { changeRange, changesBlocks } from "../ranges.ts";
import { growTo, reservedEnd, reserveHoles, updateTime, zeroTail } from "../space.ts";
import { writeBackEntries } from "../write-back.ts";

export const design: Design = {
  name: "dax-6.1",
  summary: "iomap DAX: zero and convert in one transaction before the copy; reads never convert",
  source: "fs/dax.c, fs/ext4/inode.c, extents.c and file.c, Linux 6.1",
  sound: false,
  options: { extent_max_zeroout_kb: 32, mballoc: 1 },
  mapSync: true,
  locks: {
    read: "i_rwsem shared",
    write: "i_rwsem; handle and dataSem to map what is not written; then entries, to take out zero pages",
    fault:
      "invalidateSem shared, handle when it stores, entry, dataSem; with MAP_SYNC then the commit, and the entry again",
    truncate: "i_rwsem, invalidateSem; handle and dataSem to free",
    fallocate: "i_rwsem; invalidateSem unless it only reserves; handle and dataSem",
    sync: "invalidateSem shared, and entry after entry, to flush what was mapped; then the commit, which waits for handles",
  },

  // kernel: ext4_dax_read_iter
  read(inode, to, position, length) {
    downRead(inode.rwsem);
    const result = readLocked(inode, to, position, length);
    upRead(inode.rwsem);
    return result;
  },

  // kernel: ext4_dax_write_iter
  write(inode, from, place, length) {
    downWrite(inode.rwsem);
    const result = writeLocked(inode, from, startOf(inode, place), length);
    upWrite(inode.rwsem);
    return result;
  },

  // kernel: ext4_dax_huge_fault, dax_iomap_pte_fault
  fault(vma, page, write) {
    const inode = inodeAt(vma.mem, vma.inodeAt);
    const error = write ? updateTime(inode) : 0;
    if (error < 0) return -Errno.SIGBUS;
    downRead(inode.invalidateSem);
    const result = write ? writeFault(inode, vma, page) : readFault(inode, vma, page);
    upRead(inode.invalidateSem);
    return result;
  },

  // kernel: ext4_setattr
  truncate(inode, size) {
    downWrite(inode.rwsem);
    downWrite(inode.invalidateSem);
    const result = truncateLocked(inode, size);
    upWrite(inode.invalidateSem);
    upWrite(inode.rwsem);
    return result;
  },

  // kernel: ext4_fallocate
  fallocate(inode, mode, offset, length) {
    downWrite(inode.rwsem);
    let result = updateTime(inode);
    if (result === 0 && changesBlocks(mode)) {
      downWrite(inode.invalidateSem);
      result = changeRange(inode, mode, offset, length);
      upWrite(inode.invalidateSem);
    } else if (result === 0) {
      result = reserve(inode, mode, offset, length);
    }
    upWrite(inode.rwsem);
    return result;
  },

  sync(inode) {
    const error = writeBackEntries(inode);
    return error < 0 ? error : commit(superBlock(inode.mem));
  },

  writeBack: writeBackEntries,
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
  let error = updateTime(inode);
  let done = 0;
  while (done < length && error === 0) {
    const { block } = inBlock(position + done, length - done);
    const extent = mapForWrite(inode, block, pagesIn(position + length) - block);
    if (typeof extent === "number") {
      error = extent;
      break;
    }
    const at = position + done;
    const count = Math.min(length - done, (extent.start + extent.length) * PAGE_SIZE - at);
    const media = mediaAddress(superBlock(mem), mediaBlock(extent, block)) + (at % PAGE_SIZE);
    const copied = copyIn(mem, media, from, done, count);
    done += copied;
    if (copied < count) error = -Errno.EFAULT;
  }
  if (done > 0 && position + done > readSize(inode)) {
    const failed = growTo(inode, position + done);
    if (failed < 0) return failed;
  }
  return done > 0 ? done : error;
}

/** A written extent that covers a block, with up to `count` blocks from there on.  kernel: ext4_iomap_begin */
function mapForWrite(inode: Inode, block: number, count: number): Extent | number {
  const found = lookUp(inode, block);
  if (typeof found === "number" || found.state === State.written) return found;
  const sb = superBlock(inode.mem);
  const credits = creditsFor(sb);
  const handle = journalStart(sb, credits.allocate + credits.convert);
  if (typeof handle === "number") return handle;
  const made = makeWritten(handle, inode, block, count);
  const stopped = journalStop(handle);
  if (typeof made === "number") return made;
  if (stopped < 0) return stopped;
  for (let page = made.start; page < made.start + made.length; page++) {
    // kernel: invalidate_inode_pages2_range, which waits for faults that have the entry
    lockEntry(inode.mapping, page);
    unmapRange(inode.mapping, page, page, false);
    unlockEntry(inode.mapping, page);
  }
  return made;
}

/** Zeroes and converts, or allocates, under one hold of dataSem.  kernel: ext4_map_blocks, CREATE_ZERO */
function makeWritten(handle: Handle, inode: Inode, block: number, count: number): Extent | number {
  downWrite(inode.dataSem);
  const result = makeWrittenLocked(handle, inode, block, count);
  upWrite(inode.dataSem);
  return result;
}

function makeWrittenLocked(handle: Handle, inode: Inode, block: number, count: number): Extent | number {
  const sb = superBlock(inode.mem);
  const found = findExtent(inode, block);
  if (typeof found === "number" || found.state === State.written) return found;
  if (found.state === State.hole) {
    const made = allocateExtent(handle, inode, block, count, State.written);
    if (typeof made === "number") return made;
    streamZeros(inode.mem, mediaAddress(sb, made.media), made.length * PAGE_SIZE);
    return made;
  }
  const length = Math.min(count, found.start + found.length - block);
  const piece: Extent = { start: block, length, media: mediaBlock(found, block), state: State.written };
  streamZeros(inode.mem, mediaAddress(sb, piece.media), length * PAGE_SIZE);
  const error = convertExtent(handle, inode, block, length);
  return error < 0 ? error : piece;
}

function readFault(inode: Inode, vma: Vma, page: number): number {
  if (page >= pagesIn(readSize(inode))) return -Errno.SIGBUS;
  lockEntry(inode.mapping, page);
  const extent = lookUp(inode, page);
  let result: number = -Errno.SIGBUS;
  if (typeof extent !== "number") {
    result =
      extent.state === State.written
        ? installPage(vma, page, mediaAddress(superBlock(inode.mem), mediaBlock(extent, page)), false)
        : installZeroPage(vma, page);
  }
  unlockEntry(inode.mapping, page);
  return result;
}

function writeFault(inode: Inode, vma: Vma, page: number): number {
  const sb = superBlock(inode.mem);
  const credits = creditsFor(sb);
  const handle = journalStart(sb, credits.allocate + credits.convert);
  if (typeof handle === "number") return -Errno.SIGBUS;
  if (page >= pagesIn(readSize(inode))) {
    journalStop(handle);
    return -Errno.SIGBUS;
  }
  lockEntry(inode.mapping, page);
  const extent = makeWritten(handle, inode, page, 1);
  if (typeof extent !== "number") {
    // kernel: dax_insert_entry takes out the zero page that other processes may have
    unmapRange(inode.mapping, page, page, false);
    if (vma.sync === 0) installPage(vma, page, mediaAddress(sb, mediaBlock(extent, page)), true);
  }
  unlockEntry(inode.mapping, page);
  const stopped = journalStop(handle);
  if (typeof extent === "number" || stopped < 0) return -Errno.SIGBUS;
  return vma.sync === 0 ? 0 : finishSynchronous(inode, vma, page);
}

/**
 * Maps a page to be stored to when what the fault has changed is durable.  The block stays the file's meanwhile:
 * invalidateSem is held.  It commits whatever is running, where the kernel asks for the inode's transaction only.
 *
 * kernel: dax_finish_sync_fault
 */
function finishSynchronous(inode: Inode, vma: Vma, page: number): number {
  const sb = superBlock(inode.mem);
  if (commit(sb) < 0) return -Errno.SIGBUS;
  lockEntry(inode.mapping, page);
  const extent = lookUp(inode, page);
  const mapped = typeof extent !== "number" && extent.state === State.written;
  if (mapped) installPage(vma, page, mediaAddress(sb, mediaBlock(extent, page)), true);
  unlockEntry(inode.mapping, page);
  return mapped ? 0 : -Errno.SIGBUS;
}

function truncateLocked(inode: Inode, size: number): number {
  const grows = size > readSize(inode);
  const error = updateTime(inode) || growTo(inode, size);
  if (error < 0 || grows) return error;
  unmapRange(inode.mapping, pagesIn(size), Infinity, true);
  const failed = zeroTail(inode, size);
  return failed < 0 ? failed : truncateBlocks(inode, size);
}

function reserve(inode: Inode, mode: number, offset: number, length: number): number {
  const error = reserveHoles(inode, offset, length);
  const end = reservedEnd(inode, offset, length, error);
  const grows = (mode & Fallocate.keepSize) === 0 && end > readSize(inode);
  return (grows && growTo(inode, end)) || error;
}
