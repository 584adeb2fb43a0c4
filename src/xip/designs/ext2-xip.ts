// XIP as Linux 3.13 had it, on ext2: mm/filemap_xip.c and fs/ext2/xip.c, mistakes included.
//
// ext2 knows blocks and holes, nothing between.  A hole reads as zeros: read(2) clears the user's buffer,
// a mapping gets the one sparse (zero) page.  Filling a hole zeroes the new block before anybody can find
// it, and then takes the sparse page out of every mapping.
//
// Lock order: i_mutex (our rwsem, held alone), sparseMutex, truncateMutex, journal handle, dataSem.  The
// handle and dataSem stand in for what ext2 has instead of them (no journal, i_meta_lock).
//
// What is not protected: reads and faults against truncate.  An address that a read or a fault looked up
// stays in use after truncate freed its block.

import { Errno } from "../../machine/errors.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import { downWrite, upWrite } from "../../locks/rwsem.ts";
import { readSeqBegin, readSeqRetry, writeSeqBegin, writeSeqEnd } from "../../locks/seqcount.ts";
import { allocateExtent } from "../../ext4/extents/allocate.ts";
import { creditsFor } from "../../ext4/extents/credits.ts";
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
import { growTo, updateTime } from "../space.ts";

export const design: Design = {
  name: "ext2-xip",
  summary: "XIP of Linux 3.13 with ext2's rules: holes and the sparse page, no unwritten state",
  source: "mm/filemap_xip.c and fs/ext2/xip.c, Linux 3.13",
  sound: false,
  locks: {
    read: "none; each page is looked up alone",
    write: "i_mutex; for a hole also sparseMutex, truncateMutex; the size is published at the end",
    fault:
      "none to look up; sparseMutex and truncateMutex to fill a hole; sparseMutex to map the sparse page",
    truncate: "i_mutex; truncateMutex to free",
    fallocate: "not supported",
    sync: "none",
  },

  // kernel: do_xip_mapping_read
  read(inode, to, position, length) {
    const { mem } = inode;
    const end = Math.min(position + length, readSize(inode));
    let done = 0;
    while (position + done < end) {
      const { block, from, count } = inBlock(position + done, end - position - done);
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

  // kernel: xip_file_write
  write(inode, from, place, length) {
    downWrite(inode.rwsem);
    const result = writeLocked(inode, from, startOf(inode, place), length);
    upWrite(inode.rwsem);
    return result;
  },

  // kernel: xip_file_fault
  fault(vma, page) {
    const inode = inodeAt(vma.mem, vma.inodeAt);
    for (;;) {
      if (page >= pagesIn(readSize(inode))) return -Errno.SIGBUS;
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

  // kernel: ext2_setsize
  truncate(inode, size) {
    downWrite(inode.rwsem);
    const result = truncateLocked(inode, size);
    upWrite(inode.rwsem);
    return result;
  },

  fallocate() {
    return -Errno.EOPNOTSUPP;
  },

  sync(inode) {
    return commit(superBlock(inode.mem));
  },
};

/** The media block of a file's block, 0 for a hole.  kernel: ext2_get_xip_mem without create */
function blockOf(inode: Inode, block: number): number {
  const extent = lookUp(inode, block);
  if (typeof extent === "number") return extent;
  return extent.state === State.hole ? 0 : mediaBlock(extent, block);
}

function writeLocked(inode: Inode, from: UserBuffer, position: number, length: number): number {
  const { mem } = inode;
  let done = 0;
  let error = updateTime(inode);
  while (done < length && error === 0) {
    const { block, from: offset, count } = inBlock(position + done, length - done);
    let media = blockOf(inode, block);
    if (media === 0) media = fillHole(inode, block);
    if (media < 0) {
      error = media;
      break;
    }
    const copied = copyIn(mem, mediaAddress(superBlock(mem), media) + offset, from, done, count);
    done += copied;
    if (copied < count) error = -Errno.EFAULT;
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
  mutexLock(inode.truncateMutex);
  const media = allocateZeroed(inode, block);
  mutexUnlock(inode.truncateMutex);
  mutexUnlock(sb.sparseMutex);
  if (media > 0) unmapSparsePage(inode, block);
  return media;
}

/** kernel: ext2_get_blocks with create; the chain is read again under truncate_mutex */
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
  // kernel: ext2_clear_xip_target; nobody can find the block before dataSem is dropped
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
  mutexLock(inode.truncateMutex);
  const result = truncateBlocks(inode, size);
  mutexUnlock(inode.truncateMutex);
  return result;
}

/** Zeroes the rest of the block in which the file will end.  kernel: xip_truncate_page */
function truncatePage(inode: Inode, size: number): number {
  const from = size % PAGE_SIZE;
  const media = from === 0 ? 0 : blockOf(inode, (size - from) / PAGE_SIZE);
  if (media <= 0) return media;
  zeroBytes(inode.mem, mediaAddress(superBlock(inode.mem), media) + from, PAGE_SIZE - from);
  return 0;
}
