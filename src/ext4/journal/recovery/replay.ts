// What the log holds becomes true of the file system, and then the log is empty.
//
// Every copy is looked at before the first is written: an image whose journal cannot be trusted stays as it is.
// Media is written in an order that a power failure may cut anywhere: all blocks to their places, durable;
// then the journal's superblock says that the log is empty, durable; then needs_recovery goes.  Whatever of
// that is missing, recovery does again, with the same result.
//
// The buffer cache is not asked: buffers of replayed blocks are dropped, and nobody may hold one.
//
// kernel: jbd2_journal_recover, ext4_mark_recovery_complete

import { fence, streamCopy, streamWhole } from "../../../machine/pmem.ts";
import { Writer } from "../../../machine/pmem/log.ts";
import { touch } from "../../../machine/snapshot.ts";
import { dropBuffer, getBuffer, releaseBuffer, type Buffer } from "../../buffer.ts";
import { getGroup, rawGroup, releaseGroup } from "../../group.ts";
import { Incompat } from "../../media/features.ts";
import {
  hasBlockSums,
  JournalSuperBlock,
  journalSuperBlockSum,
  tagFlags,
  TagFlag,
  taggedSum,
  tagSumMatches,
} from "../../media/journal.ts";
import { RawSuperBlock, STATE_ERROR, SUPERBLOCK_OFFSET } from "../../media/superblock.ts";
import { superBlockSum } from "../../media/sums.ts";
import { BLOCK_SIZE, hasChecksums, mediaAddress, type SuperBlock } from "../../super.ts";
import { writeHome } from "../superblock.ts";
import { isInLog, logAddress, type Log } from "./log.ts";
import type { Copy, Scan } from "./scan.ts";

/** The copies that count, one a block: the last one that is not revoked.  Or what is wrong with one of them. */
export function chooseCopies(log: Log, scan: Scan): Copy[] | string {
  const last = new Map<number, Copy>();
  for (const copy of scan.copies) {
    if (isRevoked(scan, copy)) continue;
    const wrong = wrongCopy(log, copy);
    if (wrong !== undefined) {
      return `the journal is damaged: its copy of block ${copy.block} in transaction ${copy.sequence} ${wrong}`;
    }
    last.set(copy.block, copy);
  }
  return [...last.values()];
}

/** Sequence numbers wrap.  kernel: jbd2_journal_test_revoke */
function isRevoked(scan: Scan, { block, sequence }: Copy): boolean {
  const by = scan.revoked.get(block);
  return by !== undefined && ((sequence - by) | 0) <= 0;
}

function wrongCopy(log: Log, { block, sequence, tag, from }: Copy): string | undefined {
  const { mem, blockCount } = log.sb;
  if (block >= blockCount) return `belongs outside the file system, which has ${blockCount} blocks`;
  if (isInLog(log, block)) return "belongs into the journal itself";
  if (!hasBlockSums(log.incompat)) return undefined;
  const sum = taggedSum(mem, log.seed, sequence, from);
  return tagSumMatches(mem, tag, log.incompat, sum) ? undefined : "has a wrong checksum";
}

/** Writes the copies to their places, durably. */
export function writeCopies(log: Log, copies: readonly Copy[]): void {
  const { sb } = log;
  const { mem } = sb;
  // The journal's superblock begins with the magic number, which escaped blocks lost.
  const magicAt = logAddress(log, 0);
  for (const { block, tag, from } of copies) {
    dropBuffer(sb, block);
    writeHome(sb, block, from, Writer.recovery);
    const escaped = (tagFlags(mem, tag) & TagFlag.escape) !== 0;
    if (escaped) streamCopy(mem, mediaAddress(sb, block), magicAt, 4, Writer.recovery);
  }
  if (copies.length > 0) fence(mem);
}

/**
 * Says that the log is empty and that the file system needs it no more.  An error that the journal recorded
 * becomes the file system's, first.  Returns 0, or the error of getting a buffer.
 */
export function finishRecovery(log: Log, sequence: number): number {
  const { sb, error } = log;
  return (error === 0 ? 0 : markError(sb)) || emptyLog(log, sequence) || markRecovered(sb);
}

function markError(sb: SuperBlock): number {
  const buffer = getBuffer(sb, 0);
  if (typeof buffer === "number") return buffer;
  rawSuperBlock(buffer).s_state |= STATE_ERROR;
  return writeSuperBlock(sb, buffer);
}

/** The counts as well: while mounted, the superblock's are older than the groups'. */
function markRecovered(sb: SuperBlock): number {
  const buffer = getBuffer(sb, 0);
  if (typeof buffer === "number") return buffer;
  const raw = rawSuperBlock(buffer);
  raw.s_feature_incompat &= ~Incompat.needs_recovery;
  raw.s_free_blocks_count_lo = 0;
  raw.s_free_inodes_count = 0;
  for (let number = 0; number < sb.groupCount; number++) {
    const descriptors = getGroup(sb, number);
    if (typeof descriptors === "number") {
      releaseBuffer(buffer);
      return descriptors;
    }
    const group = rawGroup(sb, descriptors, number);
    raw.s_free_blocks_count_lo += group.bg_free_blocks_count_lo;
    raw.s_free_inodes_count += group.bg_free_inodes_count_lo;
    releaseGroup(descriptors);
  }
  return writeSuperBlock(sb, buffer);
}

/** The superblock in its buffer, about to change. */
function rawSuperBlock(buffer: Buffer): RawSuperBlock {
  touch(buffer.mem, buffer.data, BLOCK_SIZE);
  return RawSuperBlock.of(buffer.mem, buffer.data + SUPERBLOCK_OFFSET);
}

/** Writes the changed superblock at once, and gives its buffer back. */
function writeSuperBlock(sb: SuperBlock, buffer: Buffer): number {
  const raw = rawSuperBlock(buffer);
  if (hasChecksums(sb)) raw.s_checksum = superBlockSum(sb.mem, raw.at);
  streamWhole(sb.mem, mediaAddress(sb, 0) + SUPERBLOCK_OFFSET, raw.at, RawSuperBlock.size, Writer.superblock);
  fence(sb.mem);
  releaseBuffer(buffer);
  return 0;
}

function emptyLog(log: Log, sequence: number): number {
  const { sb } = log;
  const { mem } = sb;
  const at = logAddress(log, 0);
  const buffer = getBuffer(sb, (at - mediaAddress(sb, 0)) / BLOCK_SIZE);
  if (typeof buffer === "number") return buffer;
  touch(mem, buffer.data, JournalSuperBlock.size);
  const raw = JournalSuperBlock.of(mem, buffer.data);
  raw.s_start = 0;
  raw.s_sequence = sequence;
  raw.s_errno = 0;
  if (hasBlockSums(log.incompat)) raw.s_checksum = journalSuperBlockSum(mem, raw.at);
  streamWhole(mem, at, raw.at, JournalSuperBlock.size, Writer.journalSuper);
  fence(mem);
  releaseBuffer(buffer);
  return 0;
}
