// The journal as it lies on the media: blocks of the journal inode, numbers with the most significant byte first.
//
//   block 0           JournalSuperBlock
//   s_first …         a ring of transactions, each of
//     descriptor        JournalHeader, then a tag for each block that follows, then a checksum
//     blocks            the blocks themselves, as they shall lie at their places
//     revoke            RevokeHeader, then the numbers of blocks that earlier transactions must not bring back
//     commit            CommitBlock: from here on the transaction counts
//
// A block that would begin with the journal's magic number has zeros there instead, and its tag says so (escape):
// whoever scans the ring would take it for one of the journal's own.
//
// Four kinds of checksum exist: none; `checksum` (one crc32 of a transaction's blocks, in the commit block); csum_v2 and
// csum_v3 (crc32c of every block by itself, from a seed made of the journal's uuid).  They decide, with
// `64bit`, how long a tag is.

import type { Memory } from "../../machine/memory.ts";
import { bytes, struct, swapBytes, u32be, u8, type ViewOf } from "../../machine/struct.ts";
import { crc32c, crc32cNumber } from "./checksum.ts";

export const JOURNAL_MAGIC = 0xc03b3998;
const BLOCK = 4096;
const CRC_START = 0xffff_ffff;

export const JournalBlock = {
  descriptor: 1,
  commit: 2,
  superblock1: 3, // without features: from before 2000
  superblock2: 4,
  revoke: 5,
} as const;

export const JournalCompat = { checksum: 0x1 } as const;

export const JournalIncompat = {
  revoke: 0x1,
  "64bit": 0x2,
  async_commit: 0x4,
  csum_v2: 0x8,
  csum_v3: 0x10,
  fast_commit: 0x20,
} as const;

/** What keeps a journal from being used, by name; our journals and those of Linux without fast commits have none. */
export function unsupportedJournalFeatures(incompat: number, readOnly: number): string[] {
  const { fast_commit, ...supported } = JournalIncompat;
  const known = Object.values(supported).reduce((all, bit) => all | bit, 0);
  const found: string[] = [];
  for (let shift = 0; shift < 32; shift++) {
    const bit = (1 << shift) >>> 0;
    const hex = `0x${bit.toString(16)}`;
    if ((incompat & ~known & bit) !== 0) {
      found.push(bit === fast_commit ? "fast_commit" : `unknown incompatible feature ${hex}`);
    }
    if ((readOnly & bit) !== 0) found.push(`unknown read-only feature ${hex}`);
  }
  return found;
}

/** s_checksum_type: crc32c, which csum_v2 and csum_v3 demand. */
export const JOURNAL_CRC32C = 4;
/** h_chksum_type and h_chksum_size of a commit block under `checksum`. */
export const COMMIT_CRC32 = { type: 1, size: 4 } as const;
/** Linux takes no journal with fewer blocks. */
export const MIN_JOURNAL_BLOCKS = 1024;

/** The flags of a tag. */
export const TagFlag = {
  escape: 0x1, // the block began with the magic number
  sameUuid: 0x2, // no uuid follows the tag
  deleted: 0x4, // unused by Linux
  last: 0x8, // of its descriptor
} as const;

const header = { h_magic: u32be, h_blocktype: u32be, h_sequence: u32be } as const;

export const JournalHeader = struct("journal_header", header, { size: 12 });
export type JournalHeader = ViewOf<typeof JournalHeader>;

export const JournalSuperBlock = struct(
  "journal_superblock",
  {
    ...header,
    s_blocksize: u32be,
    s_maxlen: u32be, // blocks of the journal
    s_first: u32be, // the first of the ring
    s_sequence: u32be, // of the first transaction in the log
    s_start: u32be, // where it lies; 0: the log is empty
    s_errno: u32be,
    s_feature_compat: u32be,
    s_feature_incompat: u32be,
    s_feature_ro_compat: u32be,
    s_uuid: bytes(16),
    s_nr_users: u32be,
    s_dynsuper: u32be,
    s_max_transaction: u32be,
    s_max_trans_data: u32be,
    s_checksum_type: u8,
    s_padding2: bytes(3),
    s_num_fc_blks: u32be,
    s_head: u32be,
    s_padding: bytes(160),
    s_checksum: u32be,
    s_users: bytes(768),
  },
  { size: 1024 },
);
export type JournalSuperBlock = ViewOf<typeof JournalSuperBlock>;

export const CommitBlock = struct(
  "journal_commit",
  {
    ...header,
    h_chksum_type: u8, // `checksum` alone: 1, crc32
    h_chksum_size: u8, // the same: 4
    h_padding: bytes(2),
    h_chksum: u32be, // the first of eight
    h_chksum_rest: bytes(28),
    h_commit_sec_hi: u32be,
    h_commit_sec_lo: u32be,
    h_commit_nsec: u32be,
  },
  { size: 60 },
);
export type CommitBlock = ViewOf<typeof CommitBlock>;

/** Behind it come block numbers, of 8 bytes with `64bit`, otherwise of 4. */
export const RevokeHeader = struct(
  "journal_revoke_header",
  { ...header, r_count: u32be }, // bytes in use, these sixteen included
  { size: 16 },
);
export type RevokeHeader = ViewOf<typeof RevokeHeader>;

/** Where the bytes of a uuid lie behind a tag without `sameUuid`. */
export const TAG_UUID = 16;

/** Whether every block has a crc32c of its own. */
export function hasBlockSums(incompat: number): boolean {
  return (incompat & (JournalIncompat.csum_v2 | JournalIncompat.csum_v3)) !== 0;
}

/** Bytes of a tag.  kernel: journal_tag_bytes */
export function tagSize(incompat: number): number {
  if ((incompat & JournalIncompat.csum_v3) !== 0) return 16;
  const wide = (incompat & JournalIncompat["64bit"]) === 0 ? 8 : 12;
  return (incompat & JournalIncompat.csum_v2) === 0 ? wide : wide + 2;
}

/** Where in a descriptor or revoke block no tag or number lies any more. */
export function recordsEnd(incompat: number): number {
  return hasBlockSums(incompat) ? BLOCK - 4 : BLOCK;
}

// Tags of csum_v2 have 10 or 14 bytes, so none of their numbers is aligned.
const read16 = (mem: Memory, at: number): number =>
  ((mem.u8[at] as number) << 8) | (mem.u8[at + 1] as number);
const read32 = (mem: Memory, at: number): number => (read16(mem, at) * 0x1_0000 + read16(mem, at + 2)) >>> 0;

function write16(mem: Memory, at: number, value: number): void {
  mem.u8[at] = value >>> 8;
  mem.u8[at + 1] = value;
}

function write32(mem: Memory, at: number, value: number): void {
  write16(mem, at, value >>> 16);
  write16(mem, at + 2, value);
}

const isLong = (incompat: number): boolean => (incompat & JournalIncompat.csum_v3) !== 0;

/** The block that a tag is about. */
export function tagBlock(mem: Memory, tag: number, incompat: number): number {
  const low = read32(mem, tag);
  return (incompat & JournalIncompat["64bit"]) === 0 ? low : read32(mem, tag + 8) * 2 ** 32 + low;
}

export function tagFlags(mem: Memory, tag: number): number {
  return read16(mem, tag + 6); // csum_v3 has 32 bits here, of which these are the lower ones
}

/** Whether a tag's checksum is the one of its block; without checksums it always is. */
export function tagSumMatches(mem: Memory, tag: number, incompat: number, sum: number): boolean {
  if (isLong(incompat)) return read32(mem, tag + 12) === sum;
  return (incompat & JournalIncompat.csum_v2) === 0 || read16(mem, tag + 4) === (sum & 0xffff);
}

/** Fills a tag; `sum` is `taggedSum` of the block as it lies in the journal, or 0 without checksums. */
export function writeTag(
  mem: Memory,
  tag: number,
  incompat: number,
  block: number,
  flags: number,
  sum: number,
): void {
  mem.fill(tag, 0, tagSize(incompat));
  write32(mem, tag, block >>> 0);
  write16(mem, tag + 6, flags);
  if ((incompat & JournalIncompat["64bit"]) !== 0) write32(mem, tag + 8, Math.floor(block / 2 ** 32));
  if (isLong(incompat)) write32(mem, tag + 12, sum);
  else if ((incompat & JournalIncompat.csum_v2) !== 0) write16(mem, tag + 4, sum);
}

/** The checksum of a block in the journal that a tag carries. */
export function taggedSum(mem: Memory, seed: number, sequence: number, at: number): number {
  return crc32c(mem, crc32cNumber(seed, swapBytes(sequence)), at, BLOCK);
}

/** The crc32c of a range in which four bytes, the checksum's own, count as zeros. */
function sumAround(mem: Memory, seed: number, at: number, length: number, hole: number): number {
  const before = crc32cNumber(crc32c(mem, seed, at, hole), 0);
  return crc32c(mem, before, at + hole + 4, length - hole - 4);
}

/** The checksum of the journal's superblock: s_checksum. */
export function journalSuperBlockSum(mem: Memory, at: number): number {
  const hole = JournalSuperBlock.offset("s_checksum");
  return sumAround(mem, CRC_START, at, JournalSuperBlock.size, hole);
}

/** The checksum of a commit block: h_chksum. */
export function commitBlockSum(mem: Memory, seed: number, at: number): number {
  return sumAround(mem, seed, at, BLOCK, CommitBlock.offset("h_chksum"));
}

/** The same as if there were zeros behind its fields, as whoever writes one leaves them. */
export function commitHeadSum(mem: Memory, seed: number, at: number): number {
  let sum = sumAround(mem, seed, at, CommitBlock.size, CommitBlock.offset("h_chksum"));
  for (let rest = CommitBlock.size; rest < BLOCK; rest += 4) sum = crc32cNumber(sum, 0);
  return sum;
}

/** The checksum of a descriptor or a revoke block, which lies in its last four bytes. */
export function recordsSum(mem: Memory, seed: number, at: number): number {
  return sumAround(mem, seed, at, BLOCK, BLOCK - 4);
}

/** The checksum that a descriptor or a revoke block carries. */
export function storedRecordsSum(mem: Memory, at: number): number {
  return swapBytes(mem.u32[(at + BLOCK - 4) >>> 2] as number);
}

export function storeRecordsSum(mem: Memory, at: number, sum: number): void {
  mem.u32[(at + BLOCK - 4) >>> 2] = swapBytes(sum);
}
