// A block of the orphan file (feature orphan_file), where Linux notes orphans when the file system has one: as many inode
// numbers as fit, 0 where there is none, and then a tail.

import type { Memory } from "../../machine/memory.ts";
import { struct, u32, type ViewOf } from "../../machine/struct.ts";
import { crc32c, crc32cNumber } from "./checksum.ts";
import { seedOfInode } from "./sums.ts";

export const ORPHAN_MAGIC = 0x0b10ca04;
const BLOCK = 4096;

const OrphanTail = struct("ext4_orphan_block_tail", { ob_magic: u32, ob_checksum: u32 }, { size: 8 });
type OrphanTail = ViewOf<typeof OrphanTail>;

/** How many inode numbers a block has. */
export const ORPHANS_A_BLOCK = (BLOCK - OrphanTail.size) / 4;

/** The tail of the block at an address. */
export function orphanTail(mem: Memory, at: number): OrphanTail {
  return OrphanTail.of(mem, at + BLOCK - OrphanTail.size);
}

/** The checksum of such a block, which mixes in the file's inode and the block's own number. */
export function orphanBlockSum(
  mem: Memory,
  seed: number,
  inode: number,
  generation: number,
  block: number,
  at: number,
): number {
  // The block's number has 64 bits here; no media is so long that it needs them.
  const start = crc32cNumber(crc32cNumber(seedOfInode(seed, inode, generation), block), 0);
  return crc32c(mem, start, at, BLOCK - OrphanTail.size);
}
