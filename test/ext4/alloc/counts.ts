// What the bitmaps in memory say, bit by bit, beside what the counts say.

import { freeBlockCount, freeInodeCount } from "../../../src/ext4/alloc/open-group.ts";
import { getBuffer, releaseBuffer } from "../../../src/ext4/buffer.ts";
import { blocksOf, getGroup, rawGroup, releaseGroup } from "../../../src/ext4/group.ts";
import { superBlock, type SuperBlock } from "../../../src/ext4/super.ts";
import type { Memory } from "../../../src/machine/memory.ts";

function zeroBits(sb: SuperBlock, block: number, bits: number): number {
  const buffer = getBuffer(sb, block);
  if (typeof buffer === "number") throw new Error(`bitmap ${block}: ${buffer}`);
  let zeros = 0;
  for (let bit = 0; bit < bits; bit++) {
    if (((sb.mem.u8[buffer.data + (bit >>> 3)] as number) & (1 << (bit & 7))) === 0) zeros += 1;
  }
  releaseBuffer(buffer);
  return zeros;
}

/** A count that is not what the bitmaps say, in words.  All groups are in use, so that their bitmaps are written. */
export function wrongCounts(mem: Memory): string | undefined {
  const sb = superBlock(mem);
  const sums = { blocks: 0, inodes: 0 };
  for (let group = 0; group < sb.groupCount; group++) {
    const descriptors = getGroup(sb, group);
    if (typeof descriptors === "number") throw new Error(`group ${group}: ${descriptors}`);
    const raw = rawGroup(sb, descriptors, group);
    const blocks = zeroBits(sb, raw.bg_block_bitmap_lo, blocksOf(sb, group));
    const inodes = zeroBits(sb, raw.bg_inode_bitmap_lo, sb.inodesPerGroup);
    const right = blocks === raw.bg_free_blocks_count_lo && inodes === raw.bg_free_inodes_count_lo;
    releaseGroup(descriptors);
    if (!right) return `the counts of group ${group} are wrong`;
    sums.blocks += blocks;
    sums.inodes += inodes;
  }
  if (freeBlockCount(sb) !== sums.blocks) return `${freeBlockCount(sb)} blocks free of ${sums.blocks}`;
  if (freeInodeCount(sb) !== sums.inodes) return `${freeInodeCount(sb)} inodes free of ${sums.inodes}`;
  return undefined;
}
