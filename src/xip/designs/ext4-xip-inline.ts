// The proposal of 8 December 2013: convert inline, in XIP wrappers of ext4, with no callbacks and with no
// locks beyond those that XIP had.
//
// A write splits the unwritten extent into up to three and marks the middle written when its copy is
// done, having zeroed what it does not cover of the first and last block.  A read, or a page fault,
// zeroes the unwritten extent and marks it written, and then goes the usual way.
//
// Lock order: i_mutex (our rwsem, held alone), sparseMutex, journal handle, dataSem.
//
// What is not protected: the verdict "unwritten".  Between the lookup that gives it and the conversion,
// others give themselves the same verdict, and zero what the first one, or its copy, has put there.  And
// reads and faults against truncate, as in ext2.

import { Errno } from "../../machine/errors.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import { downWrite, upWrite } from "../../locks/rwsem.ts";
import { readSeqBegin, readSeqRetry, writeSeqBegin, writeSeqEnd } from "../../locks/seqcount.ts";
import { allocateExtent } from "../../ext4/extents/allocate.ts";
import { creditsFor } from "../../ext4/extents/credits.ts";
import { convertExtent } from "../../ext4/extents/convert.ts";
import { State } from "../../ext4/extents/extent.ts";
import { findExtent } from "../../ext4/extents/find.ts";
import { readSize, writeSize, type Inode } from "../../ext4/inode.ts";
import { inodeAt } from "../../ext4/inodes/cache.ts";
import { commit } from "../../ext4/journal/commit.ts";
import { journalStart, journalStop } from "../../ext4/journal/handle.ts";
import type { Handle } from "../../ext4/journal/state.ts";
import { lookUp } from "../../ext4/map.ts";
import { mediaAddress, superBlock } from "../../ext4/super.ts";
import { truncateBlocks } from "../../ext4/truncate.ts";
import { installPage, installZeroPage, unmapRange } from "../../mm/mapping.ts";
import type { Vma } from "../../mm/space.ts";
import type { UserBuffer } from "../../mm/user.ts";
import type { Design } from "../design.ts";
import { clearUser, copyIn, copyOut, inBlock, mediaBlock, pagesIn, startOf, zeroBytes } from "../copy.ts";
import { Fallocate } from "../modes.ts";
import { growTo, reservedEnd, reserveHoles, updateTime } from "../space.ts";

export const design: Design = {
  name: "ext4-xip-inline",
  summary: "the mail's proposal: zero and convert inline, no locks beyond those XIP had",
  source: "R. Zwisler to D. Chinner, linux-ext4, 8 December 2013",
  sound: false,
  locks: {
    read: "none; handle and dataSem to mark an unwritten extent written",
    write:
      "i_mutex; for a hole also sparseMutex, handle, dataSem; handle and dataSem to convert after the copy",
    fault:
      "none to look up; handle and dataSem to mark written; sparseMutex, handle, dataSem to fill a hole; sparseMutex to map the sparse page",
    truncate: "i_mutex; handle and dataSem to free",
    fallocate: "i_mutex; handle and dataSem for each hole",
    sync: "none of the inode's; the commit waits for running handles",
  },

  // kernel: do_xip_mapping_read, wrapped
  read(inode, to, position, length) {
    const { mem } = inode;
    const end = Math.min(position + length, readSize(inode));
    let done = 0;
    while (position + done < end) {
      const { block, from, count } = inBlock(position + done, end - position - done);
      const failed = zeroUnwritten(inode, block);
      if (failed < 0) return done > 0 ? done : failed;
      const media = blockOf(inode, block);
      if (media < 0) return done > 0 ? done : media;
      const copied =
        media === 0
          ? clearUser(mem, to, done, count)
          : copyOut(mem, to, done, mediaAddress(superBlock(mem), media) + from, count);
      done += copied;
      if (copied < count) return done > 0 ? done : -Errno.EFAULT;
    }
    return done;
  },

  // kernel: xip_file_write, wrapped
  write(inode, from, place, length) {
    downWrite(inode.rwsem);
    const result = writeLocked(inode, from, startOf(inode, place), length);
    upWrite(inode.rwsem);
    return result;
  },

  // kernel: xip_file_fault, wrapped
  fault(vma, page) {
    const inode = inodeAt(vma.mem, vma.inodeAt);
    for (;;) {
      if (page >= pagesIn(readSize(inode))) return -Errno.SIGBUS;
      if (zeroUnwritten(inode, page) < 0) return -Errno.SIGBUS;
      let media = blockOf(inode, page);
      if (media < 0) return -Errno.SIGBUS;
      if (media === 0 && vma.shared !== 0 && vma.writable !== 0) {
        media = fillHole(inode, page);
        if (media < 0) return -Errno.SIGBUS;
      }
      if (media !== 0) return installPage(vma, page, mediaAddress(superBlock(vma.mem), media), true);
      const mapped = mapSparsePage(inode, vma, page);
      if (mapped <= 0) return mapped;
      // Somebody filled the hole before we had the mutex: look again.
    }
  },

  // kernel: ext4_setattr
  truncate(inode, size) {
    downWrite(inode.rwsem);
    const result = truncateLocked(inode, size);
    upWrite(inode.rwsem);
    return result;
  },

  fallocate(inode, mode, offset, length) {
    if ((mode & ~Fallocate.keepSize) !== 0) return -Errno.EOPNOTSUPP;
    downWrite(inode.rwsem);
    let result = reserveHoles(inode, offset, length);
    const end = reservedEnd(inode, offset, length, result);
    const grows = (mode & Fallocate.keepSize) === 0 && end > readSize(inode);
    if (grows) result = growTo(inode, end) || result;
    upWrite(inode.rwsem);
    return result;
  },

  sync(inode) {
    return commit(superBlock(inode.mem));
  },
};

/** The media block of a file's block, 0 for a hole; an unwritten block has a number, so it counts. */
function blockOf(inode: Inode, block: number): number {
  const extent = lookUp(inode, block);
  if (typeof extent === "number") return extent;
  return extent.state === State.hole ? 0 : mediaBlock(extent, block);
}

/** The block for a write's copy, 0 for a hole; what the write does not cover of an unwritten one is zeroed. */
function prepareBlock(inode: Inode, block: number, from: number, count: number): number {
  const extent = lookUp(inode, block);
  if (typeof extent === "number") return extent;
  if (extent.state === State.hole) return 0;
  const media = mediaBlock(extent, block);
  if (extent.state === State.written) return media;
  const at = mediaAddress(superBlock(inode.mem), media);
  zeroBytes(inode.mem, at, from);
  zeroBytes(inode.mem, at + from + count, PAGE_SIZE - from - count);
  return media;
}

/** A read's or a fault's part of the proposal: the whole unwritten extent becomes zeros, then written. */
function zeroUnwritten(inode: Inode, block: number): number {
  const extent = lookUp(inode, block);
  if (typeof extent === "number") return extent;
  if (extent.state !== State.unwritten) return 0;
  zeroBytes(inode.mem, mediaAddress(superBlock(inode.mem), extent.media), extent.length * PAGE_SIZE);
  return markWritten(inode, extent.start, extent.length);
}

/** A write's part, when its copy is done: what it covered becomes written, one extent after another. */
function markAllWritten(inode: Inode, first: number, end: number): number {
  for (let block = first; block < end;) {
    const extent = lookUp(inode, block);
    if (typeof extent === "number") return extent;
    const count = Math.min(end, extent.start + extent.length) - block;
    const error = extent.state === State.unwritten ? markWritten(inode, block, count) : 0;
    if (error < 0) return error;
    block += count;
  }
  return 0;
}

function markWritten(inode: Inode, block: number, count: number): number {
  const sb = superBlock(inode.mem);
  const handle = journalStart(sb, creditsFor(sb).convert);
  if (typeof handle === "number") return handle;
  downWrite(inode.dataSem);
  const error = convertExtent(handle, inode, block, count);
  upWrite(inode.dataSem);
  const stopped = journalStop(handle);
  return error < 0 ? error : stopped;
}

function writeLocked(inode: Inode, from: UserBuffer, position: number, length: number): number {
  const { mem } = inode;
  let done = 0;
  let error = updateTime(inode);
  while (done < length && error === 0) {
    const { block, from: offset, count } = inBlock(position + done, length - done);
    let media = prepareBlock(inode, block, offset, count);
    if (media === 0) media = fillHole(inode, block);
    if (media < 0) {
      error = media;
      break;
    }
    const copied = copyIn(mem, mediaAddress(superBlock(mem), media) + offset, from, done, count);
    done += copied;
    if (copied < count) error = -Errno.EFAULT;
  }
  if (done > 0) {
    const first = Math.floor(position / PAGE_SIZE);
    const failed = markAllWritten(inode, first, pagesIn(position + done));
    if (failed < 0) return failed;
  }
  if (done > 0 && position + done > readSize(inode)) {
    const failed = growTo(inode, position + done);
    if (failed < 0) return failed;
  }
  return done > 0 ? done : error;
}

/** Puts a zeroed block into a hole and takes the sparse page out of all mappings.  Returns the block. */
function fillHole(inode: Inode, block: number): number {
  const sb = superBlock(inode.mem);
  mutexLock(sb.sparseMutex);
  const media = allocateZeroed(inode, block);
  mutexUnlock(sb.sparseMutex);
  if (media > 0) unmapSparsePage(inode, block);
  return media;
}

/** kernel: ext4_get_block with create */
function allocateZeroed(inode: Inode, block: number): number {
  const sb = superBlock(inode.mem);
  const handle = journalStart(sb, creditsFor(sb).allocate);
  if (typeof handle === "number") return handle;
  downWrite(inode.dataSem);
  const media = allocateLocked(handle, inode, block);
  upWrite(inode.dataSem);
  const stopped = journalStop(handle);
  return stopped < 0 ? stopped : media;
}

function allocateLocked(handle: Handle, inode: Inode, block: number): number {
  const found = findExtent(inode, block);
  if (typeof found === "number") return found;
  if (found.state !== State.hole) return mediaBlock(found, block);
  const made = allocateExtent(handle, inode, block, 1, State.written);
  if (typeof made === "number") return made;
  const media = mediaBlock(made, block);
  // Nobody can find the block before dataSem is dropped.
  zeroBytes(inode.mem, mediaAddress(superBlock(inode.mem), media), PAGE_SIZE);
  return media;
}

/** Returns 0 when the sparse page is mapped, 1 when the page is no hole any more. */
function mapSparsePage(inode: Inode, vma: Vma, page: number): number {
  const sb = superBlock(inode.mem);
  mutexLock(sb.sparseMutex);
  writeSeqBegin(sb.sparseSeq);
  const media = blockOf(inode, page);
  let result = media < 0 ? -Errno.SIGBUS : 1;
  if (media === 0) result = installZeroPage(vma, page);
  writeSeqEnd(sb.sparseSeq);
  mutexUnlock(sb.sparseMutex);
  return result;
}

/** kernel: __xip_unmap; goes round again when a sparse page was mapped meanwhile */
function unmapSparsePage(inode: Inode, page: number): void {
  const sb = superBlock(inode.mem);
  const seen = readSeqBegin(sb.sparseSeq);
  unmapRange(inode.mapping, page, page, false);
  if (!readSeqRetry(sb.sparseSeq, seen)) return;
  mutexLock(sb.sparseMutex);
  unmapRange(inode.mapping, page, page, false);
  mutexUnlock(sb.sparseMutex);
}

function truncateLocked(inode: Inode, size: number): number {
  const error = truncatePage(inode, size) || updateTime(inode);
  if (error < 0) return error;
  if (size > readSize(inode)) return growTo(inode, size);
  writeSize(inode, size);
  unmapRange(inode.mapping, pagesIn(size), Infinity, true);
  return truncateBlocks(inode, size);
}

/** Zeroes the rest of the block in which the file will end.  kernel: xip_truncate_page */
function truncatePage(inode: Inode, size: number): number {
  const from = size % PAGE_SIZE;
  const media = from === 0 ? 0 : blockOf(inode, (size - from) / PAGE_SIZE);
  if (media <= 0) return media;
  zeroBytes(inode.mem, mediaAddress(superBlock(inode.mem), media) + from, PAGE_SIZE - from);
  return 0;
}
