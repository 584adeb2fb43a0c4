// The walk along the log, from its start to where it ends: what each complete transaction wants written or revoked.
//
// Where the log ends is what all depends on, so it is Linux' answer to the letter:
//
//   a block without magic number, with another sequence number, or     the log ended before it; a transaction
//     of an unknown type                                                 without a commit block never happened
//   a wrong checksum of a descriptor, revoke or commit block, in a     the same: an older turn of the ring left
//     transaction whose commit is older than the one before              these blocks
//   such a checksum in one that is not older                           the journal is damaged: an error
//
// A commit block of which the fields have arrived, and not all of the zeros behind them, counts (Linux since 2024;
// e2fsck 1.47 and older kernels call it damage).  One whose fields arrive in pieces is an error, not an unfinished
// transaction; whoever writes one must see to that.  With `async_commit`, which does not wait for the blocks before it
// writes the commit, it is an end as well.  Two turns that Linux does not take: a log that is longer than its ring ends
// there (Linux goes round for ever), and nothing is written before everything has been looked at (replay.ts).
//
// kernel: do_one_pass

import { swapBytes } from "../../../machine/struct.ts";
import { crc32 } from "../../media/checksum.ts";
import {
  COMMIT_CRC32,
  CommitBlock,
  commitBlockSum,
  commitHeadSum,
  hasBlockSums,
  JOURNAL_MAGIC,
  JournalBlock,
  JournalCompat,
  JournalHeader,
  JournalIncompat,
  recordsEnd,
  recordsSum,
  RevokeHeader,
  storedRecordsSum,
  tagBlock,
  TagFlag,
  tagFlags,
  tagSize,
  TAG_UUID,
} from "../../media/journal.ts";
import { BLOCK_SIZE } from "../../super.ts";
import { logAddress, type Log } from "./log.ts";

/** A block in the log, and where it belongs. */
export interface Copy {
  readonly block: number;
  readonly sequence: number;
  /** Addresses: of the tag, and of the bytes. */
  readonly tag: number;
  readonly from: number;
}

export interface Scan {
  /** Of all complete transactions, in their order. */
  readonly copies: Copy[];
  /** By block, the last transaction that revoked it: its copies up to that one do not count. */
  readonly revoked: Map<number, number>;
  transactions: number;
  /** The first sequence number that is not in the log. */
  end: number;
}

/** Where the walk is. */
interface Walk {
  readonly log: Log;
  at: number;
  left: number; // blocks of the ring not seen yet
}

/** What the transaction that is being walked has said so far. */
interface Running {
  readonly copies: Copy[];
  readonly revoked: number[];
  damaged: boolean; // a checksum was wrong
  impossible: string | undefined; // what cannot be although its checksum is right
  sum: number; // `checksum`: of all blocks so far
}

const begin = (): Running => ({
  copies: [],
  revoked: [],
  damaged: false,
  impossible: undefined,
  sum: 0xffff_ffff,
});

/** The address of the next block of the ring; 0 after all of them. */
function next(walk: Walk): number {
  if (walk.left === 0) return 0;
  const { log, at } = walk;
  walk.left -= 1;
  walk.at = at + 1 === log.length ? log.first : at + 1;
  return logAddress(log, at);
}

/** Everything that the log holds, or what is wrong with it. */
export function scanLog(log: Log): Scan | string {
  const found: Scan = { copies: [], revoked: new Map(), transactions: 0, end: log.sequence };
  const walk: Walk = { log, at: log.start, left: log.length - log.first };
  let running = begin();
  let time = 0; // of the last commit
  for (let at = next(walk); at !== 0; at = next(walk)) {
    const header = JournalHeader.of(log.sb.mem, at);
    if (header.h_magic !== JOURNAL_MAGIC || header.h_sequence !== found.end) break;
    const type = header.h_blocktype;
    if (type === JournalBlock.descriptor) readDescriptor(walk, running, at, found.end);
    else if (type === JournalBlock.revoke) readRevokes(log, running, at);
    else if (type !== JournalBlock.commit) break;
    else {
      const commit = CommitBlock.of(log.sb.mem, at);
      const now = commit.h_commit_sec_hi * 2 ** 32 + commit.h_commit_sec_lo;
      const good = !running.damaged && commitMatches(log, running, commit);
      if (!good && (now < time || (!running.damaged && hasFeature(log, JournalIncompat.async_commit)))) break;
      if (!good) return `the journal is damaged: a checksum is wrong in transaction ${found.end}`;
      if (running.impossible !== undefined) return running.impossible;
      time = now;
      accept(found, running);
      running = begin();
    }
  }
  return found;
}

const hasFeature = (log: Log, feature: number): boolean => (log.incompat & feature) !== 0;

/** The transaction has committed. */
function accept(found: Scan, running: Running): void {
  for (const copy of running.copies) found.copies.push(copy);
  for (const block of running.revoked) found.revoked.set(block, found.end);
  found.transactions += 1;
  found.end = (found.end + 1) >>> 0;
}

function readDescriptor(walk: Walk, running: Running, at: number, sequence: number): void {
  const { log } = walk;
  const { sb, incompat } = log;
  const { mem } = sb;
  if (hasBlockSums(incompat) && recordsSum(mem, log.seed, at) !== storedRecordsSum(mem, at))
    running.damaged = true;
  const summed = (log.compat & JournalCompat.checksum) !== 0;
  if (summed) running.sum = crc32(mem, running.sum, at, BLOCK_SIZE);
  const size = tagSize(incompat);
  const end = at + recordsEnd(incompat);
  for (let tag = at + JournalHeader.size; tag + size <= end;) {
    const from = next(walk);
    if (from === 0) return;
    if (summed) running.sum = crc32(mem, running.sum, from, BLOCK_SIZE);
    running.copies.push({ block: tagBlock(mem, tag, incompat), sequence, tag, from });
    const flags = tagFlags(mem, tag);
    if ((flags & TagFlag.last) !== 0) return;
    tag += (flags & TagFlag.sameUuid) === 0 ? size + TAG_UUID : size;
  }
}

/** kernel: scan_revoke_records */
function readRevokes(log: Log, running: Running, at: number): void {
  const { mem } = log.sb;
  if (hasBlockSums(log.incompat) && recordsSum(mem, log.seed, at) !== storedRecordsSum(mem, at))
    running.damaged = true;
  const used = RevokeHeader.of(mem, at).r_count;
  if (used > recordsEnd(log.incompat)) {
    running.impossible = `the journal is damaged: a revoke block says that it has ${used} bytes`;
    return;
  }
  const wide = hasFeature(log, JournalIncompat["64bit"]);
  const size = wide ? 8 : 4;
  for (let record = at + RevokeHeader.size; record + size <= at + used; record += size) {
    const word = (offset: number): number => swapBytes(mem.u32[(record + offset) >>> 2] as number);
    running.revoked.push(wide ? word(0) * 2 ** 32 + word(4) : word(0));
  }
}

function commitMatches(log: Log, running: Running, commit: CommitBlock): boolean {
  const { mem, at, h_chksum: sum, h_chksum_type: type, h_chksum_size: size } = commit;
  if (hasBlockSums(log.incompat))
    return commitBlockSum(mem, log.seed, at) === sum || commitHeadSum(mem, log.seed, at) === sum;
  if ((log.compat & JournalCompat.checksum) === 0) return true;
  const unused = sum === 0 && type === 0 && size === 0;
  return unused || (sum === running.sum && type === COMMIT_CRC32.type && size === COMMIT_CRC32.size);
}
