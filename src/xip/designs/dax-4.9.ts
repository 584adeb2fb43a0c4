// DAX as of Linux 4.9: blocks are zeroed before anybody is handed them, entry locks, i_mmap_sem.
//
// Reads never convert.  A write zeroes and converts in one transaction before its copy, and so does a write
// fault before the page table entry goes in.  Everything that takes blocks away runs under i_mmap_sem
// (our invalidateSem) held alone, with mappings removed first.
//
// Lock order: i_rwsem, (mmapSem), invalidateSem, journal handle, entry, dataSem; mapping.sem innermost.
//
// Not protected: the verdict "hole" of a load's fault, against a write.  A write takes zero pages out before
// and after its copy, and does not wait for a fault that has the entry and is about to map one.
//
// Durability: blocks are zeroed through the driver, which stores past the caches (sb_issue_zeroout, memcpy_to_pmem),
// parts of blocks with a write-back behind (clear_pmem), and so are copies (copy_from_iter_pmem); the commit's flush is
// the fence. fsync and sync flush every page that was ever mapped to be stored to; none is protected, and none gets
// clean.
//
// Not here: a write of whole blocks behind the end, which does not zero them first.

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
import { installPage, installZeroPage, lockEntry, unlockEntry, unmapRangeAlone } from "../../mm/mapping.ts";
import type { Vma } from "../../mm/space.ts";
import type { UserBuffer } from "../../mm/user.ts";
import type { Design } from "../design.ts";
import { clearUser, copyIn, copyOut, inBlock, mediaBlock, pagesIn, startOf, streamZeros } from "../copy.ts";
import { Fallocate } from "../modes.ts";
import { changeRange, changesBlocks } from "../ranges.ts";
import { growTo, reservedEnd, reserveHoles, updateTime, zeroTail } from "../space.ts";
import { flushMapped } from "../write-back.ts";

export const design: Design = {
  name: "dax-4.9",
  summary:
    "pre-zeroed blocks, entry locks, i_mmap_sem; writes take zero pages out without waiting for faults",
  source:
    "fs/dax.c, fs/ext4/inode.c, extents.c and file.c, mm/filemap.c, arch/x86/include/asm/pmem.h, Linux 4.9",
  sound: false,
  locks: {
    read: "i_rwsem shared",
    write: "i_rwsem; handle and dataSem to map what is not written",
    fault: "invalidateSem shared, handle when it stores, entry, dataSem",
    truncate: "i_rwsem, invalidateSem; handle and dataSem to free",
    fallocate: "i_rwsem; invalidateSem unless it only reserves; handle and dataSem",
    sync: "dataSem shared to find what was mapped; then none of the inode's: the commit waits for running handles",
  },

  // kernel: ext4_direct_IO_read
  read(inode, to, position, length) {
    downRead(inode.rwsem);
    const result = readLocked(inode, to, position, length);
    upRead(inode.rwsem);
    return result;
  },

  // kernel: ext4_file_write_iter
  write(inode, from, place, length) {
    downWrite(inode.rwsem);
    const result = writeLocked(inode, from, startOf(inode, place), length);
    upWrite(inode.rwsem);
    return result;
  },

  // kernel: ext4_dax_fault, dax_fault
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
    const result = truncateLocked(inode, size);
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
    const error = flushMapped(inode);
    return error < 0 ? error : commit(superBlock(inode.mem));
  },

  writeBack: flushMapped,
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
  if (error === 0) invalidate(inode, position, length);
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

/** A written extent that covers a block, with up to `count` blocks from there on.  kernel: ext4_dax_get_block */
function mapForWrite(inode: Inode, block: number, count: number): Extent | number {
  const found = lookUp(inode, block);
  if (typeof found === "number" || found.state === State.written) return found;
  const sb = superBlock(inode.mem);
  const credits = creditsFor(sb);
  const handle = journalStart(sb, credits.allocate + credits.convert);
  if (typeof handle === "number") return handle;
  const made = makeWritten(handle, inode, block, count);
  const stopped = journalStop(handle);
  return stopped < 0 ? stopped : made;
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
    // kernel: dax_insert_mapping_entry takes out the zero page that other processes may have
    unmapRangeAlone(inode.mapping, page, page, false);
    installPage(vma, page, mediaAddress(sb, mediaBlock(extent, page)), true);
  }
  unlockEntry(inode.mapping, page);
  const stopped = journalStop(handle);
  return typeof extent === "number" || stopped < 0 ? -Errno.SIGBUS : 0;
}

function truncateLocked(inode: Inode, size: number): number {
  const grows = size > readSize(inode);
  const error = updateTime(inode) || growTo(inode, size);
  if (error < 0 || grows) return error;
  downWrite(inode.invalidateSem);
  unmapRangeAlone(inode.mapping, pagesIn(size), Infinity, true);
  const failed = zeroTail(inode, size) || truncateBlocks(inode, size);
  upWrite(inode.invalidateSem);
  return failed;
}

function reserve(inode: Inode, mode: number, offset: number, length: number): number {
  const error = reserveHoles(inode, offset, length);
  const end = reservedEnd(inode, offset, length, error);
  const grows = (mode & Fallocate.keepSize) === 0 && end > readSize(inode);
  return (grows && growTo(inode, end)) || error;
}
