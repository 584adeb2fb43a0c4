// The door to the journal: every change of metadata happens between journalStart and journalStop.
//
//   const handle = journalStart(sb, credits);       how many blocks this operation may change, at most
//   getWriteAccess(handle, buffer);                 before the first byte of a buffer is changed
//   … change it …
//   dirtyMetadata(handle, buffer);                  after
//   journalStop(handle);
//
// Handles nest: a start inside a running handle joins it, and its blocks count against the outer credits.
// A running handle holds `journal.sem` shared and commit takes it exclusively, so a commit sees whole
// operations only.  A task that runs a handle must not commit.
//
// Lock order: inode.rwsem, invalidateSem, then the handle, then inode.dataSem and everything below it.
//
// kernel: jbd2_journal_start, ext4_journal_start

import { assert, bug, Errno } from "../../machine/errors.ts";
import { touch } from "../../machine/snapshot.ts";
import { leafLock, leafUnlock } from "../../locks/leaf.ts";
import { downRead, upRead } from "../../locks/rwsem.ts";
import { needsCommit } from "../alloc/free-map.ts";
import { bufferCache, dropBuffer, getNewBuffer, setDirty, type Buffer, type BufferCache } from "../buffer.ts";
import { BLOCK_SIZE, superBlock, type SuperBlock } from "../super.ts";
import { commit } from "./commit.ts";
import { currentHandle, journalSem, type Handle } from "./state.ts";

/** Half of the cache may be dirty or promised to handles: the other half is for what is only read. */
const dirtyLimit = (cache: BufferCache): number => cache.capacity >>> 1;

/** Whether the credits are promised now. */
function promise(cache: BufferCache, credits: number): boolean {
  leafLock(cache.lock);
  const fits = cache.dirtyCount + cache.promised + credits <= dirtyLimit(cache);
  if (fits) cache.promised += credits;
  leafUnlock(cache.lock);
  return fits;
}

/**
 * Starts an operation that changes at most `credits` blocks of metadata.  -ENOSPC when no commit could
 * make room for so many; -EROFS after damage, where the image asks for that; what commit itself returns when it was needed and failed.
 */
export function journalStart(sb: SuperBlock, credits: number): Handle | number {
  const { mem } = sb;
  const handle = currentHandle(mem);
  if (handle.depth > 0) {
    handle.depth += 1;
    return handle;
  }
  if (sb.readOnly !== 0) return -Errno.EROFS;
  const cache = bufferCache(mem);
  if (credits > dirtyLimit(cache) >>> 2) return -Errno.ENOSPC;
  if (sb.mballoc !== 0 && needsCommit(sb, credits)) {
    const result = commit(sb);
    if (result < 0) return result;
  }
  const sem = journalSem(mem);
  downRead(sem);
  while (!promise(cache, credits)) {
    upRead(sem);
    const result = commit(sb);
    if (result < 0) return result;
    downRead(sem);
  }
  handle.depth = 1;
  handle.credits = credits;
  handle.asked = credits;
  return handle;
}

/** Ends it; the changes become durable with the next commit. */
export function journalStop(handle: Handle): number {
  assert(handle.depth > 0, "a handle is stopped as often as it was started");
  handle.depth -= 1;
  if (handle.depth > 0) return 0;
  const cache = bufferCache(handle.mem);
  leafLock(cache.lock);
  cache.promised -= handle.credits;
  leafUnlock(cache.lock);
  // A stopped handle leaves no trace of what it was: equal machines, equal words.
  handle.credits = 0;
  handle.asked = 0;
  upRead(journalSem(handle.mem));
  return 0;
}

/** Says that a buffer's bytes are about to change. */
export function getWriteAccess(handle: Handle, buffer: Buffer): number {
  assert(handle.depth > 0, "metadata changes inside a running handle");
  assert(buffer.references > 0, "a buffer that changes is held");
  touch(buffer.mem, buffer.data, BLOCK_SIZE);
  return 0;
}

/**
 * The buffer of a block that becomes metadata now: zeroed, nothing is read from media, write access
 * given.  The caller fills it, says its kind, and calls dirtyMetadata; then releases it.
 */
export function getCreateAccess(handle: Handle, block: number): Buffer | number {
  assert(handle.depth > 0, "metadata changes inside a running handle");
  return getNewBuffer(superBlock(handle.mem), block);
}

/** Says that a buffer's bytes have changed: the next commit computes its checksum and writes it. */
export function dirtyMetadata(handle: Handle, buffer: Buffer): number {
  assert(handle.depth > 0, "metadata changes inside a running handle");
  if (!setDirty(buffer)) return 0;
  // As in jbd2, a block that the running transaction has already costs nothing.
  if (handle.credits === 0) {
    bug(`a handle asked for ${handle.asked} credits and changes one block more: ${buffer.block}`);
  }
  handle.credits -= 1;
  const cache = bufferCache(handle.mem);
  leafLock(cache.lock);
  cache.promised -= 1;
  leafUnlock(cache.lock);
  return 0;
}

/** A block of metadata was freed: what its buffer holds must never reach media. */
export function forget(handle: Handle, block: number): void {
  assert(handle.depth > 0, "metadata is freed inside a running handle");
  dropBuffer(superBlock(handle.mem), block);
}
