// Commit: what handles have changed becomes durable, all of it or nothing.
//
//   closed     sem alone: no handle runs.  The blocks get their checksums and are copied into the log
//   described  handles run on.  The log's descriptors are made from the copies
//   commit     the commit block but for its first word; a fence: all that is durable, and so is every store past the
//              caches that came before, data and zeros; the word, and a fence behind it: the transaction counts
//   checkpoint where room gets short: the blocks to their places (checkpoint.ts)
//
// Handles run on in the next transaction as soon as the blocks are copied.  Tasks that want to commit meanwhile wait
// for commitMutex; the first of them commits for all whose changes are in by then, and the others find it done.
//
// Without a journal the blocks are written to their places, and a crash in between leaves some old and some new.
// The cost grows with the blocks that changed, not with the cache.
//
// kernel: jbd2_journal_commit_transaction

import { assert, Errno } from "../../machine/errors.ts";
import { fence } from "../../machine/pmem.ts";
import { Writer } from "../../machine/pmem/log.ts";
import { clearPages } from "../../machine/pmem/page-set.ts";
import { touch } from "../../machine/snapshot.ts";
import { note, Note } from "../../machine/trace.ts";
import { leafLock, leafUnlock } from "../../locks/owner.ts";
import { groupLock, groupLockFor, groupUnlock } from "../../locks/group.ts";
import { percpuDownWrite, percpuUpWrite } from "../../locks/percpu-rwsem.ts";
import { freeBlockCount, freeInodeCount } from "../alloc/open-group.ts";
import {
  bufferAt,
  bufferCache,
  dirtyBuffers,
  setClean,
  setDirty,
  setLogged,
  type Buffer,
} from "../buffer.ts";
import { SUPERBLOCK_OFFSET, RawSuperBlock, STATE_ERROR } from "../media/superblock.ts";
import { BLOCK_SIZE, type SuperBlock } from "../super.ts";
import { advanceTail, checkpoint, isCheckpointDue } from "./checkpoint.ts";
import { releaseHeld } from "./held.ts";
import {
  logBlocks,
  writeBlocks,
  writeCommitBlock,
  writeDescriptors,
  writeRevokes,
  type Descriptor,
  type LogCursor,
} from "./log.ts";
import { seal, sealsElsewhere } from "./seal.ts";
import { currentHandle, journalOf, takeBackPromises, type Journal } from "./state.ts";
import { abortJournal, writeHome, writeLogStart, writeNeedsRecovery } from "./superblock.ts";

/**
 * Makes everything durable that handles have changed before, and what was stored past the caches.  Returns 0, or
 * -EROFS when the journal has stopped.  kernel: ext4_sync_file, ext4_force_commit
 */
export function commit(sb: SuperBlock): number {
  const { mem } = sb;
  assert(currentHandle(mem).depth === 0, "a task does not commit inside a handle: it would wait for itself");
  const journal = journalOf(mem);
  if (journal.length === 0) return writeInPlace(sb, journal);
  const changed = hasChanges(journal);
  // Asked after hasChanges, as commits change them the other way round.  What is not in the running transaction any more
  // is in the one before.
  const wanted = changed ? journal.running : journal.running - 1;
  let result = journal.error === 0 ? 0 : -Errno.EROFS;
  if (result === 0 && groupLockFor(journal.commitMutex, wanted)) {
    result = journal.error === 0 ? commitRunning(sb, journal) : -Errno.EROFS;
    groupUnlock(journal.commitMutex, journal.running - 1);
  }
  // What was changed is durable; but if somebody else saw to that, his fence may have come before our last stores.
  if (result === 0 && !changed) fence(mem);
  return result;
}

/** Whether the running transaction has anything in it. */
function hasChanges(journal: Journal): boolean {
  const cache = bufferCache(journal.mem);
  leafLock(cache.lock);
  const { dirtyCount } = cache;
  leafUnlock(cache.lock);
  return dirtyCount > 0 || journal.revoked.count > 0;
}

/** Commits the running transaction.  commitMutex is held. */
function commitRunning(sb: SuperBlock, journal: Journal): number {
  const { mem } = sb;
  percpuDownWrite(journal.sem);
  takeBackPromises(journal);
  // With the first transaction, not with the mount: who only reads writes nothing.
  if (journal.empty !== 0) writeNeedsRecovery(sb, true);
  const buffers = sealed(sb);
  const cursor: LogCursor = { sb, journal, sequence: journal.running, at: journal.head };
  const need = logBlocks(journal, buffers.length, journal.revoked.count);
  if (need > journal.free) {
    const error = abortJournal(sb, Errno.ENOSPC);
    percpuUpWrite(journal.sem);
    return error;
  }
  const descriptors = close(cursor, buffers);
  journal.free -= need;
  const due = isCheckpointDue(journal);
  if (!due) percpuUpWrite(journal.sem);
  writeDescriptors(cursor, descriptors);
  writeCommitBlock(cursor);
  fence(mem);
  journal.head = cursor.at;
  releaseHeld(sb, journal, cursor.sequence);
  note(mem, Note.commit, buffers.length);
  if (!due) return 0;
  checkpoint(sb);
  advanceTail(sb, journal, false);
  percpuUpWrite(journal.sem);
  return 0;
}

/** The dirty buffers with their checksums in them.  No handle runs. */
function sealed(sb: SuperBlock): Buffer[] {
  writeCounts(sb);
  const buffers = dirtyBuffers(sb.mem);
  for (const buffer of buffers) if (sealsElsewhere(buffer)) seal(sb, buffer);
  for (const buffer of buffers) if (!sealsElsewhere(buffer)) seal(sb, buffer);
  return buffers;
}

/** Copies the transaction into the log and makes the next one the running one.  No handle runs. */
function close(cursor: LogCursor, buffers: readonly Buffer[]): Descriptor[] {
  const { sb, journal, sequence } = cursor;
  if (journal.empty !== 0) writeLogStart(sb, journal, journal.head, sequence);
  writeRevokes(cursor);
  const descriptors = writeBlocks(cursor, buffers);
  journal.running = (sequence + 1) >>> 0;
  clearPages(journal.revoked);
  for (const buffer of buffers) setLogged(buffer);
  return descriptors;
}

function writeInPlace(sb: SuperBlock, journal: Journal): number {
  const { mem } = sb;
  percpuDownWrite(journal.sem);
  takeBackPromises(journal);
  const buffers = sealed(sb);
  for (const buffer of buffers) {
    writeHome(sb, buffer.block, buffer.data, Writer.checkpoint);
    setClean(buffer);
  }
  fence(mem);
  if (buffers.length > 0) note(mem, Note.commit, buffers.length);
  percpuUpWrite(journal.sem);
  return 0;
}

/**
 * The superblock's counts follow the groups' at commit, and are exact, as no handle runs: no operation pays a block for
 * them.  Where nothing else changed it stays as it is, even if damage was found: who only reads changes nothing.
 */
function writeCounts(sb: SuperBlock): void {
  const { damaged, countsChanged, mem } = sb;
  if ((damaged | countsChanged) === 0 || bufferCache(mem).dirtyCount === 0) return;
  const buffer = bufferAt(sb.mem, sb.superBuffer);
  const raw = RawSuperBlock.of(sb.mem, buffer.data + SUPERBLOCK_OFFSET);
  touch(sb.mem, buffer.data, BLOCK_SIZE);
  setDirty(buffer);
  raw.s_free_blocks_count_lo = freeBlockCount(sb);
  raw.s_free_inodes_count = freeInodeCount(sb);
  if (damaged !== 0) raw.s_state |= STATE_ERROR;
  sb.countsChanged = 0;
}

/**
 * Commits, brings all blocks to their places and says that there is nothing to recover: until the next commit the media
 * is what an unmount leaves.  Returns 0 or -EROFS.  kernel: ext4_freeze
 */
export function freeze(sb: SuperBlock): number {
  const result = commit(sb);
  const journal = journalOf(sb.mem);
  if (result < 0 || journal.length === 0) return result;
  groupLock(journal.commitMutex);
  percpuDownWrite(journal.sem);
  if (journal.empty === 0) {
    checkpoint(sb);
    advanceTail(sb, journal, true);
  }
  writeNeedsRecovery(sb, false);
  percpuUpWrite(journal.sem);
  groupUnlock(journal.commitMutex, journal.running - 1);
  return 0;
}

/**
 * Goes back from `freeze` to a file system in use: says now that there may be something to recover.
 * kernel: ext4_unfreeze
 */
export function thaw(sb: SuperBlock): void {
  if (journalOf(sb.mem).length > 0) writeNeedsRecovery(sb, true);
}
