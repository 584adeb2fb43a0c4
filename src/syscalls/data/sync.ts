// Calls that make things durable: fsync of an open file, msync of what a mapping shows, sync of all.
//
// No lock is held while a design syncs; what it syncs is held by reference.

import { isFile } from "../../ext4/inode.ts";
import { igetNext, ihold, inodeAt } from "../../ext4/inodes/cache.ts";
import { commit } from "../../ext4/journal/commit.ts";
import { superBlock } from "../../ext4/super.ts";
import { downRead, upRead } from "../../locks/rwsem.ts";
import { Errno } from "../../machine/errors.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { dirtyPages } from "../../mm/dirty.ts";
import { findVmaFrom, pageAt, type Vma } from "../../mm/space.ts";
import { flushAllMapped } from "../../xip/write-back.ts";
import { isInt, isOffset } from "../arguments.ts";
import { putInode } from "../file.ts";
import { Msync } from "../flags.ts";
import type { Caller } from "../process.ts";
import { type CallRecord, Mapped, recordFile } from "../record.ts";
import { isAligned, recordRange } from "./region.ts";

/** Makes an open file durable.  Returns 0 or an error number.  kernel: do_fsync */
export function syncDescriptor(caller: Caller, record: CallRecord | undefined, fd: number): number {
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  const inode = caller.inode(file);
  if (record !== undefined) recordFile(record, inode, 0, 0);
  // A directory has no data path: its blocks are metadata.
  const result = isFile(inode) ? caller.design.sync(inode) : commit(superBlock(caller.mem));
  caller.release(file);
  return result;
}

/**
 * Makes everything durable: files that are in memory are written back one after the other, then what was stored to
 * others, then one commit.  kernel: ksys_sync
 */
export function syncAll(caller: Caller): number {
  const { mem, design } = caller;
  const sb = superBlock(mem);
  let result = 0;
  if (design.writeBack !== undefined && dirtyPages(mem).count > 0) {
    for (let next = igetNext(mem, 0); next !== undefined; next = igetNext(mem, next.place + 1)) {
      const { inode } = next;
      const error = isFile(inode) ? design.writeBack(inode) : 0;
      result ||= putInode(inode, error);
    }
    flushAllMapped(sb);
  }
  return commit(sb) || result;
}

const MSYNC = Msync.async | Msync.invalidate | Msync.sync;

/**
 * Makes what was stored through shared mappings durable, with MS_SYNC; the other flags ask for nothing, as pages have no
 * copies and nobody writes them back later.  kernel: msync
 */
export function syncPages(
  caller: Caller,
  record: CallRecord | undefined,
  address: number,
  length: number,
  flags: number,
): number {
  if (record !== undefined) recordRange(record, address, length);
  if (!isInt(flags) || (flags & ~MSYNC) !== 0) return -Errno.EINVAL;
  if ((flags & Msync.async) !== 0 && (flags & Msync.sync) !== 0) return -Errno.EINVAL;
  if (!isAligned(address) || !isOffset(length)) return -Errno.EINVAL;
  const span = Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
  if (span === 0) return 0;
  // What is negative here is a very large number there, where nothing is mapped.
  if (address < 0 || span < 0) return -Errno.ENOMEM;
  const end = address + span;
  let unmapped = 0;
  for (let at = address; at < end;) {
    downRead(caller.space.mmapSem);
    const vma = findVmaFrom(caller.space, at);
    const next = vma === undefined ? end : vma.end;
    const reached = vma !== undefined && vma.start < end && vma.shared !== 0;
    const inode = reached && (flags & Msync.sync) !== 0 ? inodeAt(caller.mem, vma.inodeAt) : undefined;
    if (vma === undefined || vma.start > at) unmapped = -Errno.ENOMEM;
    if (inode !== undefined) ihold(inode);
    if (record !== undefined && inode !== undefined && vma !== undefined && covers(vma, address, end)) {
      recordFile(record, inode, pageAt(vma, address) * PAGE_SIZE, length);
      record.mapped = Mapped.shared;
    }
    upRead(caller.space.mmapSem);
    if (inode !== undefined) {
      // As in the kernel: the sync runs without mmapSem, so the file is held meanwhile.
      const failed = putInode(inode, caller.design.sync(inode));
      if (failed < 0) return failed;
    }
    at = next;
  }
  return unmapped;
}

const covers = (vma: Vma, start: number, end: number): boolean => vma.start <= start && vma.end >= end;
