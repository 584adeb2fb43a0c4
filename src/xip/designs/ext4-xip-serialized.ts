// The proposal of December 2013 made right: writes split an unwritten extent and convert the middle, reads
// and faults zero what they touch and mark it written, inline, with locks that make it safe.
//
// Which lock protects what
//   rwsem (the inode's)   the file's size and which blocks belong to it, against read and write.  Reads
//                         share it; write, truncate and fallocate hold it alone.
//   invalidateSem         the same against page faults, which cannot take rwsem: a write's copy faults
//                         under it.  Faults share it; truncate holds it alone, and so does fallocate where it
//                         takes blocks away, moves them, or makes them unwritten.
//   dataSem               the extent tree, and with it what follows from the tree's verdict.  A block is
//                         zeroed, marked written, and its zero page unmapped everywhere in one hold of it
//                         alone; a hole's zero page is mapped under the shared hold that found the hole.
//
// Lock order: rwsem, (mmapSem of an address space), invalidateSem, journal handle, dataSem, mapping.sem.
//
// Why a reader cannot see stale bytes.  A block's bytes are shown only when the tree says "written", and
// nobody sees it say so before the block was zeroed: both are done in one hold of dataSem.
//
// Why no zeroing can hit bytes that somebody was handed.  Addresses are handed out for written blocks only
// (to copiers and to page tables).  A written block stops being written, or the file's, or at its place in the
// file, only in truncate and fallocate, which hold rwsem and invalidateSem alone and have unmapped it, so that
// no copier and no page table knows it any more.  A written block is zeroed only behind the end of the file, and
// where a punch or a zero range covers a part of it: then in place, mapped or not, and just the bytes that were to
// become zeros, for which it is as good as a write.
//
// What loads and stores need, which take no lock once they have a page table entry.  When an entry is taken
// out, no task can use it any more: an access before that ran beside the call and may be ordered before it, and one
// after it faults, and waits for invalidateSem until the call is done.  So nobody stores into a block that was
// freed, moved or made unwritten, where the store would be lost or reach another file.
//
// Who does not take rwsem or invalidateSem, such as FIEMAP, sees the extents under dataSem: of a punch all or
// nothing, of a zero range or a shift each step, which is a whole tree.
//
// Why nobody is left with zeros.  While a page is a hole its zero page may be mapped; nobody learns that the
// block is written before all of those are gone.  (Unmapping after dataSem is dropped is too late: another
// write finds the block, copies, and returns, and a process still loads zeros.)  So it is with blocks that the tree
// zeroes around the one that is written (extent_max_zeroout_kb).
//
// How a write whose source is a mapping of the same file avoids deadlock.  During its copy it holds rwsem
// and nothing else; the fault that the copy takes needs mmapSem, invalidateSem, a handle and dataSem, all
// behind rwsem in the order, and no fault ever takes rwsem.
//
// Readers of written extents share rwsem and dataSem and never wait for each other.

import { downRead, downWrite, upRead, upWrite } from "../../locks/rwsem.ts";
import { Errno } from "../../machine/errors.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { allocateZeroed } from "../../ext4/extents/allocate.ts";
import { creditsFor } from "../../ext4/extents/credits.ts";
import { convertExtent } from "../../ext4/extents/convert.ts";
import { State, type Extent } from "../../ext4/extents/extent.ts";
import { findExtent } from "../../ext4/extents/find.ts";
import { readSize, writeSize, type Inode } from "../../ext4/inode.ts";
import { inodeAt } from "../../ext4/inodes/cache.ts";
import { commit } from "../../ext4/journal/commit.ts";
import { journalStart, journalStop } from "../../ext4/journal/handle.ts";
import type { Handle } from "../../ext4/journal/state.ts";
import { knownBlock, lookUp } from "../../ext4/map.ts";
import { mediaAddress, superBlock } from "../../ext4/super.ts";
import { truncateBlocks } from "../../ext4/truncate.ts";
import { installPage, installZeroPage, unmapRange } from "../../mm/mapping.ts";
import type { Vma } from "../../mm/space.ts";
import type { UserBuffer } from "../../mm/user.ts";
import type { Design } from "../design.ts";
import { clearUser, copyIn, copyOut, inBlock, mediaBlock, pagesIn, startOf, streamZeros } from "../copy.ts";
import { Fallocate } from "../modes.ts";
import { changeRange, changesBlocks } from "../ranges.ts";
import { growTo, reservedEnd, reserveHoles, updateTime, zeroTail } from "../space.ts";
import { writeBackAlone } from "../write-back.ts";

export const design: Design = {
  name: "ext4-xip-serialized",
  summary: "the proposal made right: zero and convert in one hold, before anybody learns the address",
  source: "this project's answer",
  sound: true,
  locks: {
    read: "rwsem shared; for an unwritten block also handle and dataSem",
    write: "rwsem; for a block not yet written also handle and dataSem, both dropped before the copy",
    fault: "invalidateSem shared; dataSem shared to map a hole; handle and dataSem for what must be written",
    truncate: "rwsem, invalidateSem; handle and dataSem to free",
    fallocate:
      "rwsem; invalidateSem unless it only reserves; handle and dataSem for each hole, or for what it changes",
    sync: "invalidateSem to flush what was mapped; then none of the inode's: the commit waits for running handles",
  },

  read(inode, to, position, length) {
    downRead(inode.rwsem);
    const result = readLocked(inode, to, position, length);
    upRead(inode.rwsem);
    return result;
  },

  write(inode, from, place, length) {
    downWrite(inode.rwsem);
    const result = writeLocked(inode, from, startOf(inode, place), length);
    upWrite(inode.rwsem);
    return result;
  },

  fault(vma, page, write) {
    const inode = inodeAt(vma.mem, vma.inodeAt);
    if (write) updateTime(inode);
    downRead(inode.invalidateSem);
    const result = faultLocked(inode, vma, page, write);
    upRead(inode.invalidateSem);
    return result;
  },

  truncate(inode, size) {
    downWrite(inode.rwsem);
    downWrite(inode.invalidateSem);
    const result = truncateLocked(inode, size);
    upWrite(inode.invalidateSem);
    upWrite(inode.rwsem);
    return result;
  },

  fallocate(inode, mode, offset, length) {
    downWrite(inode.rwsem);
    const result = changesBlocks(mode)
      ? changeLocked(inode, mode, offset, length)
      : reserveLocked(inode, mode, offset, length);
    upWrite(inode.rwsem);
    return result;
  },

  sync(inode) {
    const error = writeBackAlone(inode);
    return error < 0 ? error : commit(superBlock(inode.mem));
  },

  writeBack: writeBackAlone,
};

function readLocked(inode: Inode, to: UserBuffer, position: number, length: number): number {
  const { mem } = inode;
  const end = Math.min(position + length, readSize(inode));
  let done = 0;
  while (position + done < end) {
    const { block, from, count } = inBlock(position + done, end - position - done);
    const media = knownBlock(inode, block) || readBlock(inode, block);
    if (media < 0) return done > 0 ? done : media;
    const copied =
      media === 0
        ? clearUser(mem, to, done, count)
        : copyOut(mem, to, done, mediaAddress(superBlock(mem), media) + from, count);
    done += copied;
    if (copied < count) return done > 0 ? done : -Errno.EFAULT;
  }
  return done;
}

/** The media block that a read of a file's block shows: 0 for zeros. */
function readBlock(inode: Inode, block: number): number {
  const extent = lookUp(inode, block);
  if (typeof extent === "number") return extent;
  // The proposal's rule for reads.  Where converting fails (no room for the split), the block stays unwritten, and
  // its zeros need no media.
  if (extent.state === State.unwritten) return Math.max(0, makeWritten(inode, block));
  return extent.state === State.written ? mediaBlock(extent, block) : 0;
}

function writeLocked(inode: Inode, from: UserBuffer, position: number, length: number): number {
  const size = readSize(inode);
  // What a mapping stored behind the end of the file must not come into view when the file grows.
  const error = (position > size ? zeroTail(inode, size) : 0) || updateTime(inode);
  if (error < 0) return error;
  const done = writeBlocks(inode, from, position, length, size);
  const failed = done > 0 && position + done > size ? growTo(inode, position + done) : 0;
  return failed < 0 ? failed : done;
}

/** Copies to one block after the other of a file of `size` bytes.  Returns how many bytes; an error where it is none. */
function writeBlocks(inode: Inode, from: UserBuffer, position: number, length: number, size: number): number {
  const { mem } = inode;
  let done = 0;
  while (done < length) {
    const { block, from: offset, count } = inBlock(position + done, length - done);
    // What lies behind the end is seldom written: that is asked in the transaction alone.
    const media = block * PAGE_SIZE < size ? writtenBlock(inode, block) : makeWritten(inode, block);
    if (media < 0) return done || media;
    const copied = copyIn(mem, mediaAddress(superBlock(mem), media) + offset, from, done, count);
    done += copied;
    if (copied < count) return done || -Errno.EFAULT;
  }
  return done;
}

/** The media block of a file's block, which is written from here on.  The same is held as by makeWritten. */
function writtenBlock(inode: Inode, block: number): number {
  return knownBlock(inode, block) || askWritten(inode, block);
}

function askWritten(inode: Inode, block: number): number {
  const extent = lookUp(inode, block);
  if (typeof extent === "number") return extent;
  return extent.state === State.written ? mediaBlock(extent, block) : makeWritten(inode, block);
}

function faultLocked(inode: Inode, vma: Vma, page: number, write: boolean): number {
  if (page >= pagesIn(readSize(inode))) return -Errno.SIGBUS;
  if (!write && mapHole(inode, vma, page)) return 0;
  const media = writtenBlock(inode, page);
  if (media < 0) return -Errno.SIGBUS;
  return installPage(vma, page, mediaAddress(superBlock(inode.mem), media), write);
}

/** Maps the zero page where the page is a hole, and says whether it was. */
function mapHole(inode: Inode, vma: Vma, page: number): boolean {
  downRead(inode.dataSem);
  const extent = findExtent(inode, page);
  const hole = typeof extent !== "number" && extent.state === State.hole;
  if (hole) installZeroPage(vma, page);
  upRead(inode.dataSem);
  return hole;
}

/**
 * The transaction: whatever the block was, afterwards it is written, and holds zeros if it was not.
 * Returns the media block.  The caller holds rwsem or invalidateSem, so the block stays the file's.
 */
function makeWritten(inode: Inode, block: number): number {
  const sb = superBlock(inode.mem);
  const credits = creditsFor(sb);
  const handle = journalStart(sb, credits.allocate + credits.convert);
  if (typeof handle === "number") return handle;
  downWrite(inode.dataSem);
  const made = zeroAndConvert(handle, inode, block);
  if (typeof made !== "number") unmapRange(inode.mapping, made.start, made.start + made.length - 1, false);
  upWrite(inode.dataSem);
  const stopped = journalStop(handle);
  if (stopped < 0) return stopped;
  return typeof made === "number" ? made : mediaBlock(made, block);
}

/** What became written: the block, and those around it that the tree zeroed rather than split off. */
function zeroAndConvert(handle: Handle, inode: Inode, block: number): Extent | number {
  // Asked again under the lock: another reader, writer or fault may have been here first.
  const found = findExtent(inode, block);
  if (typeof found === "number") return found;
  if (found.state === State.written) return part(found, block, block + 1);
  if (found.state === State.hole) return allocateZeroed(handle, inode, block, 1);
  streamZeros(inode.mem, mediaAddress(superBlock(inode.mem), mediaBlock(found, block)), PAGE_SIZE);
  const error = convertExtent(handle, inode, block, 1);
  const after = error < 0 ? error : findExtent(inode, block);
  return typeof after === "number" ? after : part(found, after.start, after.start + after.length);
}

/** What an extent has of the blocks from `start` to `end`. */
function part(extent: Extent, start: number, end: number): Extent {
  const first = Math.max(start, extent.start);
  const length = Math.min(end, extent.start + extent.length) - first;
  return { start: first, length, media: mediaBlock(extent, first), state: State.written };
}

function truncateLocked(inode: Inode, size: number): number {
  const old = readSize(inode);
  const failed = updateTime(inode);
  if (failed < 0) return failed;
  if (size > old) {
    const error = zeroTail(inode, old);
    return error < 0 ? error : growTo(inode, size);
  }
  writeSize(inode, size);
  unmapRange(inode.mapping, pagesIn(size), Infinity, true);
  const error = zeroTail(inode, size);
  return error < 0 ? error : truncateBlocks(inode, size);
}

function changeLocked(inode: Inode, mode: number, offset: number, length: number): number {
  downWrite(inode.invalidateSem);
  // Some of the modes grow the file.
  const error = updateTime(inode) || zeroTail(inode, readSize(inode));
  const result = error < 0 ? error : changeRange(inode, mode, offset, length);
  upWrite(inode.invalidateSem);
  return result;
}

function reserveLocked(inode: Inode, mode: number, offset: number, length: number): number {
  const error = reserveHoles(inode, offset, length);
  const end = reservedEnd(inode, offset, length, error);
  const size = readSize(inode);
  if ((mode & Fallocate.keepSize) !== 0 || end <= size) return error;
  return zeroTail(inode, size) || growTo(inode, end) || error;
}
