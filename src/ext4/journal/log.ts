// A transaction as the log holds it, written block by block from a place of the ring on: what it revokes, then
// descriptors with the blocks they name behind them, then, when all that is durable, the commit block.
//
// The caller has commitMutex.  Blocks of the log's own are made in the journal's scratch, and go to the media whole.
//
// kernel: jbd2_journal_commit_transaction, jbd2_journal_write_revoke_records

import { header } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { fence, streamCopy } from "../../machine/pmem.ts";
import { Writer } from "../../machine/pmem/log.ts";
import { nextPage } from "../../machine/pmem/page-set.ts";
import { swapBytes } from "../../machine/struct.ts";
import type { Buffer } from "../buffer.ts";
import {
  CommitBlock,
  commitBlockSum,
  hasBlockSums,
  JOURNAL_MAGIC,
  JournalBlock,
  JournalHeader,
  JournalIncompat,
  JournalSuperBlock,
  recordsEnd,
  recordsSum,
  RevokeHeader,
  storeRecordsSum,
  TAG_UUID,
  TagFlag,
  taggedSum,
  tagSize,
  writeTag,
} from "../media/journal.ts";
import { BLOCK_SIZE, type SuperBlock } from "../super.ts";
import type { Journal } from "./state.ts";
import { journalAddress } from "./superblock.ts";

/** Where a transaction is being written. */
export interface LogCursor {
  readonly sb: SuperBlock;
  readonly journal: Journal;
  readonly sequence: number;
  /** The block of the ring that comes next. */
  at: number;
}

const recordSize = (incompat: number): number => ((incompat & JournalIncompat["64bit"]) === 0 ? 4 : 8);

/** How many blocks a revoke block, or a descriptor, can name. */
const revokesIn = (incompat: number): number =>
  Math.floor((recordsEnd(incompat) - RevokeHeader.size) / recordSize(incompat));
const tagsIn = (incompat: number): number =>
  Math.floor((recordsEnd(incompat) - JournalHeader.size - TAG_UUID) / tagSize(incompat));

/** Blocks of the ring that a transaction takes. */
export function logBlocks(journal: Journal, blocks: number, revokes: number): number {
  const { incompat } = journal;
  return Math.ceil(revokes / revokesIn(incompat)) + blocks + Math.ceil(blocks / tagsIn(incompat)) + 1;
}

const isLittle = (mem: Memory, at: number): boolean => mem.u32[at >>> 2] === swapBytes(JOURNAL_MAGIC);

/** Where the next block of the ring lies on the media. */
function next(cursor: LogCursor): number {
  const { sb, journal } = cursor;
  const place = journalAddress(sb, journal, cursor.at);
  cursor.at = cursor.at + 1 === journal.length ? journal.first : cursor.at + 1;
  return place;
}

/** Copies a block of the memory to the next place of the ring. */
function put(cursor: LogCursor, from: number, writer: Writer): void {
  streamCopy(cursor.sb.mem, next(cursor), from, BLOCK_SIZE, writer);
}

/** Begins a block of the log's own, in the scratch. */
function begin({ sb, journal, sequence }: LogCursor, type: number): number {
  const at = journal.scratchAt;
  sb.mem.fill(at, 0, BLOCK_SIZE);
  const raw = JournalHeader.of(sb.mem, at);
  raw.h_magic = JOURNAL_MAGIC;
  raw.h_blocktype = type;
  raw.h_sequence = sequence;
  return at;
}

/** Puts the checksum into a descriptor or a revoke block. */
function sealRecords({ mem, incompat, seed }: Journal, at: number): void {
  if (hasBlockSums(incompat)) storeRecordsSum(mem, at, recordsSum(mem, seed, at));
}

/** Writes the blocks whose earlier copies in the log must not be brought back. */
export function writeRevokes(cursor: LogCursor): void {
  const { sb, journal } = cursor;
  if (journal.revoked.count === 0) return;
  const { mem, blockCount } = sb;
  const size = recordSize(journal.incompat);
  let block = nextPage(journal.revoked, 0, blockCount);
  while (block < blockCount) {
    const start = begin(cursor, JournalBlock.revoke);
    let at = start + RevokeHeader.size;
    for (let left = revokesIn(journal.incompat); left > 0 && block < blockCount; left--) {
      mem.u32[(at + size - 4) >>> 2] = swapBytes(block);
      at += size;
      block = nextPage(journal.revoked, block + 1, blockCount);
    }
    RevokeHeader.of(mem, start).r_count = at - start;
    sealRecords(journal, start);
    put(cursor, start, Writer.revoke);
  }
}

/** A block in the log. */
interface Logged {
  /** Where it belongs. */
  readonly block: number;
  /** Its copy's address on the media. */
  readonly at: number;
  /** It begins with the magic number, which the copy leaves out. */
  readonly escaped: boolean;
}

/** A descriptor that is to be written, and the blocks that it names. */
export interface Descriptor {
  readonly at: number;
  readonly blocks: readonly Logged[];
}

/** Copies the buffers' bytes into the log, and leaves room for the descriptors.  No handle runs. */
export function writeBlocks(cursor: LogCursor, buffers: readonly Buffer[]): Descriptor[] {
  const each = tagsIn(cursor.journal.incompat);
  const descriptors: Descriptor[] = [];
  for (let done = 0; done < buffers.length; done += each) {
    const at = next(cursor);
    const blocks = buffers.slice(done, done + each).map((buffer) => writeBlock(cursor, buffer));
    descriptors.push({ at, blocks });
  }
  return descriptors;
}

function writeBlock(cursor: LogCursor, { block, data }: Buffer): Logged {
  const { sb, journal } = cursor;
  const escaped = isLittle(sb.mem, data);
  const at = next(cursor);
  streamCopy(sb.mem, at, escaped ? withoutMagic(journal, data) : data, BLOCK_SIZE, Writer.logged);
  return { block, at, escaped };
}

/** Writes the descriptors, from what the log holds by now: handles may change the buffers again. */
export function writeDescriptors(cursor: LogCursor, descriptors: readonly Descriptor[]): void {
  for (const descriptor of descriptors) writeDescriptor(cursor, descriptor);
}

function writeDescriptor(cursor: LogCursor, { at, blocks }: Descriptor): void {
  const { sb, journal, sequence } = cursor;
  const { mem } = sb;
  const { incompat, seed } = journal;
  const start = begin(cursor, JournalBlock.descriptor);
  let tag = start + JournalHeader.size;
  for (const [index, { block, at: copy, escaped }] of blocks.entries()) {
    const flags =
      (escaped ? TagFlag.escape : 0) |
      (index === 0 ? 0 : TagFlag.sameUuid) |
      (index === blocks.length - 1 ? TagFlag.last : 0);
    const sum = hasBlockSums(incompat) ? taggedSum(mem, seed, sequence, copy) : 0;
    writeTag(mem, tag, incompat, block, flags, sum);
    tag += tagSize(incompat);
    if (index === 0) {
      const uuid = journalAddress(sb, journal, 0) + JournalSuperBlock.offset("s_uuid");
      mem.copy(tag, uuid, TAG_UUID);
      tag += TAG_UUID;
    }
  }
  sealRecords(journal, start);
  streamCopy(mem, at, start, BLOCK_SIZE, Writer.descriptor);
}

/** The address of a block's bytes without the magic number that they begin with. */
function withoutMagic({ mem, scratchAt }: Journal, data: number): number {
  const copy = scratchAt + BLOCK_SIZE;
  mem.copy(copy, data, BLOCK_SIZE);
  mem.u32[copy >>> 2] = 0;
  return copy;
}

/**
 * Writes what makes the transaction count, in two parts: a commit block of which only some lines have arrived has a
 * wrong checksum, and recovery takes the whole log for damaged.  Without its first word, the magic number and
 * the type, it is the log's end; that word arrives as one.  The caller's fence makes it durable.
 */
export function writeCommitBlock(cursor: LogCursor): void {
  const { sb, journal } = cursor;
  const { mem } = sb;
  const { seconds, nanoseconds } = header(mem);
  const raw = CommitBlock.of(mem, begin(cursor, JournalBlock.commit));
  raw.h_commit_sec_lo = seconds;
  raw.h_commit_nsec = nanoseconds;
  if (hasBlockSums(journal.incompat)) raw.h_chksum = commitBlockSum(mem, journal.seed, raw.at);
  const place = journalAddress(sb, journal, cursor.at);
  const { h_magic, h_blocktype } = raw;
  raw.h_magic = 0;
  raw.h_blocktype = 0;
  put(cursor, raw.at, Writer.commit);
  fence(mem);
  raw.h_magic = h_magic;
  raw.h_blocktype = h_blocktype;
  streamCopy(mem, place, raw.at, FIRST_WORD, Writer.commit);
}

/** What the media takes as one, in bytes. */
const FIRST_WORD = 8;
