// The two superblocks that say whether there is something to recover: the journal's own, with where the log begins, and
// the file system's, with needs_recovery.  Both are written in place, at once.
//
// The caller has commitMutex, or is mounting.

import { Errno } from "../../machine/errors.ts";
import { strideOf } from "../../machine/layout.ts";
import { fence, streamCopy, streamWhole } from "../../machine/pmem.ts";
import { Writer } from "../../machine/pmem/log.ts";
import { touch } from "../../machine/snapshot.ts";
import { bufferAt } from "../buffer.ts";
import { Incompat } from "../media/features.ts";
import {
  hasBlockSums,
  JOURNAL_CRC32C,
  JournalBlock,
  JournalCompat,
  JournalSuperBlock,
  journalSuperBlockSum,
} from "../media/journal.ts";
import { RawSuperBlock, SUPERBLOCK_OFFSET } from "../media/superblock.ts";
import { superBlockSum } from "../media/sums.ts";
import { BLOCK_SIZE, hasChecksums, mediaAddress, type SuperBlock } from "../super.ts";
import { journalOf, Place, type Journal } from "./state.ts";

/** The address on media of a block of the journal. */
export function journalAddress(sb: SuperBlock, journal: Journal, block: number): number {
  let left = block;
  for (let index = 0; index < journal.placeCount; index++) {
    const at = (journal.placesAt + index * strideOf(Place)) >>> 2;
    const [length, media] = [sb.mem.u32[at] as number, sb.mem.u32[at + 1] as number];
    if (left < length) return mediaAddress(sb, media + left);
    left -= length;
  }
  return 0; // none: openLog has seen that the places hold all blocks
}

/**
 * Brings a block of metadata to its place; a fence has to follow.  The superblock, without which there is no recovery, is
 * on its way as a whole.
 */
export function writeHome(sb: SuperBlock, block: number, from: number, writer: Writer): void {
  const { mem } = sb;
  const to = mediaAddress(sb, block);
  const end = SUPERBLOCK_OFFSET + RawSuperBlock.size;
  if (block !== 0) return streamCopy(mem, to, from, BLOCK_SIZE, writer);
  streamCopy(mem, to, from, SUPERBLOCK_OFFSET, writer);
  streamWhole(mem, to + SUPERBLOCK_OFFSET, from + SUPERBLOCK_OFFSET, RawSuperBlock.size, writer);
  streamCopy(mem, to + end, from + end, BLOCK_SIZE - end, writer);
}

/** Writes the journal's superblock: the log begins at `start` (0: nowhere) with transaction `sequence`. */
export function writeLogStart(sb: SuperBlock, journal: Journal, start: number, sequence: number): void {
  const { mem } = sb;
  const to = journalAddress(sb, journal, 0);
  const raw = JournalSuperBlock.of(mem, journal.scratchAt);
  mem.copy(raw.at, to, JournalSuperBlock.size);
  raw.h_blocktype = JournalBlock.superblock2;
  raw.s_start = start;
  raw.s_sequence = sequence;
  raw.s_errno = -journal.error;
  raw.s_feature_compat &= ~JournalCompat.checksum;
  raw.s_feature_incompat = journal.incompat;
  const sums = hasBlockSums(journal.incompat);
  raw.s_checksum_type = sums ? JOURNAL_CRC32C : 0;
  raw.s_checksum = sums ? journalSuperBlockSum(mem, raw.at) : 0;
  streamWhole(mem, to, raw.at, JournalSuperBlock.size, Writer.journalSuper);
  journal.empty = start === 0 ? 1 : 0;
}

/**
 * Stops the journal for good: nothing is committed any more, and the file system can only be read.  Recovery finds
 * the error and hands it on.  Returns the error that calls get from now on.  kernel: jbd2_journal_abort
 */
export function abortJournal(sb: SuperBlock, errno: number): number {
  const journal = journalOf(sb.mem);
  journal.error = errno;
  sb.readOnly = 1;
  const raw = JournalSuperBlock.of(sb.mem, journalAddress(sb, journal, 0));
  writeLogStart(sb, journal, raw.s_start, raw.s_sequence);
  fence(sb.mem);
  return -Errno.EROFS;
}

/**
 * Says in the superblock, at its place and durably, whether the journal has to be asked first.  Only that changes
 * there: what else the superblock's buffer says may belong to a transaction that is not durable.
 *
 * kernel: ext4_set_feature_journal_needs_recovery
 */
export function writeNeedsRecovery(sb: SuperBlock, needed: boolean): void {
  const { mem } = sb;
  const { data } = bufferAt(mem, sb.superBuffer);
  const mine = RawSuperBlock.of(mem, data + SUPERBLOCK_OFFSET);
  if (((mine.s_feature_incompat & Incompat.needs_recovery) !== 0) === needed) return;
  touch(mem, data, BLOCK_SIZE);
  const place = mediaAddress(sb, 0) + SUPERBLOCK_OFFSET;
  const raw = RawSuperBlock.of(mem, journalOf(mem).scratchAt);
  mem.copy(raw.at, place, RawSuperBlock.size);
  for (const copy of [mine, raw]) {
    if (needed) copy.s_feature_incompat |= Incompat.needs_recovery;
    else copy.s_feature_incompat &= ~Incompat.needs_recovery;
    if (hasChecksums(sb)) copy.s_checksum = superBlockSum(mem, copy.at);
  }
  streamWhole(mem, place, raw.at, RawSuperBlock.size, Writer.superblock);
  fence(mem);
}
