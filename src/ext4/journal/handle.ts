// The door to the journal: every change of metadata happens between journalStart and journalStop.
//
//   const handle = journalStart(sb, credits);       how many blocks this operation may change, at most
//   getWriteAccess(handle, buffer);                 before the first byte of a buffer is changed
//   … change it …
//   dirtyMetadata(handle, buffer);                  after
//   journalStop(handle);
//
// What becomes longer than was thought asks for more (extendHandle), or lets what is done commit and goes on
// (restartHandle).
//
// Handles nest: a start inside a running handle joins it, and its blocks count against the outer credits.
// A running handle holds `journal.sem` shared and commit takes it exclusively, so a commit sees whole
// operations only.  A task that runs a handle must not commit.
//
// Lock order: inode.rwsem, invalidateSem, then the handle, then inode.dataSem and everything below it.
//
// kernel: jbd2_journal_start, ext4_journal_start

import { runsFree } from "../../machine/cpu.ts";
import { assert, bug, Errno } from "../../machine/errors.ts";
import { touch } from "../../machine/snapshot.ts";
import { addTo } from "../../locks/references.ts";
import { percpuDownRead, percpuUpRead } from "../../locks/percpu-rwsem.ts";
import { freeBlockCount } from "../alloc/open-group.ts";
import {
  bufferCache,
  dropBuffer,
  getNewBuffer,
  holdersOf,
  setDirty,
  type Buffer,
  type BufferCache,
} from "../buffer.ts";
import { BLOCK_SIZE, superBlock, type SuperBlock } from "../super.ts";
import { addPage, removePage } from "../../machine/pmem/page-set.ts";
import { commit } from "./commit.ts";
import { heldCount } from "./held.ts";
import { currentHandle, journalOf, maxTransaction, type Handle, type Journal } from "./state.ts";

/**
 * How many blocks may be dirty or promised to handles: half of the cache, for the other half is for what is only
 * read; and what a transaction can have.
 */
function dirtyLimit(cache: BufferCache, journal: Journal): number {
  const half = cache.capacity >>> 1;
  return journal.length === 0 ? half : Math.min(half, maxTransaction(journal));
}

/** So many free blocks are left for running handles before freed ones are asked for. */
const SPARE_BLOCKS = 64;

/** Whether space is short that a commit would give back: a guess, without a lock.  kernel: ext4_should_retry_alloc */
function needsHeld(sb: SuperBlock, credits: number): boolean {
  const held = heldCount(sb.mem);
  return held > 0 && freeBlockCount(sb) - held < Math.max(SPARE_BLOCKS, credits);
}

/**
 * Promises a handle so many blocks in all: whether there is room for what it lacks.  A block counts as dirty before it
 * does not count as promised any more.
 *
 * All handles have one sum, so in free running what a handle has not used stays promised to its task, and most of the
 * next ones lack nothing.  That is kept only where the sum is no more than half of the limit: the largest handle finds
 * room beside what others keep.  A commit that has anything to do takes all of it back.
 */
function promise(
  handle: Handle,
  journal: Journal,
  cache: BufferCache,
  limit: number,
  credits: number,
): boolean {
  const lacking = credits - handle.promised;
  if (lacking <= 0) return true;
  const promised = addTo(journal.promised, lacking);
  if (promised + cache.dirtyCount > limit) {
    addTo(journal.promised, -lacking);
    return false;
  }
  handle.promised = credits;
  handle.keeps = promised <= limit >>> 1 ? 1 : 0;
  return true;
}

/**
 * Starts an operation that changes at most `credits` blocks of metadata.  -ENOSPC when no commit could
 * make room for so many; -EROFS after damage, where the image asks for that; what commit itself returns when it was
 * needed and failed.
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
  const journal = journalOf(mem);
  const limit = dirtyLimit(cache, journal);
  if (credits > limit >>> 1) return -Errno.ENOSPC;
  const given = needsHeld(sb, credits) ? commit(sb) : 0;
  if (given < 0) return given;
  percpuDownRead(journal.sem);
  while (!promise(handle, journal, cache, limit, credits)) {
    percpuUpRead(journal.sem);
    const result = commit(sb);
    if (result < 0) return result;
    percpuDownRead(journal.sem);
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
  const journal = journalOf(handle.mem);
  // A stopped handle leaves no trace of what it was, under control: equal machines, equal words.
  handle.credits = 0;
  handle.asked = 0;
  if (handle.keeps === 0 || !runsFree()) {
    addTo(journal.promised, 0 - handle.promised); // never -0, which is no integer to the engine
    handle.promised = 0;
    handle.keeps = 0;
  }
  percpuUpRead(journal.sem);
  return 0;
}

/** Says that a buffer's bytes are about to change. */
export function getWriteAccess(handle: Handle, buffer: Buffer): number {
  assert(handle.depth > 0, "metadata changes inside a running handle");
  assert(holdersOf(buffer) > 0, "a buffer that changes is held");
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
  handle.promised -= 1;
  const journal = journalOf(handle.mem);
  removePage(journal.revoked, buffer.block); // this transaction has it again
  addTo(journal.promised, -1);
  return 0;
}

/**
 * A block of metadata is being freed: what its buffer holds must never reach media, nor what the log holds of it,
 * for it may become somebody's data.  kernel: ext4_forget, jbd2_journal_revoke
 */
export function forget(handle: Handle, block: number): void {
  assert(handle.depth > 0, "metadata is freed inside a running handle");
  dropBuffer(superBlock(handle.mem), block);
  const journal = journalOf(handle.mem);
  if (journal.length > 0) addPage(journal.revoked, block);
}

/** Asks for more credits in a running handle: whether the transaction has room.  kernel: jbd2_journal_extend */
export function extendHandle(handle: Handle, credits: number): boolean {
  assert(handle.depth > 0, "a running handle is extended");
  const cache = bufferCache(handle.mem);
  const journal = journalOf(handle.mem);
  const extended = promise(handle, journal, cache, dirtyLimit(cache, journal), handle.credits + credits);
  if (extended) {
    handle.credits += credits;
    handle.asked += credits;
  }
  return extended;
}

/**
 * Goes on in a new handle, so that what was changed until now can commit without the rest; whole operations only.
 * The handle is the outermost.  Returns what `journalStart` does; after an error no handle runs.
 * kernel: jbd2_journal_restart
 */
export function restartHandle(handle: Handle, credits: number): Handle | number {
  assert(handle.depth === 1, "only the outermost handle can be restarted");
  journalStop(handle);
  return journalStart(superBlock(handle.mem), credits);
}
