// What each checksum of the media format covers.  All of them start from the file system's seed; a block
// that belongs to an inode mixes in its number and generation, so that it fits no other one.

import type { Memory } from "../../machine/memory.ts";
import { AttributeHeader } from "./attributes.ts";
import { crc16, crc16Number, crc32c, crc32cNumber, crc32cTwoZeros } from "./checksum.ts";
import { HashCountLimit, hashEntriesAt, HashEntry, HashTail } from "./directory.ts";
import { RawGroup, SHORT_DESCRIPTOR } from "./group.ts";
import { OLD_INODE_SIZE, RawInode } from "./inode.ts";
import { RawSuperBlock } from "./superblock.ts";

const CRC_START = 0xffff_ffff;
const BLOCK = 4096;

/** The seed that an image without metadata_csum_seed uses. */
export function seedOf(mem: Memory, uuidAt: number): number {
  return crc32c(mem, CRC_START, uuidAt, 16);
}

/** The checksum of the superblock at an address. */
export function superBlockSum(mem: Memory, at: number): number {
  return crc32c(mem, CRC_START, at, RawSuperBlock.offset("s_checksum"));
}

/** The 16 bits that belong into a group descriptor, computed as metadata_csum does. */
export function groupSum(mem: Memory, seed: number, group: number, at: number, size: number): number {
  const sumAt = at + RawGroup.offset("bg_checksum");
  let crc = crc32c(mem, crc32cNumber(seed, group), at, sumAt - at);
  crc = crc32cTwoZeros(crc);
  return crc32c(mem, crc, sumAt + 2, at + size - sumAt - 2) & 0xffff;
}

/** The same as uninit_bg does without metadata_csum. */
export function groupSum16(mem: Memory, uuidAt: number, group: number, at: number, size: number): number {
  const sumAt = at + RawGroup.offset("bg_checksum");
  const crc = crc16(mem, crc16Number(crc16(mem, 0xffff, uuidAt, 16), group), at, sumAt - at);
  return size > SHORT_DESCRIPTOR ? crc16(mem, crc, sumAt + 2, at + size - sumAt - 2) : crc;
}

/** What the checksums of an inode and of the blocks that belong to it start from. */
export const seedOfInode = (seed: number, inode: number, generation: number): number =>
  crc32cNumber(crc32cNumber(seed, inode), generation);

/** The checksum of `length` bytes of a block that belongs to an inode. */
export function ownedSum(
  mem: Memory,
  seed: number,
  inode: number,
  generation: number,
  at: number,
  length: number,
): number {
  return crc32c(mem, seedOfInode(seed, inode, generation), at, length);
}

/** The checksum of a node of a directory's hash tree: what it holds, then the tail with its own place as zero. */
export function hashNodeSum(
  mem: Memory,
  seed: number,
  inode: number,
  generation: number,
  at: number,
): number {
  const entriesAt = hashEntriesAt(mem, at);
  const { limit, count } = HashCountLimit.of(mem, entriesAt);
  const length = entriesAt + count * HashEntry.size - at;
  const { dt_reserved } = HashTail.of(mem, entriesAt + limit * HashEntry.size);
  return crc32cNumber(crc32cNumber(ownedSum(mem, seed, inode, generation, at, length), dt_reserved), 0);
}

/** Whether an inode on media has room for the upper half of its checksum. */
export function hasWideSum(mem: Memory, at: number, inodeSize: number): boolean {
  if (inodeSize <= OLD_INODE_SIZE) return false;
  const end = RawInode.offset("i_checksum_hi") + 2;
  return OLD_INODE_SIZE + (mem.u16[(at + OLD_INODE_SIZE) >>> 1] as number) >= end;
}

/** The checksum of the inode at an address; only the lower half is stored where the upper has no room. */
export function inodeSum(mem: Memory, seed: number, inode: number, at: number, inodeSize: number): number {
  const lowAt = at + RawInode.offset("i_checksum_lo");
  const highAt = at + RawInode.offset("i_checksum_hi");
  const generation = mem.u32[(at + RawInode.offset("i_generation")) >>> 2] as number;
  let crc = crc32c(mem, seedOfInode(seed, inode, generation), at, lowAt - at);
  crc = crc32cTwoZeros(crc);
  crc = crc32c(mem, crc, lowAt + 2, at + OLD_INODE_SIZE - lowAt - 2);
  if (inodeSize <= OLD_INODE_SIZE) return crc;
  if (!hasWideSum(mem, at, inodeSize)) {
    return crc32c(mem, crc, at + OLD_INODE_SIZE, inodeSize - OLD_INODE_SIZE);
  }
  crc = crc32cTwoZeros(crc32c(mem, crc, at + OLD_INODE_SIZE, highAt - at - OLD_INODE_SIZE));
  return crc32c(mem, crc, highAt + 2, at + inodeSize - highAt - 2);
}

/** The checksum of the block of extended attributes at an address; its place counts as zero. */
export function attributeSum(mem: Memory, seed: number, block: number, at: number): number {
  const sumAt = AttributeHeader.offset("h_checksum");
  // The block's number has 64 bits here; no media is so long that it needs them.
  const start = crc32cNumber(crc32cNumber(seed, block), 0);
  const crc = crc32cNumber(crc32c(mem, start, at, sumAt), 0);
  return crc32c(mem, crc, at + sumAt + 4, BLOCK - sumAt - 4);
}
