// A group descriptor as it lies on media: 32 bytes, or 64 and more with the 64bit feature.
//
// The first 32 bytes are the same in both, so one view serves; the upper halves behind them are there in wide descriptors
// only: who uses one asks for the descriptors' size first.

import { struct, u16, u32, type ViewOf } from "../../machine/struct.ts";

/** bg_flags: the inode table and its bitmap were never written. */
export const GROUP_INODE_UNINIT = 1;
/** bg_flags: the block bitmap was never written; it follows from the layout. */
export const GROUP_BLOCK_UNINIT = 2;
/** bg_flags: the inode table is zeroed. */
export const GROUP_INODE_ZEROED = 4;

/** Bytes that every descriptor has. */
export const SHORT_DESCRIPTOR = 32;

export const RawGroup = struct(
  "ext4_group_desc",
  {
    bg_block_bitmap_lo: u32,
    bg_inode_bitmap_lo: u32,
    bg_inode_table_lo: u32,
    bg_free_blocks_count_lo: u16,
    bg_free_inodes_count_lo: u16,
    bg_used_dirs_count_lo: u16,
    bg_flags: u16,
    bg_exclude_bitmap_lo: u32,
    bg_block_bitmap_csum_lo: u16,
    bg_inode_bitmap_csum_lo: u16,
    bg_itable_unused_lo: u16,
    bg_checksum: u16,
    bg_block_bitmap_hi: u32,
    bg_inode_bitmap_hi: u32,
    bg_inode_table_hi: u32,
    bg_free_blocks_count_hi: u16,
    bg_free_inodes_count_hi: u16,
    bg_used_dirs_count_hi: u16,
    bg_itable_unused_hi: u16,
    bg_exclude_bitmap_hi: u32,
    bg_block_bitmap_csum_hi: u16,
    bg_inode_bitmap_csum_hi: u16,
    bg_reserved: u32,
  },
  { size: 64 },
);
export type RawGroup = ViewOf<typeof RawGroup>;

function isPowerOf(base: number, value: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}

/** Whether a group other than the first has a copy of the superblock under sparse_super. */
export function isSparse(group: number): boolean {
  return group === 1 || isPowerOf(3, group) || isPowerOf(5, group) || isPowerOf(7, group);
}
