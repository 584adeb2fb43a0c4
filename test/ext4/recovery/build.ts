// Journals written for tests: an image whose journal holds given transactions and needs recovery.

import { createMemory, header } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { crc32 } from "../../../src/ext4/media/checksum.ts";
import {
  COMMIT_CRC32,
  CommitBlock,
  commitBlockSum,
  hasBlockSums,
  JOURNAL_CRC32C,
  JOURNAL_MAGIC,
  JournalBlock,
  JournalCompat,
  JournalHeader,
  JournalIncompat,
  JournalSuperBlock,
  journalSuperBlockSum,
  recordsEnd,
  recordsSum,
  RevokeHeader,
  storeRecordsSum,
  TAG_UUID,
  TagFlag,
  taggedSum,
  tagSize,
  writeTag,
} from "../../../src/ext4/media/journal.ts";
import { RawSuperBlock, SUPERBLOCK_OFFSET } from "../../../src/ext4/media/superblock.ts";
import { seedOf, superBlockSum } from "../../../src/ext4/media/sums.ts";
import { debugfs, mkfs } from "../../support/e2fsprogs.ts";

export const BLOCK = 4096;

export interface Transaction {
  readonly blocks?: readonly (readonly [block: number, fill: number | "magic"])[];
  readonly revokes?: readonly number[];
  /** When it committed; "never": it has no commit block. */
  readonly seconds?: number | "never";
}

export interface Journal {
  readonly incompat?: number;
  readonly compat?: number;
  readonly start?: number;
  readonly sequence?: number;
  readonly transactions: readonly Transaction[];
}

/** A new file system, where the blocks of its journal lie, and blocks that nobody has. */
export interface Base {
  readonly image: Uint8Array;
  readonly journal: readonly number[];
  readonly free: readonly number[];
}

export function makeBase(size = 10 * MIB, args: readonly string[] = [], free = 400): Base {
  const image = mkfs(size, ["-J", "size=4", ...args]);
  const journal = (debugfs(image, "blocks <8>").match(/\d+/g) ?? []).map(Number);
  const found = debugfs(image, `ffb ${free}`).match(/\d+/g) ?? [];
  return { image, journal, free: found.map(Number) };
}

/** The bytes that a transaction gives a block: the magic number first where that must be escaped. */
export function content(fill: number | "magic"): Uint8Array {
  const bytes = new Uint8Array(BLOCK).fill(fill === "magic" ? 0x77 : fill);
  if (fill === "magic") bytes.set([0xc0, 0x3b, 0x39, 0x98]);
  return bytes;
}

/** Where a journal's parts have come to lie, as blocks of the journal. */
export interface Written {
  readonly image: Uint8Array;
  /** The block behind the last one. */
  readonly end: number;
  /** Every block but the copies: descriptors, revoke and commit blocks. */
  readonly records: readonly number[];
  readonly copies: readonly number[];
}

/** The image with that journal. */
export function withJournal(base: Base, journal: Journal): Written {
  const mem = createMemory(base.image.length);
  const { start: media } = header(mem).media;
  mem.write(media, base.image);
  const writer = new Writer(
    mem,
    base.journal.map((block) => media + block * BLOCK),
    journal,
  );
  for (const [index, transaction] of journal.transactions.entries()) writer.write(index, transaction);
  sealSuperBlock(mem, writer.log[0] as number);
  const raw = RawSuperBlock.of(mem, media + SUPERBLOCK_OFFSET);
  raw.s_feature_incompat |= 0x4; // needs_recovery
  if ((raw.s_feature_ro_compat & 0x400) !== 0) raw.s_checksum = superBlockSum(mem, raw.at);
  const { at: end, records, copies } = writer;
  return { image: mem.read(media, base.image.length), end, records, copies };
}

/** Puts the right checksum into the journal's superblock, where it has one. */
export function sealSuperBlock(mem: Memory, at: number): void {
  const raw = JournalSuperBlock.of(mem, at);
  if (hasBlockSums(raw.s_feature_incompat)) raw.s_checksum = journalSuperBlockSum(mem, at);
}

class Writer {
  readonly mem: Memory;
  /** Addresses of the journal's blocks. */
  readonly log: readonly number[];
  readonly incompat: number;
  readonly summed: boolean;
  readonly seed: number;
  readonly length: number;
  readonly sequence: number;
  readonly records: number[] = [];
  readonly copies: number[] = [];
  at: number;
  sum = 0xffff_ffff;

  constructor(
    mem: Memory,
    log: readonly number[],
    { incompat = 1, compat = 0, start = 1, sequence = 7 }: Journal,
  ) {
    const at = log[0] as number;
    const raw = JournalSuperBlock.of(mem, at);
    raw.s_start = start;
    raw.s_sequence = sequence;
    raw.s_feature_incompat = incompat;
    raw.s_feature_compat = compat;
    mem.u8[at + JournalSuperBlock.offset("s_checksum_type")] = hasBlockSums(incompat) ? JOURNAL_CRC32C : 0;
    this.mem = mem;
    this.log = log;
    this.incompat = incompat;
    this.summed = (compat & JournalCompat.checksum) !== 0;
    this.seed = seedOf(mem, raw.s_uuid);
    this.length = raw.s_maxlen;
    this.sequence = sequence;
    this.at = start;
  }

  /** The address of the next block, zeroed. */
  next(list: number[]): number {
    const address = this.log[this.at] as number;
    list.push(this.at);
    this.at = this.at + 1 === this.length ? 1 : this.at + 1;
    this.mem.fill(address, 0, BLOCK);
    return address;
  }

  record(type: number, sequence: number): number {
    const address = this.next(this.records);
    const head = JournalHeader.of(this.mem, address);
    head.h_magic = JOURNAL_MAGIC;
    head.h_blocktype = type;
    head.h_sequence = sequence;
    return address;
  }

  write(index: number, { blocks = [], revokes = [], seconds = 1000 + index }: Transaction): void {
    const sequence = (this.sequence + index) >>> 0;
    this.sum = 0xffff_ffff;
    const size = (this.incompat & JournalIncompat["64bit"]) === 0 ? 4 : 8;
    const fits = Math.floor((recordsEnd(this.incompat) - RevokeHeader.size) / size);
    for (let from = 0; from < revokes.length; from += fits)
      this.revoke(sequence, revokes.slice(from, from + fits));
    const tags = Math.floor(
      (recordsEnd(this.incompat) - JournalHeader.size - TAG_UUID) / tagSize(this.incompat),
    );
    for (let from = 0; from < blocks.length; from += tags)
      this.describe(sequence, blocks.slice(from, from + tags));
    if (seconds !== "never") this.commit(sequence, seconds);
  }

  revoke(sequence: number, blocks: readonly number[]): void {
    const { mem } = this;
    const address = this.record(JournalBlock.revoke, sequence);
    const size = (this.incompat & JournalIncompat["64bit"]) === 0 ? 4 : 8;
    RevokeHeader.of(mem, address).r_count = RevokeHeader.size + size * blocks.length;
    const view = new DataView(mem.buffer, address + RevokeHeader.size);
    for (const [index, block] of blocks.entries()) view.setUint32(index * size + size - 4, block);
    this.sealRecords(address);
  }

  sealRecords(address: number): void {
    if (hasBlockSums(this.incompat)) {
      storeRecordsSum(this.mem, address, recordsSum(this.mem, this.seed, address));
    }
  }

  describe(sequence: number, blocks: NonNullable<Transaction["blocks"]>): void {
    const { mem, incompat } = this;
    const descriptor = this.record(JournalBlock.descriptor, sequence);
    let tag = descriptor + JournalHeader.size;
    for (const [index, [block, fill]] of blocks.entries()) {
      const copy = this.next(this.copies);
      mem.write(copy, content(fill));
      if (fill === "magic") mem.fill(copy, 0, 4);
      const sum = hasBlockSums(incompat) ? taggedSum(mem, this.seed, sequence, copy) : 0;
      const flags =
        (fill === "magic" ? TagFlag.escape : 0) |
        (index === 0 ? 0 : TagFlag.sameUuid) |
        (index === blocks.length - 1 ? TagFlag.last : 0);
      writeTag(mem, tag, incompat, block, flags, sum);
      tag += tagSize(incompat) + (index === 0 ? TAG_UUID : 0);
    }
    this.sealRecords(descriptor);
    if (!this.summed) return;
    this.sum = crc32(mem, this.sum, descriptor, BLOCK);
    for (const copy of this.copies.slice(-blocks.length)) {
      this.sum = crc32(mem, this.sum, this.log[copy] as number, BLOCK);
    }
  }

  commit(sequence: number, seconds: number): void {
    const { mem } = this;
    const address = this.record(JournalBlock.commit, sequence);
    const commit = CommitBlock.of(mem, address);
    commit.h_commit_sec_lo = seconds;
    if (hasBlockSums(this.incompat)) commit.h_chksum = commitBlockSum(mem, this.seed, address);
    else if (this.summed) {
      commit.h_chksum_type = COMMIT_CRC32.type;
      commit.h_chksum_size = COMMIT_CRC32.size;
      commit.h_chksum = this.sum;
    }
  }
}
